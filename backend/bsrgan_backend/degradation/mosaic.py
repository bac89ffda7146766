"""The colour filter array of a sensor: one colour for each pixel, and the bilinear way back to three.

Sites are chosen by stride and gaps filled by convolution, so every size works, odd ones too.
"""

from __future__ import annotations

import cv2
import numpy as np

from bsrgan_backend.imaging.pixels import Floats

RED_SITES = {"RGGB": (0, 0), "GRBG": (0, 1), "GBRG": (1, 0), "BGGR": (1, 1)}
"""(row, column) of red in each block of 2 x 2; blue is on the other diagonal place, the two greens between."""

PATTERNS = tuple(RED_SITES)

_RED_OR_BLUE: Floats = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32) / np.float32(4)
_GREEN: Floats = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]], np.float32) / np.float32(4)


def sites(pattern: str) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where the red and the blue pixels of a mosaic are; all others are green.

    Args:
        pattern: one of `PATTERNS`.

    Returns:
        Index of the red and of the blue pixels in a (H, W) array.
    """
    row, column = RED_SITES[pattern]
    return (slice(row, None, 2), slice(column, None, 2)), (slice(1 - row, None, 2), slice(1 - column, None, 2))


def mosaic(image: Floats, pattern: str) -> Floats:
    """What a sensor behind a colour filter sees of a picture.

    Args:
        image: (H, W, 3) float32.
        pattern: one of `PATTERNS`.

    Returns:
        (H, W) float32, a new array.
    """
    seen: Floats = image[..., 1].copy()
    red, blue = sites(pattern)
    seen[red] = image[..., 0][red]
    seen[blue] = image[..., 2][blue]
    return seen


def demosaic(seen: Floats, pattern: str) -> Floats:
    """Fill in the two colours that each pixel did not see with the mean of its neighbours.

    Args:
        seen: (H, W) float32, both sides at least 2 so that each colour is there.
        pattern: one of `PATTERNS`.

    Returns:
        (H, W, 3) float32; a constant of each colour comes back exactly.
    """
    red, blue = sites(pattern)
    full: Floats = np.empty((*seen.shape, 3), np.float32)
    green = seen.copy()
    for channel, place in ((0, red), (2, blue)):
        alone = np.zeros_like(seen)
        alone[place] = seen[place]
        green[place] = 0.0
        full[..., channel] = _filled(alone, _RED_OR_BLUE)
    full[..., 1] = _filled(green, _GREEN)
    return full


def _filled(plane: Floats, kernel: Floats) -> Floats:
    # Mirroring without repeating the edge keeps the phase of the pattern.
    filled: Floats = cv2.filter2D(plane, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
    return filled
