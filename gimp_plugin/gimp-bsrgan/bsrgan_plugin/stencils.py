"""The shape that a result is limited to: an irregular selection, the source's layer mask, or both."""

from __future__ import annotations

import array
import contextlib
from collections.abc import Iterator

from gi.repository import Gimp

from bsrgan_plugin.layers import STRIP_ROWS, RowReader, RowWriter
from bsrgan_plugin.outputs import Area, Size, Source

_FORMAT = "Y float"
_PIXEL_BYTES = 4


@contextlib.contextmanager
def stencil_of(layer: Gimp.Layer, source: Source) -> Iterator[Gimp.Layer | None]:
    """Yield a gray layer, as large as the area, that holds the shape of the result; None when it is all of it.

    It is taken when the run begins, since the user may change selection and mask meanwhile, and lives in a picture
    of its own.
    """
    image = layer.get_image()
    drawables: list[tuple[Gimp.Drawable, Area]] = []
    if not is_plain_rectangle(image, _in_image(source)):
        drawables.append((image.get_selection(), _in_image(source)))
    mask = layer.get_mask()
    if mask is not None and layer.get_apply_mask():
        drawables.append((mask, source.area))
    if not drawables:
        yield None
        return
    size = source.area.size
    scratch = Gimp.Image.new_with_precision(
        size.width, size.height, Gimp.ImageBaseType.GRAY, Gimp.Precision.FLOAT_LINEAR
    )
    try:
        scratch.undo_disable()
        stencil = Gimp.Layer.new(
            scratch, "stencil", size.width, size.height, Gimp.ImageType.GRAY_IMAGE, 100.0, Gimp.LayerMode.NORMAL
        )
        scratch.insert_layer(stencil, None, 0)
        _fill(stencil, size, [RowReader(drawable, area, _FORMAT, _PIXEL_BYTES) for drawable, area in drawables])
        yield stencil
    finally:
        scratch.delete()


def cut(result: Gimp.Layer, stencil: Gimp.Layer, size: Size) -> None:
    """Give `result`, which is `size` large, a mask of the stencil's shape."""
    image = stencil.get_image()
    if (image.get_width(), image.get_height()) != (size.width, size.height):
        with cubic():
            image.scale(size.width, size.height)
    mask = result.create_mask(Gimp.AddMaskType.WHITE)
    result.add_mask(mask)
    reader = RowReader(stencil, Area(0, 0, size.width, size.height), _FORMAT, _PIXEL_BYTES)
    writer = RowWriter(mask, size, _FORMAT, _PIXEL_BYTES)
    for first in range(0, size.height, STRIP_ROWS):
        writer.rows(first, reader.rows(first, min(STRIP_ROWS, size.height - first)))
    writer.finish()


def is_plain_rectangle(image: Gimp.Image, area: Area) -> bool:
    """Whether the selection of `image` holds all of `area`, or there is no selection at all.

    Args:
        image: the picture.
        area: a part of the picture, in the picture's coordinates.
    """
    if Gimp.Selection.is_empty(image):
        return True
    reader = RowReader(image.get_selection(), area, "Y u8", 1)
    for first in range(0, area.height, STRIP_ROWS):
        strip = reader.rows(first, min(STRIP_ROWS, area.height - first))
        if strip.count(b"\xff") != len(strip):
            return False
    return True


@contextlib.contextmanager
def cubic() -> Iterator[None]:
    """Scale by cubic interpolation, whatever the user's own context says."""
    Gimp.context_push()
    try:
        Gimp.context_set_interpolation(Gimp.InterpolationType.CUBIC)
        yield
    finally:
        Gimp.context_pop()


def _in_image(source: Source) -> Area:
    area = source.area
    return Area(source.offset_x + area.x, source.offset_y + area.y, area.width, area.height)


def _fill(stencil: Gimp.Layer, size: Size, readers: list[RowReader]) -> None:
    writer = RowWriter(stencil, size, _FORMAT, _PIXEL_BYTES)
    for first in range(0, size.height, STRIP_ROWS):
        strips = [reader.rows(first, min(STRIP_ROWS, size.height - first)) for reader in readers]
        writer.rows(first, strips[0] if len(strips) == 1 else _smaller(*strips))
    writer.finish()


def _smaller(one: bytes, other: bytes) -> bytes:
    """The smaller of each two floats: what both shapes hold."""
    return array.array("f", map(min, array.array("f", one), array.array("f", other))).tobytes()
