"""Values outside 0..1 of float pictures, around the network."""

from __future__ import annotations

import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsrgan_backend.imaging import transparency
from bsrgan_backend.imaging.boxes import Box, Part
from bsrgan_backend.imaging.pixels import PixelFormat
from bsrgan_backend.worker import highlights
from bsrgan_backend.worker.jobs import JobSpec
from bsrgan_backend.worker.options import Options
from bsrgan_backend.worker.work import Cancelled
from support.job_runs import run
from support.repeating_network import message, noise


def bright(height, width, channels, dtype="f4", seed=3):
    """A float picture of which some values lie outside 0..1."""
    block = noise(height, width, channels, dtype)
    beyond = np.random.default_rng(seed).normal(0.0, 2.0, (height, width, min(channels, 3)))
    block[..., : beyond.shape[2]] += np.where(np.abs(beyond) > 2.5, beyond, 0.0).astype(block.dtype)
    return block


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("out_size", [(24, 28), (12, 14), (6, 7), (31, 17), (3, 4)])
def test_the_result_is_that_of_the_clipped_picture_and_the_resized_rest(out_size, channels):
    """The formula of the module holds at every size: nothing else changes."""
    block = bright(12, 14, channels)
    clipped = np.clip(block, 0.0, 1.0)
    beyond = highlights.outside(block, PixelFormat("f32", channels))
    np.testing.assert_array_equal(beyond, block - clipped)
    assert (beyond > 0).any()
    assert (beyond < 0).any()
    rest = highlights.enlarged(Part.whole(beyond), out_size, Box.whole(out_size))
    found, plain = run(block, out_size)[1], run(clipped, out_size)[1]
    np.testing.assert_allclose(found, plain + rest, atol=1e-6)
    assert np.abs(found - plain).max() > 0.1
    assert plain.max() <= 1.0


def test_an_even_highlight_keeps_its_value():
    """A flat area far above 1 comes back as bright as it was, and halves too."""
    for dtype in ("f4", "f2"):
        block = np.full((9, 7, 3), 12.0, dtype)
        np.testing.assert_allclose(run(block, (36, 28))[1], block.repeat(4, 0).repeat(4, 1), rtol=1e-3)


def test_no_dark_ring_surrounds_a_highlight():
    """Beside a sun nothing becomes darker than it is without the sun."""
    block = np.full((15, 15, 3), 0.5, np.float32)
    block[7, 7] = 50.0
    found = run(block, (60, 60))[1]
    assert found.min() >= run(np.clip(block, 0.0, 1.0), (60, 60))[1].min()
    assert found.max() > 30.0


def test_bands_are_the_whole_bit_for_bit(monkeypatch):
    """However few rows are held at once, the result is the same."""
    block = bright(40, 9, 3)
    whole = run(block, (100, 30))[1]
    monkeypatch.setattr(highlights, "_BAND_PX", 64)
    np.testing.assert_array_equal(run(block, (100, 30))[1], whole)


def test_strength_does_not_change_what_lies_outside():
    """At every strength the same is added: the slider mixes only what the network makes."""
    block = bright(12, 14, 3)
    spec = JobSpec.of({**message(block, (48, 56)), "params": {"strength": 0}})
    assert spec.options == Options(strength=0.0)
    found = run(block, (48, 56), spec=spec)[1]
    plain = run(np.clip(block, 0.0, 1.0), (48, 56), spec=spec)[1]
    rest = run(block, (48, 56))[1] - run(np.clip(block, 0.0, 1.0), (48, 56))[1]
    np.testing.assert_allclose(found - plain, rest, atol=1e-5)


@pytest.mark.parametrize("channels", [2, 4])
def test_nothing_leaks_from_under_alpha_zero(channels):
    """Highlights, NaN and infinity that nobody sees add nothing, and alpha itself is as ever."""
    tame = np.full((16, 16, channels), 0.25, np.float32)
    tame[:8, :, -1] = 0.0
    wild = tame.copy()
    wild[:8, :, :-1] = 900.0
    wild[0, 0, 0], wild[1, 1, 0] = np.nan, np.inf
    np.testing.assert_array_equal(run(wild, (64, 64))[1], run(tame, (64, 64))[1])


