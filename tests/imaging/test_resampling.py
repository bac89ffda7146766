"""Resampling in bands: the same rows as at once, and the same kernels as Pillow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bsrgan_backend.imaging.boxes import Box, Part
from bsrgan_backend.imaging.resampling import StripResizer, covered, resize_box, resize_rows, taps

PILLOW = {"lanczos3": Image.Resampling.LANCZOS, "bicubic": Image.Resampling.BICUBIC}


def picture(height, width, channels=3, seed=0):
    """Random noise, the hardest thing for a kernel."""
    return np.random.default_rng(seed).random((height, width, channels), dtype=np.float32)


def streamed(image, size, cuts, kernel):
    """The picture pushed in strips that end at `cuts`, put together again."""
    resizer = StripResizer(image.shape[:2], size, kernel)
    bands, expected = [], 0
    for begin, end in zip([0, *cuts], [*cuts, image.shape[0]], strict=True):
        first, band = resizer.push(image[begin:end])
        assert first == expected
        expected += band.shape[0]
        bands.append(band)
    return np.concatenate(bands)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_strips_equal_the_whole_exactly(data):
    """However the source is cut, the result is bit for bit that of one push, up, down and sideways."""
    height, width = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 20))
    size = (data.draw(st.integers(1, 60)), data.draw(st.integers(1, 30)))
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, height - 1)), max_size=6))) if height > 1 else []
    kernel = data.draw(st.sampled_from(["lanczos3", "bicubic"]))
    image = picture(height, width)
    whole = streamed(image, size, [], kernel)
    assert whole.shape == (*size, 3)
    np.testing.assert_array_equal(streamed(image, size, cuts, kernel), whole)
    np.testing.assert_array_equal(resize_rows(image, size, 0, size[0], kernel), whole)


@pytest.mark.parametrize("kernel", ["lanczos3", "bicubic"])
@pytest.mark.parametrize("size", [(20, 24), (30, 36), (40, 48), (80, 96), (7, 100), (1, 1), (41, 47)])
def test_kernels_are_pillows(kernel, size):
    """The result equals Pillow's own two-pass float resize within float32's last places."""
    image = picture(40, 48, 1)
    peer = np.asarray(Image.fromarray(image[..., 0]).resize((size[1], size[0]), PILLOW[kernel]))
    np.testing.assert_allclose(resize_rows(image, size, 0, size[0], kernel)[..., 0], peer, atol=2e-6)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from(["lanczos3", "bicubic"]))
def test_weights_are_normalised_and_within_the_source(source, target, kernel):
    """Every result row takes existing rows only, its weights sum to 1, and later rows never need earlier ones again."""
    table = taps(source, target, kernel)
    if source == target:
        assert table is None
        return
    assert (table.first >= 0).all()
    assert (table.last <= source).all()
    assert (np.diff(table.first) >= 0).all()
    assert (np.diff(table.last) >= 0).all()
    assert table.last[-1] == source
    assert np.abs(table.weights.sum(axis=1) - 1).max() < 1e-5


def test_flat_pictures_stay_flat():
    """A picture of one colour keeps it at every size."""
    image = np.full((37, 23, 3), 0.7, np.float32)
    for size in ((74, 46), (20, 11), (37, 23), (1, 1), (37, 50)):
        np.testing.assert_allclose(streamed(image, size, [5, 6, 30], "lanczos3"), 0.7, atol=1e-6)


def test_reductions_are_antialiased():
    """Stripes of one pixel become even gray when the size is halved, not stripes again."""
    image = np.zeros((64, 64, 1), np.float32)
    image[::2] = 1.0
    reduced = resize_rows(image, (16, 16), 0, 16)
    np.testing.assert_allclose(reduced[2:-2], 0.5, atol=0.01)


def test_equal_sizes_pass_through():
    """Where nothing has to be resampled the values are untouched."""
    image = picture(9, 7)
    np.testing.assert_array_equal(streamed(image, (9, 7), [2, 3], "lanczos3"), image)


def test_memory_stays_at_the_kernels_reach():
    """A tall picture pushed row by row keeps only the rows that are still needed."""
    resizer = StripResizer((4000, 3), (2000, 3))
    row = np.ones((1, 3, 3), np.float32)
    kept = 0
    for _ in range(4000):
        resizer.push(row)
        kept = max(kept, resizer._kept.shape[0])
    assert kept <= 14


def test_source_is_not_changed():
    """Resampling and taking rows of an equal size never alias the source."""
    image = picture(8, 8)
    before = image.copy()
    rows = resize_rows(image, (8, 8), 2, 4)
    rows += 1.0
    np.testing.assert_array_equal(image, before)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_parts_equal_the_whole_exactly(data):
    """What a part of the source covers is, pushed in strips or at once, bit for bit cut out of the whole result."""
    height, width = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 60))
    size = (data.draw(st.integers(1, 90)), data.draw(st.integers(1, 90)))
    kernel = data.draw(st.sampled_from(["lanczos3", "bicubic"]))
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    seen = Box(top, left, data.draw(st.integers(top + 1, height)), data.draw(st.integers(left + 1, width)))
    wanted = covered(seen, (height, width), size, kernel)
    if not wanted.area:
        return
    image = picture(height, width)
    whole = resize_rows(image, size, 0, size[0], kernel)[wanted.slices]
    part = Part(image[seen.slices], (height, width), seen)
    np.testing.assert_array_equal(resize_box(part, size, wanted, kernel), whole)
    resizer = StripResizer((height, width), size, kernel, seen=seen, wanted=wanted)
    bands, step = [], data.draw(st.integers(1, 9))
    for first in range(0, seen.size[0], step):
        row, band = resizer.push(part.image[first : first + step])
        assert row == wanted.top + sum(len(other) for other in bands)
        bands.append(band)
    np.testing.assert_array_equal(np.concatenate(bands), whole)


def test_the_whole_source_covers_the_whole_result():
    """Nothing is missing at the picture's own edges."""
    assert covered(Box(0, 0, 30, 40), (30, 40), (77, 11)) == Box(0, 0, 77, 11)
    assert covered(Box(0, 0, 15, 40), (30, 40), (60, 40)) == Box(0, 0, 25, 40)


@pytest.mark.parametrize("seen", [Box(0, 3, 20, 20), Box(3, 0, 20, 20), Box(0, 0, 17, 20), Box(0, 0, 20, 17)])
@pytest.mark.parametrize("size", [(80, 80), (20, 20), (10, 10)])
def test_a_part_that_is_too_small_is_refused(size, seen):
    """What needs a row or a column that is not there is never made of others."""
    image = np.zeros((*seen.size, 1), np.float32)
    with pytest.raises(ValueError, match="is needed"):
        resize_box(Part(image, (20, 20), seen), size, Box.whole(size))
    resize_box(Part(image, (20, 20), seen), size, covered(seen, (20, 20), size))
