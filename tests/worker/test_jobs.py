"""A job's way through imaging, with a network that only repeats pixels."""

from __future__ import annotations

import numpy as np
import pytest

from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging import transparency
from bsrgan_backend.worker import jobs, passes
from support.job_runs import run
from support.repeating_network import Repeater, message, noise


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f2", "f4"])
def test_a_network_that_repeats_gives_repeated_pixels(dtype, channels):
    """In every type and channel count the colours come back exactly, however the strips are cut."""
    block = noise(24, 7, channels, dtype)
    outcome, result = run(block, (96, 28))
    large = block.repeat(4, 0).repeat(4, 1)
    assert outcome.total == result.nbytes
    if channels in (2, 4):
        opaque = large[..., -1] == large[..., -1].max()
        np.testing.assert_array_equal(result[opaque][:, :-1], large[opaque][:, :-1])
        assert (result[: 5 * 4, :, -1] == 0).all()
        assert (result[-9 * 4 :, :, -1] == large[..., -1].max()).all()
    else:
        np.testing.assert_array_equal(result, large)


def test_the_same_size_comes_back_from_a_scale_of_one():
    """A network of scale 1 with an equal size is not resampled at all."""
    block = noise(5, 9, 3)
    np.testing.assert_array_equal(run(block, (5, 9), Repeater(scale=1))[1], block)


@pytest.mark.parametrize(
    "out_size", [(12, 16), (24, 32), (36, 48), (7, 5), (60, 80), (3, 4), (192, 256), (12, 256), (192, 4)]
)
def test_any_size_can_be_asked_for(out_size):
    """A flat picture stays flat at every size, smaller and larger than the network's own."""
    block = np.full((12, 16, 4), 200, np.uint8)
    assert (run(block, out_size)[1] == 200).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1)])
def test_the_thinnest_pictures_work(size):
    """One pixel, one row and one column go through with alpha and reduction."""
    block = noise(*size, 4, "u2")
    assert run(block, (size[0] * 2, size[1] * 2))[1].shape == (size[0] * 2, size[1] * 2, 4)


def test_strips_do_not_matter():
    """Another cut of the network's strips gives the same bytes, with alpha and a reduction."""
    block = noise(20, 13, 4)
    first = run(block, (40, 26), Repeater(strips=(3,)))[1]
    np.testing.assert_array_equal(first, run(block, (40, 26), Repeater(strips=(80,)))[1])


def test_colour_under_alpha_zero_never_leaks():
    """Wild colours under alpha 0 give the same bytes as tame ones."""
    tame = noise(16, 16, 4, "f4")
    tame[tame[..., 3] == 0, :3] = 0.5
    wild = tame.copy()
    wild[tame[..., 3] == 0, :3] = (np.nan, 1e30, -np.inf)
    np.testing.assert_array_equal(run(tame, (64, 64))[1], run(wild, (64, 64))[1])


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_an_even_transparency_stays_exact(dtype, monkeypatch):
    """One alpha value everywhere is the result's value everywhere, without resampling it."""
    monkeypatch.setattr(transparency, "enlarge_rows", None)
    block = noise(9, 9, 4, dtype)
    block[..., 3] = 0.3 if dtype == "f4" else 101
    result = run(block, (27, 27))[1]
    assert (result[..., 3] == block[0, 0, 3]).all()


def test_a_clear_picture_costs_no_network():
    """A wholly transparent picture becomes a wholly transparent result without the network."""
    block = noise(8, 8, 4)
    block[..., 3] = 0
    network = Repeater()
    outcome, result = run(block, (32, 32), network)
    assert not result.any()
    assert outcome.total == result.nbytes
    assert not network.images


def test_gray_is_three_equal_channels_for_the_network():
    """A gray picture enters a colour network as R = G = B, and a gray network as one channel."""
    network = Repeater()
    block = noise(4, 4, 1)
    run(block, (16, 16), network)
    image = network.images[0]
    assert image.shape == (4, 4, 3)
    assert (image == image[..., :1]).all()
    assert run(block, (16, 16), Repeater(channels=1))[1].shape == (16, 16, 1)