@pytest.mark.parametrize("out_size", [(64, 128), (23, 47), (16, 32), (11, 17), (4, 8)])
def test_a_bright_cut_out_has_no_dark_rim(out_size):
    """Beside alpha 0 an even highlight keeps its value as far as anything of it can be seen, at every size."""
    block = np.zeros((16, 32, 4), np.float32)
    block[:, :9] = [3.0, 3.0, -2.0, 1.0]
    block[:, 12] = [3.0, 3.0, -2.0, 0.25]
    block[5, 31] = [3.0, 3.0, -2.0, 1.0]
    layout = PixelFormat("f32", 4)
    reach = highlights.fill_reach((16, 32), out_size)
    beyond = highlights.outside(block, layout, reach)
    found = highlights.enlarged(Part.whole(beyond), out_size, Box.whole(out_size))
    visible = transparency.enlarge_rows(block[..., 3], out_size, 0, out_size[0]) > 0
    np.testing.assert_allclose(found[visible], np.broadcast_to([2.0, 2.0, -2.0], found[visible].shape), rtol=1e-5)
    result = run(block, out_size)[1]
    seen = result[..., 3] > 0
    np.testing.assert_allclose(result[seen][:, :2], 3.0, rtol=1e-5)
    np.testing.assert_allclose(result[seen][:, 2], -2.0, rtol=1e-5)


@pytest.mark.parametrize("out_size", [(100, 30), (40, 9), (17, 5)])
def test_bands_of_cut_outs_are_the_whole_bit_for_bit(out_size, monkeypatch):
    """What is filled under alpha 0 does not depend on where a band begins."""
    block = bright(40, 9, 4)
    block[..., 3] = np.random.default_rng(1).random((40, 9)) > 0.8
    whole = run(block, out_size)[1]
    monkeypatch.setattr(highlights, "_BAND_PX", 64)
    np.testing.assert_array_equal(run(block, out_size)[1], whole)


@settings(deadline=None, max_examples=30)
@given(height=st.integers(1, 30), out=st.integers(1, 60), first=st.integers(0, 59), rows=st.integers(1, 60))
def test_the_rows_that_are_read_are_those_that_are_needed(height, out, first, rows):
    """A rectangle made from only the rows that were read equals the same part of the whole."""
    first = min(first, out - 1)
    wanted = Box(first, 0, min(first + rows, out), 5)
    beyond = highlights.outside(bright(height, 5, 3), PixelFormat("f32", 3))
    seen = highlights._needed((height, 5), (out, 5), wanted, 0)
    part = Part(beyond[seen.slices], (height, 5), seen)
    whole = highlights.enlarged(Part.whole(beyond), (out, 5), Box.whole((out, 5)))
    np.testing.assert_array_equal(highlights.enlarged(part, (out, 5), wanted), whole[wanted.slices])


def test_the_largest_half_stays_finite():
    """Beside values at the end of what a half can hold, nothing becomes infinite."""
    block = np.zeros((8, 8, 3), np.float16)
    block[:, 4:] = 65504.0
    assert np.isfinite(run(block, (32, 32))[1]).all()


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("out_size", [(75, 60), (15, 13), (7, 80)])
def test_the_largest_floats_stay_finite(out_size, channels):
    """Beside values at both ends of what a float can hold, no sum becomes infinite or no number."""
    block = noise(20, 20, channels, "f4")
    sign = np.random.default_rng(5).random((20, 20, 3)) - 0.5
    block[..., :3] = np.copysign(np.finfo(np.float32).max, sign)
    block[:4, ..., -1] = 0.0
    found = run(block, out_size)[1]
    assert np.isfinite(found).all()
    assert np.abs(found[..., :3]).max() == np.finfo(np.float32).max


def test_large_values_are_resized_as_small_ones():
    """A picture times a power of two gives the same times that, cut off at the largest float."""
    beyond = highlights.outside(bright(12, 14, 3), PixelFormat("f32", 3))
    beyond /= np.abs(beyond).max()
    plain = highlights.enlarged(Part.whole(beyond), (31, 17), Box.whole((31, 17)))
    found = highlights.enlarged(Part.whole(beyond * np.float32(2.0**127)), (31, 17), Box.whole((31, 17)))
    most = np.finfo(np.float32).max
    expected = np.clip(plain.astype(np.float64) * 2.0**127, -most, most).astype(np.float32)
    np.testing.assert_array_equal(found, expected)


def test_cancel_is_obeyed():
    """A job that is cancelled while highlights are added ends as cancelled."""
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as target:
        source.write(bright(4, 4, 3).tobytes())
        source.flush()
        with pytest.raises(Cancelled):
            highlights.add((4, 4), (8, 8), PixelFormat("f32", 3), source.fileno(), target.fileno(), lambda: True)
