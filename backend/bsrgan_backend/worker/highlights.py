"""Values outside 0..1 of float pictures: they go around the network, which knows only 0..1.

    result = clamp(network's result of clamp(x)) + resized(max(x - 1, 0)) + resized(min(x, 0))

So a highlight keeps its strength and a colour outside of the gamut its place, while everything within 0..1 is what it
would be without them. The resize is the antialiased bicubic that alpha has too. What overshoots to the other side of
0 is cut off, so no dark ring surrounds a highlight. Pixels under alpha 0 take the mean of their visible neighbours, as
far as the kernel reaches: their colour within 0..1 is filled too, and without it a cut-out would have a dark rim. This
is done last, in rows that are in the spool already: no job without such values pays more than one look at its picture.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from bsrgan_backend.imaging import pixels
from bsrgan_backend.imaging.boxes import Box, Part, Size
from bsrgan_backend.imaging.pixels import Floats, PixelFormat, Pixels
from bsrgan_backend.imaging.resampling import resize_box, taps
from bsrgan_backend.worker import spool
from bsrgan_backend.worker.work import Cancelled, ShouldStop

Mask = npt.NDArray[np.bool_]

_KERNEL = "bicubic"
_KERNEL_PX = 4
"""Width of the kernel, as long as it is not widened by a reduction."""
_SCALED = np.float32(1 / 16)
"""Large values are resized so much smaller: an overshoot beside the largest float would be infinite. A power of two
changes no other bit."""
_LARGE = np.finfo(np.float32).max * _SCALED
_BAND_PX = 128 * 1024
"""Pixels of picture or result that are held at once."""


def add(size: Size, out_size: Size, layout: PixelFormat, source: int, target: int, should_stop: ShouldStop) -> None:
    """Add to a finished result what of its picture lies outside 0..1.

    Args:
        size: (height, width) of the picture.
        out_size: of the result.
        layout: of both; integers have nothing outside.
        source: descriptor of the picture's pixels.
        target: descriptor of the result's.
        should_stop: asked before every band.

    Raises:
        Cancelled: `should_stop` said so.
        BackendError: DISK_FULL, or INTERNAL when a file ends early.
    """
    if layout.numpy_dtype.kind != "f":
        return
    row_bytes, out_bytes = size[1] * layout.pixel_bytes, out_size[1] * layout.pixel_bytes
    step = max(1, _BAND_PX * out_size[0] // max(size[0] * size[1], out_size[0] * out_size[1]))
    reach = fill_reach(size, out_size) if layout.has_alpha else 0
    for first in range(0, out_size[0], step):
        if should_stop():
            raise Cancelled
        wanted = Box(first, 0, min(first + step, out_size[0]), out_size[1])
        seen = _needed(size, out_size, wanted, reach)
        rows = spool.read_rows(source, row_bytes, seen.top, seen.bottom)
        beyond = outside(pixels.unpack(rows, size[1], layout), layout, reach)
        if not beyond.any():
            continue
        data = bytearray(spool.read_rows(target, out_bytes, wanted.top, wanted.bottom))
        result = pixels.unpack(data, out_size[1], layout)
        values = result[..., : layout.colours] + enlarged(Part(beyond, size, seen), out_size, wanted)
        # An overshoot beside the largest half would be infinite.
        most = np.finfo(np.float16 if layout.dtype == "f16" else np.float32).max
        result[..., : layout.colours] = np.clip(values, -most, most)
        spool.write_rows(target, result, first)


def fill_reach(size: Size, out_size: Size) -> int:
    """How far from a visible pixel, in pixels of the picture, a result pixel that shows it can see.

    Args:
        size: (height, width) of the picture.
        out_size: of the result.
    """
    return math.ceil(_KERNEL_PX * max(1.0, size[0] / out_size[0], size[1] / out_size[1]))


def outside(block: Pixels, layout: PixelFormat, reach: int = _KERNEL_PX) -> Floats:
    """How far each value lies outside 0..1.

    Args:
        block: (H, W, C) of a float dtype; visible values are finite.
        layout: of it.
        reach: how far under alpha 0 it is filled, see `fill_reach`; that far from a cut it is not final.

    Returns:
        (H, W, 1 or 3) float32: above 0 for what exceeds 1, below 0 for what is negative; under alpha 0 it is a mean of
        what is visible nearby, and 0 beyond `reach`.
    """
    colour = block[..., : layout.colours].astype(np.float32)
    known = block[..., -1] > 0.0 if layout.has_alpha else np.ones(colour.shape[:2], np.bool_)
    colour[~known] = 0.0
    beyond: Floats = colour - np.clip(colour, 0.0, 1.0)
    if beyond.any() and not known.all():
        _fill(beyond, known, reach)
    return beyond


def _fill(beyond: Floats, known: Mask, reach: int) -> None:
    """Fill pixels that are not known up to `reach` from the known ones, in place."""
    filled = 0
    while filled < reach:
        # At most one more than what is filled: the way to a visible pixel never leads past it and off the picture.
        stride = min(filled + 1, reach - filled)
        known = _spread(beyond, known, stride)
        filled += stride


def _spread(beyond: Floats, known: Mask, stride: int) -> Mask:
    """Give pixels that are not known the mean of the known ones `stride` to each side, in place; what is known then.

    Only sums of a fixed order, unlike the pyramid of `transparency.fill`: a band is the same wherever it begins.
    """
    edge = ((stride, stride), (stride, stride), (0, 0))
    # Scaled, so that no sum of nine overflows; unknown pixels are 0 and add nothing.
    scaled = np.pad(np.dstack([beyond, known.astype(np.float32)]) * np.float32(1 / 16), edge)
    rows = scaled[: -2 * stride] + scaled[stride:-stride] + scaled[2 * stride :]
    total = rows[:, : -2 * stride] + rows[:, stride:-stride] + rows[:, 2 * stride :]
    new: Mask = ~known & (total[..., -1] > 0.0)
    beyond[new] = total[new, :-1] / total[new, -1:]
    return np.logical_or(known, new, out=new)


def enlarged(beyond: Part, out_size: Size, wanted: Box) -> Floats:
    """A rectangle of it at the result's size.

    Args:
        beyond: of `outside`, (H, W, C) float32, or as much of it as `wanted` needs.
        out_size: (height, width) of the whole result.
        wanted: what of it to make.

    Returns:
        (height, width, C) float32; where the picture is within 0..1 for as far as the kernel reaches, it is 0.
    """
    image = beyond.image
    is_large = bool(image.max(initial=0.0) > _LARGE or image.min(initial=0.0) < -_LARGE)
    if is_large:
        image = image * _SCALED
    total: Floats = np.zeros((*wanted.size, image.shape[2]), np.float32)
    for side in (np.maximum, np.minimum):
        part = side(image, np.float32(0.0))
        if part.any():
            total += side(
                resize_box(Part(part, beyond.source, beyond.seen), out_size, wanted, _KERNEL), np.float32(0.0)
            )
    if is_large:
        total = np.clip(total, -_LARGE, _LARGE) / _SCALED
    return total


def _needed(size: Size, out_size: Size, wanted: Box, reach: int) -> Box:
    """The rows of the picture that rows of the result are mixed from, and `reach` more that those are filled from."""
    table = taps(size[0], out_size[0], _KERNEL, wanted.top, wanted.bottom)
    top, bottom = (wanted.top, wanted.bottom) if table is None else (int(table.first[0]), int(table.last[-1]))
    return Box(max(0, top - reach), 0, min(size[0], bottom + reach), size[1])
