"""Values outside 0..1 of float pictures: they go around the network, which knows only 0..1.

    result = clamp(network's result of clamp(x)) + resized(max(x - 1, 0)) + resized(min(x, 0))

So a highlight keeps its strength and a colour outside of the gamut its place, while everything within 0..1 is what it
would be without them. The resize is the antialiased bicubic that alpha has too. What overshoots to the other side of
0 is cut off, so no dark ring surrounds a highlight. This is done last, in rows that are in the spool already: no job
without such values pays more than one look at its picture.
"""

from __future__ import annotations

import numpy as np

from bsrgan_backend.imaging import pixels
from bsrgan_backend.imaging.boxes import Box, Part, Size
from bsrgan_backend.imaging.pixels import Floats, PixelFormat, Pixels
from bsrgan_backend.imaging.resampling import resize_box, taps
from bsrgan_backend.worker import spool
from bsrgan_backend.worker.work import Cancelled, ShouldStop

_KERNEL = "bicubic"
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
    for first in range(0, out_size[0], step):
        if should_stop():
            raise Cancelled
        wanted = Box(first, 0, min(first + step, out_size[0]), out_size[1])
        seen = _needed(size, out_size, wanted)
        rows = spool.read_rows(source, row_bytes, seen.top, seen.bottom)
        beyond = outside(pixels.unpack(rows, size[1], layout), layout)
        if not beyond.any():
            continue
        data = bytearray(spool.read_rows(target, out_bytes, wanted.top, wanted.bottom))
        result = pixels.unpack(data, out_size[1], layout)
        values = result[..., : layout.colours] + enlarged(Part(beyond, size, seen), out_size, wanted)
        # An overshoot beside the largest half would be infinite.
        most = np.finfo(np.float16 if layout.dtype == "f16" else np.float32).max
        result[..., : layout.colours] = np.clip(values, -most, most)
        spool.write_rows(target, result, first)


def outside(block: Pixels, layout: PixelFormat) -> Floats:
    """How far each value lies outside 0..1.

    Args:
        block: (H, W, C) of a float dtype; visible values are finite.
        layout: of it.

    Returns:
        (H, W, 1 or 3) float32: above 0 for what exceeds 1, below 0 for what is negative; under alpha 0 it is 0.
    """
    colour = block[..., : layout.colours].astype(np.float32)
    if layout.has_alpha:
        colour[~(block[..., -1] > 0.0)] = 0.0
    beyond: Floats = colour - np.clip(colour, 0.0, 1.0)
    return beyond


def enlarged(beyond: Part, out_size: Size, wanted: Box) -> Floats:
    """A rectangle of it at the result's size.

    Args:
        beyond: of `outside`, (H, W, C) float32, or as much of it as `wanted` needs.
        out_size: (height, width) of the whole result.
        wanted: what of it to make.

    Returns:
        (height, width, C) float32; where the picture is within 0..1 for as far as the kernel reaches, it is 0.
    """
    total: Floats = np.zeros((*wanted.size, beyond.image.shape[2]), np.float32)
    for side in (np.maximum, np.minimum):
        part = side(beyond.image, np.float32(0.0))
        if part.any():
            total += side(
                resize_box(Part(part, beyond.source, beyond.seen), out_size, wanted, _KERNEL), np.float32(0.0)
            )
    return total


def _needed(size: Size, out_size: Size, wanted: Box) -> Box:
    """The rows of the picture that rows of the result are mixed from."""
    table = taps(size[0], out_size[0], _KERNEL, wanted.top, wanted.bottom)
    if table is None:
        return Box(wanted.top, 0, wanted.bottom, size[1])
    return Box(int(table.first[0]), 0, int(table.last[-1]), size[1])
