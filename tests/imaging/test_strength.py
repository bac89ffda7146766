"""The strength slider's formula."""

from __future__ import annotations

import numpy as np
import pytest

from bsrgan_backend.imaging import strength
from bsrgan_backend.imaging.boxes import Box, Part
from bsrgan_backend.imaging.resampling import resize_rows

RNG = np.random.default_rng(0)
SR, BASE = RNG.random((2, 5, 7, 3), dtype=np.float32)
TEXTURE = RNG.random((5, 7, 1), dtype=np.float32) - np.float32(0.5)


@pytest.mark.parametrize(("s", "t"), [(0.5, 0.0), (0.5, 1.0), (1.0, 0.3), (0.25, 0.75)])
def test_the_formula_is_that_of_the_sliders(s, t):
    """The result is (1 - s) base + s (SR + t texture), the texture in all channels alike."""
    full = SR + t * TEXTURE
    wanted = full if s == 1.0 else (1 - s) * BASE + s * np.clip(full, 0, 1)
    np.testing.assert_allclose(strength.mix(SR, BASE, TEXTURE, s, t), wanted, atol=1e-6)


def test_the_ends_are_exact():
    """At strength 0 the base itself comes back, at 100 without texture the network's result itself."""
    assert strength.mix(None, BASE, None, 0.0, 1.0) is BASE
    assert strength.mix(SR, None, None, 1.0, 0.0) is SR


def test_an_overshoot_does_not_shine_through():
    """White stays white where the plain resize is whiter, and black where the network is blacker."""
    white, whiter = np.ones((1, 1, 3), np.float32), np.full((1, 1, 3), 1.2, np.float32)
    np.testing.assert_array_equal(strength.mix(0.5 * white, whiter, None, 0.5, 0.0), 0.75 * white)
    np.testing.assert_array_equal(strength.mix(-whiter, white, None, 0.75, 0.0), 0.25 * white)


def test_nothing_is_changed_in_place():
    """The network's rows may be kept by others."""
    before = SR.copy()
    strength.mix(SR, BASE, TEXTURE, 0.4, 0.9)
    np.testing.assert_array_equal(SR, before)


def test_the_base_is_the_resized_source():
    """A rectangle of the base is cut out of the resized picture bit for bit."""
    image = RNG.random((20, 30, 3), dtype=np.float32)
    whole = resize_rows(image, (50, 45), 0, 50)
    wanted = Box(11, 5, 40, 44)
    np.testing.assert_array_equal(strength.base_box(Part.whole(image), (50, 45), wanted), whole[wanted.slices])
