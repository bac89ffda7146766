"""Memory of a job besides the engine's, before anything is read: for refusals, and for the engine's own budget."""

from __future__ import annotations

from bsrgan_backend.imaging.boxes import Size
from bsrgan_backend.imaging.pixels import PixelFormat
from bsrgan_backend.worker import passes
from bsrgan_backend.worker.options import Options

_FLOAT = 4
_MIB = 1 << 20

# Measured with tracemalloc; tests hold the sums to 15 percent.
_READ_VALUES = 8 * _MIB
"""Values of 8 bit in one band that is read."""
_READ_BYTES = 6
"""Bytes for each of them while they become floats."""
_FILL_BYTES = 11
"""Bytes for each pixel while colour is filled in under alpha 0."""
_FILL_BAND = 40 * _MIB
"""Bands of the same, for pictures of a megapixel and more."""
_BAND_ARRAYS, _SLIDER_ARRAYS = 0.8, 0.6
"""Bands of three channels of floats that are alive at once without and for the sliders."""


def preparing_bytes(size: Size, layout: PixelFormat) -> int:
    """What a job holds at most before the engine runs: the picture, and what reading or filling takes.

    Args:
        size: (height, width) of the picture.
        layout: of its pixels.
    """
    area = size[0] * size[1]
    itemsize = layout.numpy_dtype.itemsize
    extra = _READ_BYTES * min(_READ_VALUES // itemsize, area * layout.channels)
    if layout.has_alpha:
        extra = max(extra, _FILL_BYTES * area + _FILL_BAND * min(area, _MIB) // _MIB)
    return _source_bytes(area, layout) + extra


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
        Bytes; pictures with transparent margins take less.
    """
    area = size[0] * size[1]
    source = _source_bytes(area, layout)
    bands = _band_bytes(out_size, options)
    if options.strength == 0.0:
        return source + bands
    # Gray is repeated for the network.
    widened = _FLOAT * 3 * area if layout.colours == 1 else 0
    colour = source + max(widened, _between_bytes(size, out_size, layout.colours, scale, spooled))
    return max(colour, _alpha_bytes(size, out_size, layout, options, scale, spooled)) + bands


def _source_bytes(area: int, layout: PixelFormat) -> int:
    return _FLOAT * area * layout.channels


def _alpha_bytes(size: Size, out_size: Size, layout: PixelFormat, options: Options, scale: int, spooled: bool) -> int:
    """While all of alpha goes through the network: the plane, its weights, and three channels of it."""
    if not layout.has_alpha or options.alpha != "network":
        return 0
    area = size[0] * size[1]
    is_mixed = options.strength < 1.0 or options.texture > 0.0
    colour = _FLOAT * area * layout.colours if is_mixed else 0
    widened = _FLOAT * 3 * area
    return colour + (_FLOAT + 1) * area + max(widened, _between_bytes(size, out_size, 1, scale, spooled))


def _between_bytes(size: Size, out_size: Size, channels: int, scale: int, spooled: bool) -> int:
    """The pictures between passes: one enters the network, as three channels, while the next is filled."""
    steps = [height * width for height, width in passes.sizes(size, out_size, scale)[1:-1]]
    most = 0
    for area, following in zip(steps, [*steps, 0][1:], strict=True):
        widened = _FLOAT * 3 * area if channels == 1 else 0
        held = passes.held_between(_FLOAT * channels * area, spooled)
        most = max(most, held + widened + passes.held_between(_FLOAT * channels * following, spooled))
    return most


def _band_bytes(out_size: Size, options: Options) -> int:
    """Bands of the result on their way to the spool."""
    is_mixed = options.strength < 1.0 or options.texture > 0.0
    arrays = _BAND_ARRAYS + (_SLIDER_ARRAYS if is_mixed else 0.0)
    return int(arrays * _FLOAT * 3 * max(min(passes.BAND_PX, out_size[0] * out_size[1]), out_size[1]))
