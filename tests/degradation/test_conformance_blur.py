"""T1 to T4: the kernels and what is drawn for them."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from bsrgan_backend.degradation import blur, resizing
from bsrgan_backend.degradation.drawing import draw_blur
from bsrgan_backend.degradation.profiles import PROFILES
from bsrgan_backend.degradation.streams import Streams
from support.degradation_pictures import REFERENCE, picture
from support.degradation_statistics import chi_squared_p, share_p, two_sample_p, uniform_p

DRAWS = 3000
LEAST_P = 1e-3


def moments(kernel):
    """Centroid (x, y) and covariance of a kernel."""
    reach = np.arange(len(kernel)) - (len(kernel) - 1) / 2
    x, y = reach[None, :], reach[:, None]
    centre = np.array([(kernel * x).sum(), (kernel * y).sum()])
    dx, dy = x - centre[0], y - centre[1]
    return centre, np.array(
        [[(kernel * dx * dx).sum(), (kernel * dx * dy).sum()], [(kernel * dx * dy).sum(), (kernel * dy * dy).sum()]]
    )


def isotropic(size, sigma):
    """The outer product that the product convolves with."""
    taps = blur.gaussian_taps(size, sigma**2)
    return np.outer(taps, taps)


@pytest.mark.parametrize("size", [7, 15, 25])
def test_t01_isotropic_kernels_have_their_moments(size):
    """An isotropic kernel sums to 1, is symmetric, centred, and has the variance that it was made for."""
    for sigma in np.arange(0.8, (size - 1) / 8 + 1e-9, 0.1):
        kernel = isotropic(size, sigma)
        centre, covariance = moments(kernel)
        assert abs(kernel.sum() - 1) < 1e-12
        for mirrored in (kernel.T, kernel[::-1], kernel[:, ::-1]):
            np.testing.assert_allclose(kernel, mirrored, atol=1e-15)
        assert np.abs(centre).max() < 1e-9
        # At four deviations the taps that are cut off hold a tenth of a percent of the variance.
        np.testing.assert_allclose(np.diag(covariance), sigma**2, rtol=0.01)


@pytest.mark.parametrize("sigma", [0.0, 1e-6, 0.05, 0.1])
def test_t01_narrow_kernels_are_one_tap(sigma):
    """A deviation of 0.1 px or less leaves the picture as it is."""
    assert isotropic(7, sigma)[3, 3] > 1 - 1e-9
    image = picture("synthetic256")
    np.testing.assert_allclose(blur.blur(image, 7, sigma**2, sigma**2, 0.0), image, atol=1e-7)


def rotated(along, across, theta):
    """The covariance with these variances and axes."""
    turn = np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])
    return turn @ np.diag([along, across]) @ turn.T


@pytest.mark.parametrize(("along", "across"), [(6.0, 0.7), (2.0, 2.0), (0.3, 5.0), (1.0, 1.5)])
@pytest.mark.parametrize("theta", [0.0, 0.4, 1.7, 3.0])
def test_t02_anisotropic_kernels_follow_the_formula(along, across, theta):
    """Every tap is exp(-p' C⁻¹ p / 2) over the sum of all, with variances as eigenvalues."""
    inverse = np.linalg.inv(rotated(along, across, theta))
    reach = np.arange(25) - 12
    points = np.stack(np.meshgrid(reach, reach), axis=-1)
    wanted = np.exp(-0.5 * np.einsum("yxi,ij,yxj->yx", points, inverse, points))
    np.testing.assert_allclose(blur.gaussian_kernel(25, along, across, theta), wanted / wanted.sum(), atol=1e-15)


@pytest.mark.parametrize("theta", [0.0, 0.4, 1.2, 2.5])
def test_t02_anisotropic_kernels_have_their_covariance(theta):
    """The covariance of a kernel that is neither truncated nor aliased is the wanted one within 2 %."""
    found = moments(blur.gaussian_kernel(25, 6.0, 1.5, theta))[1]
    np.testing.assert_allclose(found, rotated(6.0, 1.5, theta), atol=0.02 * 6.0)


def test_t02_anisotropic_kernels_have_the_symmetries_of_an_ellipse():
    """Half a turn, and a quarter turn with swapped variances, give the same kernel; a circle has no direction."""
    one = blur.gaussian_kernel(15, 5.0, 1.0, 0.6)
    np.testing.assert_allclose(one, blur.gaussian_kernel(15, 5.0, 1.0, 0.6 + np.pi), atol=1e-15)
    np.testing.assert_allclose(one, blur.gaussian_kernel(15, 1.0, 5.0, 0.6 + np.pi / 2), atol=1e-15)
    round_ = blur.gaussian_kernel(15, 2.0, 2.0, 0.0)
    np.testing.assert_allclose(round_, blur.gaussian_kernel(15, 2.0, 2.0, 1.1), atol=1e-15)
    np.testing.assert_allclose(round_, isotropic(15, np.sqrt(2.0)), atol=1e-15)


def drawn_blurs(scale, profile="official"):
    """Many draws, each from a stream of its own as in a run."""
    return [draw_blur(Streams(seed).step(0), scale, PROFILES[profile]) for seed in range(DRAWS)]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_t03_blurs_are_drawn_from_the_official_ranges(scale):
    """Sizes 7..25, half of the blurs anisotropic, deviations and variances from 0 to the scale's limit, all uniform."""
    drawn = drawn_blurs(scale)
    sizes = Counter(one.size for one in drawn)
    assert sorted(sizes) == list(range(7, 26, 2))
    assert chi_squared_p(list(sizes.values())) > LEAST_P
    round_ = [one for one in drawn if one.along == one.across]
    long = [one for one in drawn if one.along != one.across]
    assert share_p(len(long), DRAWS, 0.5) > LEAST_P
    assert uniform_p(np.sqrt([one.along for one in round_]), 0, 2 + 0.2 * scale) > LEAST_P
    assert uniform_p([one.along for one in long], 0, 4 + scale) > LEAST_P
    assert uniform_p([one.across for one in long], 0, 4 + scale) > LEAST_P
    assert uniform_p([one.theta for one in long], 0, np.pi) > LEAST_P


@pytest.mark.parametrize("scale", [2, 4])
def test_t03_effective_deviations_are_those_of_the_released_code(scale):
    """The deviations that kernels really have, truncation included, are distributed as the released code's."""
    if not REFERENCE.is_file():
        pytest.skip(f"the reference statistics are not there: {REFERENCE.name} is missing")
    wanted = json.loads(REFERENCE.read_text(encoding="utf-8"))["blocks"][f"add_blur_sf{scale}"]
    kernels = (blur.gaussian_kernel(one.size, one.along, one.across, one.theta) for one in drawn_blurs(scale))
    values = np.array([np.linalg.eigvalsh(moments(kernel)[1]) for kernel in kernels])
    deviations = np.sqrt(np.maximum(values, 0))
    assert two_sample_p(deviations[:, 1], wanted["samples_effective_major_std"]) > LEAST_P
    assert two_sample_p(deviations[:, 0], wanted["samples_effective_minor_std"]) > LEAST_P


@pytest.mark.parametrize(("scale", "shift", "widening"), [(2, -0.5, 0.25), (3, -1.0, 0.0), (4, -1.5, 0.25)])
def test_t04_shifted_kernels_move_by_half_of_the_scale(scale, shift, widening):
    """The classical kernel's centre is (scale - 1)/2 px to the upper left; even scales widen it by 0.25 px²."""
    for sigma in (0.8, 1.2, 0.6 * scale):
        taps = resizing.shifted_taps(scale, sigma)
        centre, covariance = moments(np.outer(taps, taps))
        # A deviation of 2.4 px has 3e-6 of its weight beyond the 25 taps.
        np.testing.assert_allclose(centre, shift, atol=1e-9 if sigma < 1.8 else 1e-4)
        np.testing.assert_allclose(np.diag(covariance), sigma**2 + widening, rtol=1e-3)
        assert abs(taps.sum() - 1) < 1e-12


def test_t04_shifted_kernels_are_those_of_the_released_code():
    """Shift and variance agree with what was measured on the released code."""
    if not REFERENCE.is_file():
        pytest.skip(f"the reference statistics are not there: {REFERENCE.name} is missing")
    for wanted in json.loads(REFERENCE.read_text(encoding="utf-8"))["blocks"]["classical_kernel"]:
        taps = resizing.shifted_taps(wanted["sf"], wanted["sigma"])
        centre, covariance = moments(np.outer(taps, taps))
        np.testing.assert_allclose(centre, (wanted["dx"], wanted["dy"]), atol=2e-4)
        np.testing.assert_allclose(np.diag(covariance), (wanted["var_x"], wanted["var_y"]), atol=2e-3)


def convolved_by_hand(image, kernel):
    """Convolution by its definition, mirrored without repeating the edge."""
    reach = len(kernel) // 2
    padded = np.pad(image.astype(np.float64), ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    total = np.zeros(image.shape)
    for row, column in np.ndindex(kernel.shape):
        part = padded[2 * reach - row : padded.shape[0] - row, 2 * reach - column : padded.shape[1] - column]
        total += kernel[row, column] * part
    return total


@pytest.mark.parametrize("size", [3, 9, 13, 21])
def test_convolution_flips_the_kernel_and_mirrors_the_border(size):
    """The product's convolution is that of the definition, for kernels without any symmetry."""
    rng = np.random.default_rng(size)
    kernel = rng.random((size, size))
    kernel /= kernel.sum()
    image = rng.random((40, 31, 3), dtype=np.float32)
    np.testing.assert_allclose(blur.convolve(image, kernel), convolved_by_hand(image, kernel), atol=1e-6)


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_separate_axes_are_the_same_convolution(keep):
    """Both axes one after the other, with pixels left out, give what the whole kernel gives there."""
    rng = np.random.default_rng(7)
    taps = rng.random(9)
    taps /= taps.sum()
    image = rng.random((23, 31, 3), dtype=np.float32)
    wanted = convolved_by_hand(image, np.outer(taps, taps))[::keep, ::keep]
    np.testing.assert_allclose(blur.convolve_axes(image, taps, keep), wanted, atol=1e-6)
