"""Training data: which part of a picture is cut out, and how OpenCV shares the machine."""

from __future__ import annotations

import cv2
import numpy as np

from bsrgan_backend.degradation.pictures import Size
from bsrgan_backend.degradation.streams import SOURCE, Streams
from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging.pixels import Pixels


def patch_corner(size: Size, side: int, seed: int) -> tuple[int, int]:
    """Where a square patch lies in a picture, uniform over all places.

    Args:
        size: (height, width) px of the picture.
        side: of the patch, px.
        seed: of the degradation; the place has a stream of its own, so it changes nothing else.

    Returns:
        (top, left) px.

    Raises:
        BackendError: BAD_PARAM when the patch does not fit.
    """
    height, width = size
    if side > min(size):
        raise BackendError(
            "BAD_PARAM",
            f"The picture is {width} x {height}, so a patch of {side} pixels does not fit; ask for a smaller one.",
        )
    rng = Streams(seed).child(SOURCE)
    return int(rng.integers(height - side, endpoint=True)), int(rng.integers(width - side, endpoint=True))


def cut(picture: Pixels, corner: tuple[int, int], side: int) -> Pixels:
    """A square part of a picture.

    Args:
        picture: (H, W, C) of any type.
        corner: (top, left) px.
        side: px.

    Returns:
        (side, side, C), a new array.
    """
    top, left = corner
    return np.ascontiguousarray(picture[top : top + side, left : left + side])


def use_one_thread() -> None:
    """Keep OpenCV to one thread in this process: where each core has a process of its own, more would be in the way."""
    cv2.setNumThreads(1)
