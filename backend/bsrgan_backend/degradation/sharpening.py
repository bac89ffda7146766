"""Unsharp masking with a threshold: the *plus* variant sharpens its source with it."""

from __future__ import annotations

import cv2
import numpy as np

from bsrgan_backend.degradation.pictures import with_channels
from bsrgan_backend.imaging.pixels import Floats


def sharpen(image: Floats, weight: float, radius: int, threshold: float) -> Floats:
    """Add a part of what a wide blur takes away, where that is more than a threshold.

    Args:
        image: (H, W, 1 or 3) float32 in 0..1.
        weight: share of the difference that is added; 0 changes nothing.
        radius: taps of the Gaussian; an even number counts as the next odd one.
        threshold: least difference in 8-bit levels; the mask is softened by the same blur.

    Returns:
        (H, W, 1 or 3) float32 in 0..1, a new array.
    """
    taps = radius + 1 - radius % 2
    residue = image - _blurred(image, taps)
    mask = _blurred((np.abs(residue) * np.float32(255) > threshold).astype(np.float32), taps)
    sharp = np.clip(image + np.float32(weight) * residue, 0.0, 1.0)
    mixed: Floats = mask * sharp + (np.float32(1) - mask) * image
    return np.clip(mixed, 0.0, 1.0, out=mixed)


def _blurred(image: Floats, taps: int) -> Floats:
    # OpenCV chooses the deviation for the taps: 0.3·((taps - 1)/2 - 1) + 0.8, which is 8 px for 51.
    return with_channels(cv2.GaussianBlur(image, (taps, taps), 0, borderType=cv2.BORDER_REFLECT_101), image)
