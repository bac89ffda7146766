"""Any size from a network of one scale."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging.boxes import Box
from bsrgan_backend.imaging.resampling import resize_rows
from bsrgan_backend.worker import passes
from support.repeating_network import Repeater


def result(image, steps, network, scratch=None, areas=None):
    """Run passes and put the rows together."""
    told = []
    areas = areas or [step.seen.area for step in steps]
    journey = passes.Journey(areas, lambda done, total, tile, tiles: told.append((done, total)))
    bands = []
    passes.Runner(network, {}, journey, lambda: False, scratch).run(
        image, steps, lambda first, band: bands.append((first, band.copy()))
    )
    rows = steps[-1].wanted.top
    for first, band in bands:
        assert first == rows
        rows += band.shape[0]
    return np.concatenate([band for _, band in bands]), told


@pytest.mark.parametrize(
    ("scale", "out_size", "between"),
    [
        (4, (400, 800), []),
        (4, (25, 50), []),
        (4, (415, 830), []),
        (4, (800, 1600), [(200, 400)]),
        (4, (1600, 3200), [(400, 800)]),
        (4, (1600, 200), [(400, 200)]),
        (4, (1600, 50), [(400, 50)]),
        (2, (1600, 3200), [(200, 400), (400, 800), (800, 1600)]),
        (2, (300, 600), [(150, 300)]),
        (1, (1600, 3200), []),
    ],
)
def test_passes_are_as_few_and_as_small_as_the_result_allows(scale, out_size, between):
    """Each pass but the last makes exactly what the next one needs."""
    assert passes.sizes((100, 200), out_size, scale) == ((100, 200), *between, out_size)


@settings(deadline=None, max_examples=200)
@given(
    st.integers(1, 300), st.integers(1, 300), st.floats(0.25, 16), st.floats(0.25, 16), st.sampled_from([1, 2, 3, 4])
)
def test_no_pass_enlarges_by_a_kernel(height, width, down, across, scale):
    """Every pass reaches its target by the network's scale, but for 5 percent; no side is lost on the way."""
    out_size = max(1, round(height * down)), max(1, round(width * across))
    steps = passes.sizes((height, width), out_size, scale)
    for source, target in itertools.pairwise(steps):
        for side, out, original, last in zip(source, target, (height, width), out_size, strict=True):
            assert out <= 1.05 * scale * side or scale == 1
            assert out >= min(original, last)


def test_one_pass_is_the_network_and_a_resize():
    """The result is that of the network brought to the asked size."""
    image = np.random.default_rng(0).random((12, 9, 3), dtype=np.float32)
    made, told = result(image, passes.plan((12, 9), (31, 20), 4), Repeater())
    large = image.repeat(4, 0).repeat(4, 1)
    np.testing.assert_array_equal(made, resize_rows(large, (31, 20), 0, 31))
    assert told[-1] == (48, 48)


def test_two_passes_are_the_network_over_its_own_result():
    """The second pass sees the first one's result at the size that it needs, clamped."""
    image = np.random.default_rng(0).random((12, 9, 3), dtype=np.float32)
    network = Repeater()
    made, told = result(image, passes.plan((12, 9), (96, 72), 4), network)
    between = np.clip(resize_rows(image.repeat(4, 0).repeat(4, 1), (24, 18), 0, 24), 0, 1)
    np.testing.assert_array_equal(network.images[1], between)
    np.testing.assert_array_equal(made, between.repeat(4, 0).repeat(4, 1))
    shares = [done / total for done, total in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_gray_stays_one_channel_between_passes():
    """A gray picture is three channels for a colour network only, in every pass."""
    image = np.random.default_rng(0).random((8, 8, 1), dtype=np.float32)
    network = Repeater()
    made, _ = result(image, passes.plan((8, 8), (128, 128), 4), network)
    assert made.shape == (128, 128, 1)
    assert [seen.shape for seen in network.images] == [(8, 8, 3), (32, 32, 3)]


@pytest.mark.parametrize("out_size", [(640, 640), (300, 410), (150, 999), (40, 50)])
def test_a_part_equals_the_whole(out_size):
    """What a part covers is, through all passes, what the whole picture gives there."""
    image = np.random.default_rng(0).random((80, 70, 3), dtype=np.float32)
    whole, _ = result(image, passes.plan((80, 70), out_size, 4), Repeater())
    seen = Box(16, 24, 64, 70)
    steps = passes.plan((80, 70), out_size, 4, seen)
    part, _ = result(image[seen.slices], steps, Repeater())
    wanted = steps[-1].wanted
    assert wanted.area > 0.3 * seen.at((80, 70), out_size).area
    np.testing.assert_array_equal(part, whole[wanted.slices])


def test_large_pictures_between_passes_lie_in_a_file(tmp_path, monkeypatch):
    """The same result comes from a file, which leaves no name behind."""
    image = np.random.default_rng(0).random((8, 8, 3), dtype=np.float32)
    steps = passes.plan((8, 8), (64, 64), 4)
    usual, _ = result(image, steps, Repeater())
    monkeypatch.setattr(passes, "_FILE_BYTES", 0)
    network = Repeater()
    spooled, _ = result(image, steps, network, tmp_path)
    assert isinstance(network.images[1], np.memmap)
    np.testing.assert_array_equal(spooled, usual)
    assert not list(tmp_path.iterdir())
    with pytest.raises(BackendError) as caught:
        result(image, steps, Repeater(), tmp_path / "gone")
    assert caught.value.code == "DISK_FULL"
