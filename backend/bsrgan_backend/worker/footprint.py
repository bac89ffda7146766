"""Memory of a job besides the engine's, before anything is read: for refusals, and for the engine's own budget."""

from __future__ import annotations

from bsrgan_backend.imaging.boxes import Size
from bsrgan_backend.imaging.pixels import PixelFormat
from bsrgan_backend.worker import passes
from bsrgan_backend.worker.options import Options

_FLOAT = 4
_STRIP_ARRAYS = 6
"""Bands that are alive at once in `finishing`, measured."""


def held_bytes(
    size: Size, out_size: Size, layout: PixelFormat, options: Options, scale: int, *, spooled: bool = False
) -> int:
    """What a job holds at most while the engine runs, the engine's own arrays not counted.

    Args:
        size: (height, width) of the picture.
        out_size: of the result.
        layout: of its pixels.
        options: of the job.
        scale: of the network.
        spooled: large pictures between two passes go to a file.

    Returns:
        Bytes, an upper bound for pictures without transparent margins.
    """
    area = size[0] * size[1]
    source = _FLOAT * area * (layout.colours + int(layout.has_alpha))
    if options.strength == 0.0:
        return source + _strip_bytes(out_size)
    # Gray is repeated for the network.
    widened = _FLOAT * 3 * area if layout.colours == 1 else 0
    return source + widened + _between_bytes(size, out_size, layout, scale, spooled) + _strip_bytes(out_size)


def _between_bytes(size: Size, out_size: Size, layout: PixelFormat, scale: int, spooled: bool) -> int:
    """The largest two neighbours of the pictures between passes: one enters while the next is filled."""
    steps = passes.sizes(size, out_size, scale)[1:-1]
    held = [0, *(passes.held_between(height * width * layout.colours * _FLOAT, spooled) for height, width in steps)]
    return max(sum(pair) for pair in zip([0, *held], held, strict=False))


def _strip_bytes(out_size: Size) -> int:
    """Bands of the result at the kernel's, the sliders' and the outside type."""
    return _STRIP_ARRAYS * _FLOAT * 3 * max(passes.BAND_PX, out_size[1])
