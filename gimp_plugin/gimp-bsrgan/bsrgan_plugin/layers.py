"""A layer as rows of bytes and back: lossless, in the layer's own colour space, strip by strip."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from gi.repository import Babl, Gegl, Gimp

from bsrgan_plugin.outcomes import ImageChanged
from bsrgan_plugin.outputs import Area, Size, Source

STRIP_ROWS = 256
"""Rows that are read at once: two rows of GEGL's 128 px tiles."""

FAINT = 2
"""Alpha of 255 that nobody sees: where a shadow fades out."""

FLUSH_BYTES = 64 * 1024 * 1024
"""Written bytes after which tiles go to GIMP and leave this process."""

CACHE_BYTES = 64 * 1024 * 1024
"""GEGL's tile cache in this process; its default is half of the machine's memory."""


@dataclass(frozen=True)
class PixelFormat:
    """How pixels of a layer travel.

    Attributes:
        babl_name: the format for GEGL, with the layer's own space in it.
        dtype: `u8` or `f32`, as the wire names it.
        channels: 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA.
    """

    babl_name: str
    dtype: str
    channels: int

    @property
    def pixel_bytes(self) -> int:
        """Bytes of one pixel."""
        return self.channels * (1 if self.dtype == "u8" else 4)


def limit_cache() -> None:
    """Keep GEGL's tile cache of this process small; tiles live in GIMP anyway."""
    Gegl.config().set_property("tile-cache-size", CACHE_BYTES)


def format_of(layer: Gimp.Drawable) -> PixelFormat:
    """The format in which the pixels of `layer` travel without loss.

    Non-linear values in the layer's own space, alpha straight, gray as gray. Layers of 8 bit non-linear (and
    indexed ones) travel as u8, all others as float: 8 bit linear or perceptual would lose steps as u8.
    """
    native = layer.get_format()
    encoding = Babl.format_get_encoding(native)
    components = ("Y'", 1) if layer.is_gray() else ("R'G'B'", 3)
    is_u8 = layer.is_indexed() or (encoding.startswith(components[0]) and encoding.endswith(" u8"))
    alpha = "A" if layer.has_alpha() else ""
    plain = f"{components[0]}{alpha} {'u8' if is_u8 else 'float'}"
    # A plain name would mean sRGB and convert; with the layer's space the numbers stay what they are.
    name = Babl.get_name(Babl.format_with_space(plain, Babl.format_get_space(native)))
    return PixelFormat(name, "u8" if is_u8 else "f32", components[1] + len(alpha))


@contextlib.contextmanager
def as_seen(layer: Gimp.Layer) -> Iterator[Gimp.Layer]:
    """Yield a layer whose buffer holds what the user sees of `layer`: with its live filters applied.

    A layer without visible filters is yielded itself. Otherwise a copy in a picture of its own is, so the filters
    of the original stay editable.
    """
    if not has_filters(layer):
        yield layer
        return
    with _copied(layer) as copy:
        for live in copy.get_filters():
            if not live.get_visible():
                live.delete()
        yield _merged_group(copy) if copy.is_group() else _merged_filters(copy)


def with_outside(source: Source, layer: Gimp.Layer) -> Source:
    """`source`, which is told whether live filters of `layer` paint outside of it, as a drop shadow does.

    A part of a layer has none: its result lies on a source that stays as it is.
    """
    return replace(source, has_outside=source.is_whole_layer and has_filters(layer) and _paints_outside(layer))


def _paints_outside(layer: Gimp.Layer) -> bool:
    with _copied(layer, border=1) as copy:
        _show_plainly(copy)
        copy.set_offsets(1, 1)
        image = copy.get_image()
        width, height = image.get_width(), image.get_height()
        seen = Gimp.Layer.new_from_visible(image, image, "seen")
        image.insert_layer(seen, None, 0)
        across, down = ((0, height - 1), (0, width - 1))
        border = [Area(0, y, width, 1) for y in across] + [Area(x, 0, 1, height) for x in down]
        return any(max(RowReader(seen, area, "R'G'B'A u8", 4).rows(0, area.height)[3::4]) > FAINT for area in border)


@contextlib.contextmanager
def _copied(layer: Gimp.Layer, border: int = 0) -> Iterator[Gimp.Layer]:
    """Yield a copy in a picture of its own, which is as large as the layer and a border around it."""
    image = layer.get_image()
    size = (layer.get_width() + 2 * border, layer.get_height() + 2 * border)
    scratch = Gimp.Image.new_with_precision(*size, image.get_base_type(), image.get_precision())
    try:
        scratch.undo_disable()
        if profile := image.get_color_profile():
            scratch.set_color_profile(profile)
        copy = Gimp.Layer.new_from_drawable(layer, scratch)
        scratch.insert_layer(copy, None, 0)
        yield copy
    finally:
        scratch.delete()


