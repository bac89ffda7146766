"""Gaussian blur: kernels by their variances, and their convolution with a picture.

Source: K. Zhang et al., ICCV 2021, section 3.1 (isotropic and anisotropic Gaussian kernels).
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from bsrgan_backend.degradation.pictures import with_channels
from bsrgan_backend.imaging.pixels import Floats

Kernel = npt.NDArray[np.float64]

_LEAST_VARIANCE = 1e-8
"""px²; a narrower kernel is the same single tap, but its exponent would divide by zero."""

_LOST_WEIGHT = 1e-8
"""Rims of a kernel that weigh less than this together are left out: no float32 value would notice them."""


def full_size(variance: float) -> int:
    """The kernel size that cuts nothing off which could be seen: three standard deviations to each side.

    Args:
        variance: the larger variance of the kernel, px².

    Returns:
        An odd number of taps, at least 3.
    """
    return 2 * max(1, math.ceil(3.0 * math.sqrt(variance))) + 1


def gaussian_kernel(size: int, along: float, across: float, theta: float = 0.0) -> Kernel:
    """A Gaussian kernel with the given variances along two perpendicular axes.

    The size does not follow from the variances: the released code draws both independently, so that wide kernels are
    often cut off. Variances, not standard deviations: the paper's "axis length" is an eigenvalue of the covariance.

    Args:
        size: taps of a side, odd.
        along: variance px² along (cos theta, sin theta), x to the right and y down.
        across: variance px² perpendicular to it.
        theta: radians.

    Returns:
        (size, size) float64, sum 1.
    """
    reach = np.arange(size) - (size - 1) / 2
    x, y = reach[None, :], reach[:, None]
    cosine, sine = math.cos(theta), math.sin(theta)
    first = (cosine * x + sine * y) ** 2 / max(along, _LEAST_VARIANCE)
    second = (cosine * y - sine * x) ** 2 / max(across, _LEAST_VARIANCE)
    return _normalised(np.exp(-0.5 * (first + second)))


def gaussian_taps(size: int, variance: float) -> Kernel:
    """One axis of an isotropic Gaussian kernel.

    Args:
        size: taps, odd.
        variance: px².

    Returns:
        (size,) float64, sum 1; its outer product with itself is the isotropic kernel.
    """
    reach = np.arange(size) - (size - 1) / 2
    return _normalised(np.exp(-0.5 * reach**2 / max(variance, _LEAST_VARIANCE)))


def blur(image: Floats, size: int, along: float, across: float, theta: float) -> Floats:
    """Convolve with a Gaussian; the border is mirrored without repeating the edge.

    Args:
        image: (H, W, C) float32.
        size: taps of a side, odd.
        along: variance px² along (cos theta, sin theta).
        across: variance px² perpendicular to it.
        theta: radians.

    Returns:
        (H, W, C) float32, a new array; the weights are not negative, so the range is kept but for float rounding.
    """
    if along == across:
        taps = gaussian_taps(size, along)
        return convolve_axes(image, taps)
    return convolve(image, gaussian_kernel(size, along, across, theta))


def convolve(image: Floats, kernel: Kernel) -> Floats:
    """Convolve each channel with a kernel, which flips it; the border is mirrored without repeating the edge.

    Args:
        image: (H, W, C) float32.
        kernel: (n, n) float64, n odd.

    Returns:
        (H, W, C) float32, a new array.
    """
    # OpenCV correlates; convolution is correlation with the flipped kernel.
    return _correlated(image, np.ascontiguousarray(_trimmed(kernel)[::-1, ::-1]))


def convolve_axes(image: Floats, taps: Kernel, keep: int = 1) -> Floats:
    """Convolve with the outer product of a row of taps with itself, and keep some of the pixels.

    Args:
        image: (H, W, C) float32.
        taps: (n,) float64, n odd.
        keep: every how many rows and columns of the result are wanted, from the first on.

    Returns:
        (ceil(H/keep), ceil(W/keep), C) float32, a new array.
    """
    flipped = _flipped(taps)
    # Two calls of filter2D: sepFilter2D is four times slower for taps that are not symmetric. What is not kept of the
    # first axis need not be worked on for the second.
    across = np.ascontiguousarray(_correlated(image, flipped[None, :])[:, ::keep])
    return np.ascontiguousarray(_correlated(across, flipped[:, None])[::keep])


def _correlated(image: Floats, kernel: Kernel) -> Floats:
    return with_channels(cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT_101), image)


def _flipped(taps: Kernel) -> Kernel:
    rim = 0
    while 2 * rim + 1 < len(taps) and taps[: rim + 1].sum() + taps[-rim - 1 :].sum() < _LOST_WEIGHT:
        rim += 1
    return np.ascontiguousarray(taps[rim : len(taps) - rim][::-1])


def _trimmed(kernel: Kernel) -> Kernel:
    """The kernel without its rims of no weight: direct filtering of few taps is far faster than a transform."""
    rim = 0
    while 2 * rim + 3 <= len(kernel):
        inner = kernel[rim + 1 : len(kernel) - rim - 1, rim + 1 : len(kernel) - rim - 1]
        if kernel.sum() - inner.sum() >= _LOST_WEIGHT:
            break
        rim += 1
    return kernel[rim : len(kernel) - rim, rim : len(kernel) - rim]


def _normalised(kernel: Kernel) -> Kernel:
    scaled: Kernel = kernel / kernel.sum()
    return scaled
