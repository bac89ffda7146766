"""What every step of the degradation works on: (H, W, 1 or 3) float32 in 0..1, RGB, gamma-encoded."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging.pixels import Floats

Size = tuple[int, int]
"""(height, width) in pixels."""

MOST_PIXELS = 2**28
"""More pixels than this are refused at every step; a float RGB picture of that size takes 3 GB."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the brightness Y of ITU-R BT.601, the one of JPEG."""


def checked(image: npt.NDArray[Any]) -> Floats:
    """Refuse what the model is not defined for.

    Args:
        image: (H, W, 1 or 3) float32 in 0..1, gray or RGB; alpha is the caller's.

    Returns:
        The same array, or a contiguous copy of it.

    Raises:
        BackendError: BAD_SHAPE, ZERO_SIZE, BAD_DTYPE, NONFINITE, TOO_MANY_PIXELS, or BAD_PARAM for values outside 0..1.
    """
    if image.ndim != 3 or image.shape[2] not in (1, 3):
        raise BackendError(
            "BAD_SHAPE",
            "Only gray and RGB pictures without alpha can be degraded; split off other channels first.",
            f"shape {image.shape}",
        )
    if image.dtype != np.float32:
        raise BackendError(
            "BAD_DTYPE", "The degradation needs 32-bit float pixels in 0..1; convert them first.", str(image.dtype)
        )
    checked_size(image.shape[:2])
    _require_unit_range(image)
    return np.ascontiguousarray(image)


def checked_size(size: Size) -> Size:
    """Refuse a picture that is empty or would not fit into memory.

    Args:
        size: (height, width) px.

    Returns:
        The same size.

    Raises:
        BackendError: ZERO_SIZE or TOO_MANY_PIXELS.
    """
    if min(size) < 1:
        raise BackendError("ZERO_SIZE", "The picture is empty; choose a layer or selection with at least one pixel.")
    if size[0] * size[1] > MOST_PIXELS:
        raise BackendError(
            "TOO_MANY_PIXELS",
            "The picture is too large for this degradation; select a smaller area.",
            f"{size[0]} x {size[1]}",
        )
    return size


def with_channels(result: npt.NDArray[Any], like: Floats) -> Floats:
    """Give back the channel axis that OpenCV drops from gray pictures.

    Args:
        result: (H, W, C) or, for one channel, (H, W) float32.
        like: a picture with the same number of channels.

    Returns:
        (H, W, C) float32, a view of `result`.
    """
    shaped: Floats = result.reshape(*result.shape[:2], like.shape[2])
    return shaped


def luma(image: Floats) -> Floats:
    """The brightness of each pixel.

    Args:
        image: (H, W, 1 or 3) float32.

    Returns:
        (H, W, 1) float32; gray is its own brightness.
    """
    if image.shape[2] == 1:
        return image
    brightness: Floats = cv2.transform(image, np.array([LUMA], np.float32)).reshape(*image.shape[:2], 1)
    return brightness


def clipped(image: Floats) -> Floats:
    """Clip an array of our own to 0..1 in place.

    Args:
        image: any float32 array that no caller holds.

    Returns:
        The same array.
    """
    return np.clip(image, 0.0, 1.0, out=image)


def _require_unit_range(image: Floats) -> None:
    # NaN fails both comparisons, so the common case is decided by two passes.
    lowest, highest = float(image.min()), float(image.max())
    if lowest >= 0.0 and highest <= 1.0:
        return
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise BackendError(
            "NONFINITE", "The picture holds NaN or infinite values; clip or repaint those pixels and try again."
        )
    raise BackendError(
        "BAD_PARAM",
        "The picture's values must lie in 0..1; divide integers by their largest value and clip highlights.",
        f"{lowest}..{highest}",
    )
