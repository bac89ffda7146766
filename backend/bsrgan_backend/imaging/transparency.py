"""Transparency around the network: colour for where there is none, and alpha at the result's size."""

from __future__ import annotations

import cv2
import numpy as np

from bsrgan_backend.imaging.pixels import Floats
from bsrgan_backend.imaging.resampling import resize_rows

_SNAP = np.float32(1e-5)


def fill(colour: Floats, alpha: Floats) -> Floats:
    """Give pixels under alpha 0 the colour of their visible neighbours (push-pull, Gortler et al. 1996).

    Otherwise the network would draw the edge between a shape and the meaningless colour around it into the result.
    Averages weighted by alpha are pushed up a pyramid of halved sizes and pulled down again where nothing is known:
    time and memory are proportional to the pixels whatever the size of the hole.

    Args:
        colour: (H, W, C) float32; values under alpha 0 must be 0 (`pixels.split` sees to it).
        alpha: (H, W) float32 in 0..1.

    Returns:
        (H, W, C) float32. Pixels with alpha above 0 are unchanged; a wholly transparent picture comes back as it is.
    """
    hidden = alpha <= 0.0
    if not hidden.any() or hidden.all():
        return colour
    filled: Floats = colour.copy()
    filled[hidden] = _pulled(colour * alpha[..., None], alpha)[hidden]
    return filled


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
    rows = resize_rows(alpha[..., None], size, first, last, "bicubic")[..., 0]
    # The kernel's weights sum to 1 only up to float32; without this a flat area would be 0.9999999.
    rows[rows < _SNAP] = 0.0
    rows[rows > 1.0 - _SNAP] = 1.0
    return rows


def _pulled(weighted: Floats, weight: Floats) -> Floats:
    """Colour for every pixel: its own where it has weight, else from coarser and coarser averages.

    Args:
        weighted: (H, W, C) colour times weight.
        weight: (H, W) in 0..1.
    """
    shape = weighted.shape
    own: Floats = weighted / np.maximum(weight, np.float32(1e-12))[..., None]
    if weight.size == 1 or (weight > 0.0).all():
        return own
    coarse = _pulled(*_pushed(weighted, weight))
    upper = _doubled(coarse)[: shape[0], : shape[1]]
    certain = weight[..., None]
    blended: Floats = own * certain + upper * (1.0 - certain)
    return blended


def _pushed(weighted: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Half the size: sums of 2 x 2 pixels, the weight capped at 1 and the colour scaled with it."""
    pad = ((0, weight.shape[0] % 2), (0, weight.shape[1] % 2))
    summed_weight = _summed(np.pad(weight, pad))
    summed = _summed(np.pad(weighted, (*pad, (0, 0))))
    capped = np.minimum(summed_weight, np.float32(1.0))
    summed *= (capped / np.maximum(summed_weight, np.float32(1e-12)))[..., None]
    return summed, capped


def _summed(plane: Floats) -> Floats:
    rows = plane[0::2] + plane[1::2]
    total: Floats = rows[:, 0::2] + rows[:, 1::2]
    return total


def _doubled(plane: Floats) -> Floats:
    """Twice the size, bilinear between pixel centres."""
    height, width, channels = plane.shape
    doubled: Floats = cv2.resize(plane, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR)
    # cv2 drops the axis of a single channel.
    return doubled.reshape(2 * height, 2 * width, channels)
