"""How near one picture is to another: PSNR, and SSIM after Wang et al. 2004.

Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image Quality Assessment: From Error Visibility to Structural
Similarity", IEEE Transactions on Image Processing 13(4), 2004.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging.pixels import Floats

Plane = npt.NDArray[np.float64]

_LUMA = np.array([0.299, 0.587, 0.114])
_WINDOW, _SIGMA = 11, 1.5
_TOP = 255.0
_C1, _C2 = (0.01 * _TOP) ** 2, (0.03 * _TOP) ** 2


def psnr(first: Floats, second: Floats) -> float:
    """Peak signal-to-noise ratio over all channels, 10·log10(1 / mean squared error).

    Args:
        first: (H, W, C) float32 in 0..1.
        second: the same shape.

    Returns:
        dB; infinite for equal pictures.

    Raises:
        BackendError: BAD_SHAPE for different shapes.
    """
    _require_equal_shapes(first, second)
    error = float(np.mean((first.astype(np.float64) - second) ** 2))
    return 10.0 * math.log10(1.0 / error) if error else math.inf


def ssim(first: Floats, second: Floats) -> float:
    """Structural similarity of the brightness (§III.B), on levels 0..255 with K1 = 0.01 and K2 = 0.03.

    Means, variances and the covariance are weighted by a Gaussian window of 11 x 11 px with a deviation of 1.5 px, and
    the index is averaged over all places where the window lies inside the picture. Along a side that is shorter than
    the window it is averaged over all pixels, mirrored at the border.

    Args:
        first: (H, W, 1 or 3) float32 in 0..1, gray or RGB; the brightness is that of ITU-R BT.601.
        second: the same shape.

    Returns:
        At most 1, which equal pictures have.

    Raises:
        BackendError: BAD_SHAPE for different shapes.
    """
    _require_equal_shapes(first, second)
    x, y = _levels(first), _levels(second)
    mean_x, mean_y = _windowed(x), _windowed(y)
    variance_x = _windowed(x * x) - mean_x**2
    variance_y = _windowed(y * y) - mean_y**2
    covariance = _windowed(x * y) - mean_x * mean_y
    above = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    below = (mean_x**2 + mean_y**2 + _C1) * (variance_x + variance_y + _C2)
    return float((above / below).mean())


def over_black(colour: Floats, alpha: Floats | None) -> Floats:
    """Colour as it is seen on black, so that what alpha hides does not count in a comparison.

    Args:
        colour: (H, W, C) float32 in 0..1.
        alpha: (H, W) float32 in 0..1, or None for opaque.
    """
    return colour if alpha is None else colour * alpha[..., None]


def enlarged_bicubic(picture: Floats, size: tuple[int, int]) -> Floats:
    """A picture at another size by OpenCV's bicubic (a = -0.75), the usual yardstick for super-resolution.

    Args:
        picture: (H, W, 1 or 3) float32 in 0..1.
        size: (height, width) px.

    Returns:
        (height, width, 1 or 3) float32, clipped to 0..1.
    """
    large = cv2.resize(picture, size[::-1], interpolation=cv2.INTER_CUBIC)
    clipped: Floats = np.clip(large, 0.0, 1.0).reshape(*size, picture.shape[2])
    return clipped


def _levels(picture: Floats) -> Plane:
    levels = _TOP * picture.astype(np.float64)
    plane: Plane = levels[..., 0] if picture.shape[2] == 1 else levels @ _LUMA
    return plane


def _windowed(plane: Plane) -> Plane:
    mean: Plane = cv2.GaussianBlur(plane, (_WINDOW, _WINDOW), _SIGMA)
    inside = (slice(_WINDOW // 2, -(_WINDOW // 2)) if side >= _WINDOW else slice(None) for side in plane.shape)
    return mean[tuple(inside)]


def _require_equal_shapes(first: Floats, second: Floats) -> None:
    if first.shape != second.shape:
        raise BackendError(
            "BAD_SHAPE", "Only pictures of one size can be compared.", f"{first.shape} and {second.shape}"
        )
