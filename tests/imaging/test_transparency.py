"""Colour under transparency, and alpha at the result's size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bsrgan_backend.imaging import pixels, transparency


def holed(height, width, seed=0, share=0.5):
    """A picture of random colours with random holes; colour in the holes is 0 as `split` leaves it."""
    rng = np.random.default_rng(seed)
    alpha = rng.random((height, width), dtype=np.float32)
    alpha[rng.random((height, width)) < share] = 0.0
    colour = rng.random((height, width, 3), dtype=np.float32)
    colour[alpha == 0] = 0.0
    return colour, alpha


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 1000), st.sampled_from([0.1, 0.5, 0.95]))
def test_visible_pixels_are_unchanged(height, width, seed, share):
    """Every pixel with alpha above 0 keeps its colour exactly, at odd and even sizes."""
    colour, alpha = holed(height, width, seed, share)
    filled = transparency.fill(colour.copy(), alpha)
    np.testing.assert_array_equal(filled[alpha > 0], colour[alpha > 0])


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 1000))
def test_holes_get_colours_between_those_of_visible_pixels(height, width, seed):
    """Filled colours lie within the range of the visible ones: nothing is invented, no black creeps in."""
    colour, alpha = holed(height, width, seed, 0.7)
    if not (alpha > 0).any():
        return
    visible = colour[alpha > 0]
    filled = transparency.fill(colour, alpha)
    assert filled.min() >= visible.min() - 1e-5
    assert filled.max() <= visible.max() + 1e-5


def test_one_colour_fills_everything():
    """A single opaque pixel spreads over the whole picture, however far."""
    colour = np.zeros((257, 130, 3), np.float32)
    alpha = np.zeros((257, 130), np.float32)
    alpha[200, 3] = 1.0
    colour[200, 3] = (0.2, 0.4, 0.6)
    np.testing.assert_allclose(
        transparency.fill(colour.copy(), alpha), np.broadcast_to(colour[200, 3], colour.shape), atol=1e-6
    )


def test_near_neighbours_count_more():
    """Beside a red half the filling is red, beside a blue half blue."""
    colour = np.zeros((32, 96, 3), np.float32)
    alpha = np.zeros((32, 96), np.float32)
    colour[:, :32, 0], colour[:, 64:, 2] = 1.0, 1.0
    alpha[:, :32] = alpha[:, 64:] = 1.0
    filled = transparency.fill(colour, alpha)
    assert (filled[:, 32:36, 0] > filled[:, 32:36, 2]).all()
    assert (filled[:, 60:64, 2] > filled[:, 60:64, 0]).all()


def test_faint_pixels_count_less_than_opaque_ones():
    """A colour at one percent alpha hardly tints a hole beside an opaque one: its colour is hardly known."""
    colour = np.zeros((4, 6, 1), np.float32)
    alpha = np.zeros((4, 6), np.float32)
    alpha[:, 0], alpha[:, 5] = 1.0, 0.01
    colour[:, 5] = 1.0
    assert transparency.fill(colour, alpha)[:, 1:5].mean() < 0.35


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 1000))
def test_bands_do_not_matter(height, width, seed):
    """Filling in bands of two rows gives the bytes of filling at once."""
    colour, alpha = holed(height, width, seed, 0.8)
    whole = transparency.fill(colour.copy(), alpha)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transparency, "_BAND_PX", 1)
        np.testing.assert_array_equal(transparency.fill(colour.copy(), alpha), whole)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_nothing_to_do_costs_nothing(value):
    """Opaque and wholly transparent pictures come back as the same array."""
    colour = np.full((8, 9, 3), 0.0, np.float32)
    assert transparency.fill(colour, np.full((8, 9), value, np.float32)) is colour


def test_colour_under_alpha_zero_never_matters():
    """Wild colours under alpha 0 (even infinite ones) give the same filled picture as black."""
    rng = np.random.default_rng(3)
    tame = rng.random((33, 21, 4), dtype=np.float32)
    tame[rng.random((33, 21)) < 0.6, 3] = 0.0
    wild = tame.copy()
    wild[tame[..., 3] == 0, :3] = (1e30, -np.inf, np.nan)
    tame[tame[..., 3] == 0, :3] = 0.0
    np.testing.assert_array_equal(
        transparency.fill(*pixels.split(wild)),  # type: ignore[arg-type]
        transparency.fill(*pixels.split(tame)),  # type: ignore[arg-type]
    )


def test_constant_alpha_is_recognised():
    """One value everywhere is named; two values are not."""
    alpha = np.full((3, 4), 0.3, np.float32)
    assert transparency.constant(alpha) == pytest.approx(0.3)
    alpha[2, 3] = 0.4
    assert transparency.constant(alpha) is None


@pytest.mark.parametrize("size", [(80, 96), (60, 72), (20, 24), (33, 41), (7, 5)])
def test_alpha_bands_equal_the_whole(size):
    """Alpha made in bands is the alpha made at once, for enlarging and reducing."""
    alpha = holed(20, 24, 4)[1]
    whole = transparency.enlarge_rows(alpha, size, 0, size[0])
    bands = [transparency.enlarge_rows(alpha, size, y, min(y + 3, size[0])) for y in range(0, size[0], 3)]
    np.testing.assert_array_equal(np.concatenate(bands), whole)
    assert whole.shape == size


def test_alpha_is_pillows_bicubic_clamped():
    """The kernel is the antialiased bicubic that Pillow has."""
    alpha = holed(20, 24, 5)[1]
    peer = np.asarray(Image.fromarray(alpha).resize((72, 60), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(transparency.enlarge_rows(alpha, (60, 72), 0, 60), peer.clip(0, 1), atol=2e-5)


def test_flat_alpha_stays_exact():
    """Away from edges alpha 0 stays exactly 0 and alpha 1 exactly 1 at every factor."""
    alpha = np.zeros((24, 24), np.float32)
    alpha[:, 12:] = 1.0
    for factor in (2, 3, 4, 5):
        large = transparency.enlarge_rows(alpha, (24 * factor, 24 * factor), 0, 24 * factor)
        assert (large[:, : 9 * factor] == 0.0).all()
        assert (large[:, 15 * factor :] == 1.0).all()
        assert large.min() == 0.0
        assert large.max() == 1.0
