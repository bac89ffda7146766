"""PSNR and SSIM."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging.metrics import enlarged_bicubic, over_black, psnr, ssim


def noise(height: int, width: int, channels: int, seed: int) -> np.ndarray:
    """A picture of noise."""
    return np.random.default_rng(seed).random((height, width, channels), np.float32)


def test_psnr_of_a_known_error():
    """An error of a tenth everywhere is 20 dB; equal pictures have no error."""
    first = np.full((5, 6, 3), 0.25, np.float32)
    assert psnr(first, first + np.float32(0.1)) == pytest.approx(20.0, abs=1e-4)
    assert psnr(first, first) == math.inf


def plain_ssim(first: np.ndarray, second: np.ndarray) -> float:
    """Wang et al. 2004, equation 13 with the weights of §III.B, place by place."""
    luma = np.array([0.299, 0.587, 0.114])
    x, y = (255.0 * picture.astype(np.float64) @ luma for picture in (first, second))
    axis = np.exp(-((np.arange(11) - 5.0) ** 2) / (2 * 1.5**2))
    weights = np.outer(axis, axis) / axis.sum() ** 2
    values = []
    for row in range(x.shape[0] - 10):
        for column in range(x.shape[1] - 10):
            a, b = (plane[row : row + 11, column : column + 11] for plane in (x, y))
            mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
            var_a, var_b = (weights * (a - mean_a) ** 2).sum(), (weights * (b - mean_b) ** 2).sum()
            both = (weights * (a - mean_a) * (b - mean_b)).sum()
            c1, c2 = 6.5025, 58.5225
            above = (2 * mean_a * mean_b + c1) * (2 * both + c2)
            values.append(above / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)))
    return float(np.mean(values))


def test_ssim_is_that_of_the_paper():
    """The index agrees with the paper's formula worked out place by place."""
    first, second = noise(17, 14, 3, 1), noise(17, 14, 3, 2)
    for other in (second, 0.7 * first + 0.3 * second):
        assert ssim(first, other) == pytest.approx(plain_ssim(first, other), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 16), st.integers(1, 16), st.sampled_from([1, 3]), st.integers(0, 99))
def test_ssim_of_any_size(height, width, channels, seed):
    """Equal pictures have 1, others less, the order does not matter, and sides below the window are no hindrance."""
    first, second = noise(height, width, channels, seed), noise(height, width, channels, seed + 1)
    assert ssim(first, first) == pytest.approx(1.0)
    assert ssim(first, second) == pytest.approx(ssim(second, first))
    assert ssim(first, second) < 1.0


def test_only_one_size_can_be_compared():
    """Pictures of two shapes are refused in one sentence."""
    for measure in (psnr, ssim):
        with pytest.raises(BackendError, match="one size"):
            measure(noise(4, 5, 3, 0), noise(4, 5, 1, 0))


def test_hidden_colour_does_not_count():
    """On black, colour under alpha 0 is gone and opaque colour is itself."""
    colour = noise(2, 2, 3, 0)
    alpha = np.array([[0, 1], [1, 0.5]], np.float32)
    seen = over_black(colour, alpha)
    assert not seen[0, 0].any()
    np.testing.assert_array_equal(seen[0, 1], colour[0, 1])
    assert over_black(colour, None) is colour


def test_the_yardstick_keeps_flat_areas():
    """Bicubic enlargement keeps channels, size and a flat colour, and stays in 0..1."""
    flat = np.full((3, 4, 1), 0.4, np.float32)
    np.testing.assert_allclose(enlarged_bicubic(flat, (9, 7)), np.full((9, 7, 1), 0.4, np.float32), atol=1e-6)
    edges = (noise(6, 6, 3, 0) > 0.5).astype(np.float32)
    large = enlarged_bicubic(edges, (24, 24))
    assert (large.min(), large.max()) == (0.0, 1.0)
