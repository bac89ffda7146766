"""Transparency around the network: colour for where there is none, and alpha at the result's size."""

from __future__ import annotations

import cv2
import numpy as np

from bsrgan_backend.imaging.boxes import Box, Part, Size
from bsrgan_backend.imaging.pixels import Floats
from bsrgan_backend.imaging.resampling import resize_box

_SNAP = np.float32(1e-5)
_TINY = np.float32(1e-12)
_BAND_PX = 1024 * 1024


def fill(colour: Floats, alpha: Floats) -> Floats:
    """Give pixels under alpha 0 the colour of their visible neighbours (push-pull, Gortler et al. 1996).

    Otherwise the network would draw the edge between a shape and the meaningless colour around it into the result.
    Averages weighted by alpha are pushed up a pyramid of halved sizes and pulled down again where nothing is known:
    time and memory are proportional to the pixels whatever the size of the hole, and the full size is worked on in
    bands.

    Args:
        colour: (H, W, C) float32; values under alpha 0 must be 0 (`pixels.split` sees to it). Filled in place.
        alpha: (H, W) float32 in 0..1.

    Returns:
        `colour`. Pixels with alpha above 0 are unchanged; a wholly transparent picture stays as it is.
    """
    hidden = alpha <= 0.0
    if not hidden.any() or hidden.all():
        return colour
    height, width, channels = colour.shape
    half = ((height + 1) // 2, (width + 1) // 2)
    weighted: Floats = np.empty((*half, channels), np.float32)
    weight: Floats = np.empty(half, np.float32)
    rows = _band_rows(width)
    for first in range(0, half[0], rows):
        both, coarse = slice(2 * first, 2 * (first + rows)), slice(first, first + rows)
        weighted[coarse], weight[coarse] = _pushed(colour[both] * alpha[both, :, None], alpha[both])
    coarse_colour = _pulled(weighted, weight)
    for first in range(0, half[0], rows):
        both = slice(2 * first, 2 * (first + rows))
        colour[both][hidden[both]] = _doubled_rows(coarse_colour, first, rows)[: height - 2 * first, :width][
            hidden[both]
        ]
    return colour


def _band_rows(width: int) -> int:
    return max(1, _BAND_PX // width)


def constant(alpha: Floats) -> float | None:
    """The one value of an alpha plane, or None when it has several.

    Args:
        alpha: (H, W) float32.
    """
    first = float(alpha.flat[0])
    return first if (alpha == np.float32(first)).all() else None


def enlarge_rows(alpha: Floats, size: tuple[int, int], first: int, last: int) -> Floats:
    """Rows of the alpha plane at the result's size, by antialiased bicubic, clamped.

    Args:
        alpha: (H, W) float32 in 0..1.
        size: (height, width) of the result.
        first: first row wanted.
        last: row after the last one wanted.

    Returns:
        (last - first, width) float32 in 0..1; areas of 0 or 1 stay exactly 0 or 1.
    """
    return enlarge_box(alpha, size, Box(first, 0, last, size[1]))


def enlarge_box(alpha: Floats, size: Size, wanted: Box) -> Floats:
    """A rectangle of what `enlarge_rows` gives.

    Args:
        alpha: (H, W) float32 in 0..1.
        size: (height, width) of the result.
        wanted: what of it to make.
    """
    rows = resize_box(Part.whole(alpha[..., None]), size, wanted, "bicubic")[..., 0]
    # The kernel's weights sum to 1 only up to float32; without this a flat area would be 0.9999999.
    rows[rows < _SNAP] = 0.0
    rows[rows > 1.0 - _SNAP] = 1.0
    return rows


def visible_box(alpha: Floats) -> Box:
    """The smallest box that holds every pixel with alpha above 0; there must be one.

    Args:
        alpha: (H, W) float32.
    """
    rows = np.flatnonzero([row.any() for row in alpha])
    columns = np.flatnonzero(alpha[rows[0] : rows[-1] + 1].any(axis=0))
    return Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def _pulled(weighted: Floats, weight: Floats) -> Floats:
    """Colour for every pixel: its own as far as it has weight, else from coarser and coarser averages.

    Args:
        weighted: (H, W, C) colour times weight.
        weight: (H, W) in 0..1.
    """
    height, width = weight.shape
    own: Floats = weighted / np.maximum(weight, _TINY)[..., None]
    if weight.size == 1 or (weight >= 1.0).all():
        return own
    coarse = _pulled(*_pushed(weighted, weight))
    upper = _doubled_rows(coarse, 0, coarse.shape[0])[:height, :width]
    own -= upper
    own *= weight[..., None]
    own += upper
    return own


def _pushed(weighted: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Half the size: sums of 2 x 2 pixels, the weight capped at 1 and the colour scaled with it."""
    pad = ((0, weight.shape[0] % 2), (0, weight.shape[1] % 2))
    summed_weight = _summed(np.pad(weight, pad))
    summed = _summed(np.pad(weighted, (*pad, (0, 0))))
    capped = np.minimum(summed_weight, np.float32(1.0))
    summed *= (capped / np.maximum(summed_weight, _TINY))[..., None]
    return summed, capped


def _summed(plane: Floats) -> Floats:
    rows = plane[0::2] + plane[1::2]
    total: Floats = rows[:, 0::2] + rows[:, 1::2]
    return total


def _doubled_rows(plane: Floats, first: int, rows: int) -> Floats:
    """Rows first..first+rows of a plane (as many as there are) at twice the size, bilinear between pixel centres."""
    last = min(first + rows, plane.shape[0])
    # One row more on either side, so that bands meet without a seam.
    low, high = max(first - 1, 0), min(last + 1, plane.shape[0])
    part = plane[low:high]
    doubled: Floats = cv2.resize(part, (2 * part.shape[1], 2 * part.shape[0]), interpolation=cv2.INTER_LINEAR)
    # cv2 drops the axis of a single channel.
    doubled = doubled.reshape(2 * part.shape[0], 2 * part.shape[1], plane.shape[2])
    return doubled[2 * (first - low) : 2 * (last - low)]