def has_filters(layer: Gimp.Layer) -> bool:
    """Whether a layer, or any in a group, shows live filters: GIMP cannot read the buffer of such a group."""
    if any(live.get_visible() for live in layer.get_filters()):
        return True
    return layer.is_group() and any(has_filters(child) for child in layer.get_children())


def _merged_filters(layer: Gimp.Layer) -> Gimp.Layer:
    """The layer itself with its filters merged, in its old size: a shadow makes it larger and may move it."""
    width, height = layer.get_width(), layer.get_height()
    _ok, x, y = layer.get_offsets()
    layer.merge_filters()
    _ok, now_x, now_y = layer.get_offsets()
    if (now_x, now_y, layer.get_width(), layer.get_height()) != (x, y, width, height):
        layer.resize(width, height, now_x - x, now_y - y)
    return layer


def _merged_group(group: Gimp.Layer) -> Gimp.Layer:
    """A plain layer with what the group shows, its filters included; GIMP merges no filters into a group itself."""
    image = group.get_image()
    if group.get_mask() is not None:
        # It becomes the mask of the result, so it must not cut twice.
        group.remove_mask(Gimp.MaskApplyMode.DISCARD)
    _show_plainly(group)
    group.set_offsets(0, 0)
    return image.merge_visible_layers(Gimp.MergeType.CLIP_TO_IMAGE)


def _show_plainly(layer: Gimp.Layer) -> None:
    layer.set_visible(True)
    layer.set_opacity(100.0)
    layer.set_mode(Gimp.LayerMode.NORMAL)


class RowReader:
    """Rows of an area of a drawable as bytes."""

    def __init__(self, drawable: Gimp.Drawable, area: Area, babl_name: str, pixel_bytes: int) -> None:
        self._drawable = drawable
        self._area = area
        self._babl_name = babl_name
        self._row_bytes = area.width * pixel_bytes
        self._buffer: Gegl.Buffer | None = drawable.get_buffer()

    def rows(self, first_row: int, count: int) -> bytes:
        """Rows first_row..first_row+count-1 of the area, top to bottom, interleaved.

        Raises:
            ImageChanged: the drawable is gone.
            RuntimeError: GEGL gave another number of bytes.
        """
        assert self._buffer is not None
        strips = []
        for start in range(first_row, first_row + count, STRIP_ROWS):
            height = min(STRIP_ROWS, first_row + count - start)
            # GIMP ends a plug-in that asks for tiles of something that is gone.
            if not self._drawable.is_valid():
                raise ImageChanged.closed()
            rectangle = Gegl.Rectangle.new(self._area.x, self._area.y + start, self._area.width, height)
            strip = self._buffer.get(rectangle, 1.0, self._babl_name, Gegl.AbyssPolicy.NONE)
            if len(strip) != self._row_bytes * height:
                raise RuntimeError(f"{len(strip)} bytes read, {self._row_bytes * height} expected")
            strips.append(strip)
        return strips[0] if len(strips) == 1 else b"".join(strips)

    def close(self) -> None:
        """Give the tiles back."""
        self._buffer = None


class RowWriter:
    """Rows of bytes into a drawable; tiles leave this process as they are filled."""

    def __init__(self, drawable: Gimp.Drawable, size: Size, babl_name: str, pixel_bytes: int) -> None:
        self._drawable = drawable
        self._size = size
        self._babl_name = babl_name
        self._row_bytes = size.width * pixel_bytes
        self._buffer: Gegl.Buffer | None = None
        self._unflushed = 0

    def rows(self, first_row: int, data: bytes) -> None:
        """Write the rows from first_row on.

        Args:
            first_row: the first row that is written.
            data: whole rows. GEGL takes `bytes` quickly and other buffers item by item.

        Raises:
            RuntimeError: the data are no whole rows within the drawable; GEGL itself would ignore them silently.
        """
        count, rest = divmod(len(data), self._row_bytes)
        if rest or not count or first_row < 0 or first_row + count > self._size.height:
            raise RuntimeError(f"{len(data)} bytes do not fit rows {first_row} and after")
        if self._buffer is None:
            self._buffer = self._drawable.get_buffer()
        self._buffer.set(Gegl.Rectangle.new(0, first_row, self._size.width, count), self._babl_name, data)
        self._unflushed += len(data)
        if self._unflushed >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send everything to GIMP and free it here."""
        if self._buffer is not None:
            self._buffer.flush()
            self._buffer = None
            self._unflushed = 0

    def finish(self) -> None:
        """Send everything to GIMP and tell it that the drawable changed."""
        self.flush()
        self._drawable.update(0, 0, self._size.width, self._size.height)
