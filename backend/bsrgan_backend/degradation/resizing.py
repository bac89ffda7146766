"""The ways to another size: OpenCV's interpolations, antialiased bicubic, and blur with shifted nearest sampling.

All are aligned by centres: pixel i of a picture reduced by s lies at s·i + (s - 1)/2 of its source.
Source: K. Zhang et al., ICCV 2021, section 3.2; the released code for the choice of interpolations.
"""

from __future__ import annotations

import functools
import math

import cv2
import numpy as np
import numpy.typing as npt

from bsrgan_backend.degradation.blur import Kernel, convolve_axes, gaussian_taps
from bsrgan_backend.degradation.pictures import Size, checked_size, clipped, with_channels
from bsrgan_backend.imaging.pixels import Floats

_CLASSICAL_TAPS = 25
_OPENCV = {
    # Neither linear nor cubic is antialiased, and area is blocky when it enlarges: all three are part of the model.
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "nearest": cv2.INTER_NEAREST_EXACT,
}
ANTIALIASED = "antialiased"
INTERPOLATIONS = (*_OPENCV, ANTIALIASED)


def resize(image: Floats, size: Size, interpolation: str) -> Floats:
    """Bring a picture to a size.

    Args:
        image: (H, W, C) float32.
        size: (height, width) px.
        interpolation: one of `INTERPOLATIONS`.

    Returns:
        (height, width, C) float32 in 0..1 (cubic kernels overshoot, so it is clipped), a new array.

    Raises:
        BackendError: TOO_MANY_PIXELS.
    """
    checked_size(size)
    if image.shape[:2] == size:
        return clipped(image.copy())
    if interpolation == ANTIALIASED:
        return clipped(antialiased(image, size))
    resized = cv2.resize(image, (size[1], size[0]), interpolation=_OPENCV[interpolation])
    return clipped(with_channels(resized, image))


def reduced(size: Size, ratio: float) -> Size:
    """The size after dividing by a ratio, rounded down, as the released code does.

    Args:
        size: (height, width) px.
        ratio: old width over new width; below 1 enlarges.

    Returns:
        (height, width) px, each at least 1.
    """
    return max(1, int(size[0] / ratio)), max(1, int(size[1] / ratio))


def antialiased(image: Floats, size: Size) -> Floats:
    """Bicubic resampling with the kernel widened by the reduction, as MATLAB's imresize does it.

    Keys' kernel with a = -0.5; weights are normalised for each result; the border is mirrored and its edge repeated.

    Args:
        image: (H, W, C) float32.
        size: (height, width) px.

    Returns:
        (height, width, C) float32, a new array; overshoots are kept.
    """
    rows = _mixed_rows(image, size[0])
    columns = _mixed_rows(np.ascontiguousarray(rows.transpose(1, 0, 2)), size[1])
    return np.ascontiguousarray(columns.transpose(1, 0, 2))


def _mixed_rows(image: Floats, count: int) -> Floats:
    index, weights = _keys_taps(image.shape[0], count)
    mixed: Floats = np.zeros((count, *image.shape[1:]), np.float32)
    for rows, share in zip(index.T, weights.T, strict=True):
        mixed += image[rows] * share[:, None, None]
    return mixed


@functools.lru_cache(maxsize=8)
def _keys_taps(source: int, target: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """(target, taps) source indices and weights of one axis."""
    scale = source / target
    stretch = max(scale, 1.0)
    centres = (np.arange(target) + 0.5) * scale - 0.5
    reach = math.ceil(4.0 * stretch) + 1
    positions = np.floor(centres - 2.0 * stretch).astype(np.int64)[:, None] + np.arange(reach + 1)
    weights = _keys((positions - centres[:, None]) / stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    used = np.abs(weights).max(axis=0) > 0.0
    around = positions[:, used] % (2 * source)
    index = np.where(around < source, around, 2 * source - 1 - around)
    return index, weights[:, used].astype(np.float32)


def _keys(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    t = np.abs(distance)
    near = (1.5 * t - 2.5) * t * t + 1.0
    far = ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0
    values: npt.NDArray[np.float64] = np.where(t < 1.0, near, np.where(t < 2.0, far, 0.0))
    return values


def shifted_taps(scale: int, sigma: float) -> Kernel:
    """One axis of the "classical" kernel: 25 Gaussian taps moved by (scale - 1)/2 px to the upper left.

    A move by half a pixel is the mean of both neighbours, which adds 0.25 px² of variance at even scales.

    Args:
        scale: the reduction that follows, at least 1.
        sigma: standard deviation px before the move.

    Returns:
        (25,) float64, sum 1.
    """
    taps = gaussian_taps(_CLASSICAL_TAPS, sigma**2)
    whole, half = divmod(scale - 1, 2)
    index = np.arange(_CLASSICAL_TAPS) + whole
    last = _CLASSICAL_TAPS - 1
    moved = 0.5 * (taps[np.minimum(index, last)] + taps[np.minimum(index + half, last)])
    scaled: Kernel = moved / moved.sum()
    return scaled


def classical(image: Floats, scale: int, sigma: float) -> Floats:
    """Blur, then keep every `scale`-th pixel: the degradation of classical super-resolution.

    The kernel is shifted so that the kept pixels stand for the centres of the blocks they replace; convolution flips
    it, so the shift to the upper left samples to the lower right.

    Args:
        image: (H, W, C) float32.
        scale: integer reduction.
        sigma: standard deviation of the Gaussian, px.

    Returns:
        (ceil(H/scale), ceil(W/scale), C) float32 in 0..1, a new array.
    """
    return clipped(convolve_axes(image, shifted_taps(scale, sigma), keep=scale))