def test_nan_is_refused():
    """A visible NaN ends the job with NONFINITE."""
    block = noise(4, 4, 3, "f4")
    block[2, 2, 1] = np.nan
    with pytest.raises(BackendError) as caught:
        run(block, (16, 16))
    assert caught.value.code == "NONFINITE"


def test_cancelling_stops_between_strips():
    """A job that is told to stop ends as cancelled, from reading and from the network."""
    asked = iter([False, False, True])
    with pytest.raises(jobs.Cancelled):
        run(noise(8, 8, 3), (32, 32), should_stop=lambda: next(asked))
    with pytest.raises(jobs.Cancelled):
        run(noise(8, 8, 3), (32, 32), should_stop=lambda: True)


def test_missing_rows_are_no_result():
    """A network that leaves rows out does not end as done."""

    class Short(Repeater):
        def upscale(self, image, sink, *, on_progress, should_stop):
            sink(0, np.zeros((4, image.shape[1] * 4, 3), np.float32))

    with pytest.raises(BackendError) as caught:
        run(noise(8, 8, 3), (32, 32), Short())
    assert caught.value.code == "INTERNAL"


def test_rows_out_of_order_are_no_result():
    """A strip that is not the next one is refused."""

    class Swapped(Repeater):
        def upscale(self, image, sink, *, on_progress, should_stop):
            sink(4, np.zeros((4, image.shape[1] * 4, 3), np.float32))

    with pytest.raises(BackendError):
        run(noise(8, 8, 3), (32, 32), Swapped())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"dtype": "f64"}, "BAD_DTYPE"),
        ({"channels": 5}, "BAD_SHAPE"),
        ({"width": 0}, "ZERO_SIZE"),
        ({"out_height": 0}, "ZERO_SIZE"),
        ({"out_width": 70000}, "TOO_MANY_PIXELS"),
        ({"params": {"strength": 101}}, "BAD_PARAM"),
    ],
)
def test_impossible_jobs_are_refused(changes, code):
    """Each impossible field has its own code."""
    with pytest.raises(BackendError) as caught:
        jobs.JobSpec.of(message(noise(2, 2, 3), (8, 8), **changes))
    assert caught.value.code == code


def test_a_spool_of_another_size_is_refused():
    """Pixels that do not fit the announced size are refused before anything else happens."""
    spec = jobs.JobSpec.of(message(noise(9, 9, 3), (36, 36)))
    with pytest.raises(BackendError) as caught:
        run(noise(8, 8, 3), (36, 36), spec=spec)
    assert caught.value.code == "BAD_SHAPE"


def test_too_little_memory_is_said_before_it_is_taken(monkeypatch):
    """A picture whose numbers do not fit into free memory is HOST_OOM at once."""
    monkeypatch.setattr(jobs.host, "available_memory_bytes", lambda: 100)
    with pytest.raises(BackendError) as caught:
        run(noise(8, 8, 3), (32, 32))
    assert caught.value.code == "HOST_OOM"


def test_memory_for_the_result_is_not_taken(monkeypatch):
    """No array as large as the result exists: the largest block that is written is a strip."""
    largest = 0
    write = jobs.spool.write_rows

    def spy(descriptor, block, first_row):
        nonlocal largest
        largest = max(largest, block.shape[0])
        return write(descriptor, block, first_row)

    monkeypatch.setattr(jobs.spool, "write_rows", spy)
    run(noise(64, 4, 4), (128, 8), Repeater(strips=(4,)))
    assert 0 < largest <= 8
    largest = 0
    monkeypatch.setattr(passes, "BAND_PX", 400)
    run(noise(8, 8, 4), (128, 16), Repeater(strips=(32,)))
    assert 0 < largest <= 40


@pytest.mark.parametrize("out_size", [(129, 16), (8, 129), (1, 8), (8, 1)])
def test_factors_beyond_the_range_are_refused(out_size):
    """Less than a quarter and more than 16 times a side is BAD_PARAM."""
    with pytest.raises(BackendError) as caught:
        run(noise(8, 8, 3), out_size)
    assert caught.value.code == "BAD_PARAM"
