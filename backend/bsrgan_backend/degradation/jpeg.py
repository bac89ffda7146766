"""JPEG compression and back, by OpenCV's libjpeg-turbo: 4:2:0 at every quality, blocks from the picture's corner."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from bsrgan_backend.degradation.pictures import with_channels
from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging.pixels import Floats

MOST_SIDE_PX = 65500
"""libjpeg's own limit."""


def encoded(image: Floats, quality: int) -> bytes:
    """The JPEG file of a picture.

    Args:
        image: (H, W, 1 or 3) float32, clipped to 0..1 and rounded half to even.
        quality: 1..100.

    Returns:
        The file; gray pictures have one component, the others 4:2:0 chroma.

    Raises:
        BackendError: BAD_SHAPE for a side that the format cannot hold.
    """
    if max(image.shape[:2]) > MOST_SIDE_PX:
        raise BackendError(
            "BAD_SHAPE",
            f"JPEG cannot hold a side of more than {MOST_SIDE_PX} pixels; select a smaller area or leave JPEG out.",
            f"{image.shape[:2]}",
        )
    levels = np.rint(np.clip(image, 0.0, 1.0) * np.float32(255)).astype(np.uint8)
    if levels.shape[2] == 3:
        # The wrong channel order would weigh red as blue in the luma and chroma of the format.
        levels = cv2.cvtColor(levels, cv2.COLOR_RGB2BGR)
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    ]
    return bytes(cv2.imencode(".jpg", levels, options)[1])


def compress(image: Floats, quality: int) -> Floats:
    """What a picture looks like after it was saved as JPEG.

    Args:
        image: (H, W, 1 or 3) float32, clipped to 0..1.
        quality: 1..100.

    Returns:
        (H, W, 1 or 3) float32 of whole 8-bit levels in 0..1, a new array.

    Raises:
        BackendError: BAD_SHAPE for a side that the format cannot hold.
    """
    data = np.frombuffer(encoded(image, quality), np.uint8)
    gray = image.shape[2] == 1
    levels: Any = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR)
    if not gray:
        levels = cv2.cvtColor(levels, cv2.COLOR_BGR2RGB)
    return with_channels(levels.astype(np.float32) / np.float32(255), image)
