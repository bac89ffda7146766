"""What a preview paints before and after its divider: windows of a picture, enlarged by GdkPixbuf."""

from __future__ import annotations

from typing import Protocol

import gi

gi.require_version("GdkPixbuf", "2.0")
from gi.repository import Babl, GdkPixbuf, Gegl, Gimp, GLib  # noqa: E402

from bsrgan_plugin.layers import PixelFormat  # noqa: E402
from bsrgan_plugin.outputs import Area, Size  # noqa: E402
from bsrgan_plugin.preview_view import PreviewView, Shown  # noqa: E402

_CHECK_PX, _CHECK_DARK, _CHECK_LIGHT = 8, 0x666666, 0x999999
_RGB_THUMBNAILS = 2
"""Minor version from which thumbnails are 8 bit non-linear RGB; before, they are in the layer's own format."""
_DISPLAY = "R'G'B'A u8"


class Pixels(Protocol):
    """A picture of which any window can be read."""

    size: Size

    def window(self, area: Area) -> bytes:
        """The pixels of a rectangle within the picture, top to bottom, interleaved."""

    def close(self) -> None:
        """Free it; may be repeated."""


class Picture:
    """A picture of which windows are painted; the last window is kept, since moving the divider needs no new one."""

    def __init__(self, pixels: PixelFormat, interpolation: GdkPixbuf.InterpType = GdkPixbuf.InterpType.NEAREST) -> None:
        """Show nothing yet.

        Args:
            pixels: the format of what `set` gets.
            interpolation: how pixels that are larger than those of the screen look.
        """
        self._pixels = pixels
        self._interpolation = interpolation
        self._file: Pixels | None = None
        self._window: tuple[Area, GdkPixbuf.Pixbuf] | None = None

    def set(self, file: Pixels | None) -> None:
        """Take another picture and free the old one."""
        if self._file is not None:
            self._file.close()
        self._file, self._window = file, None

    def paint(self, canvas: GdkPixbuf.Pixbuf, view: PreviewView, left: int, right: int) -> None:
        """Paint what is seen between two columns of the canvas."""
        if self._file is None:
            return
        shown = view.shown(self._file.size)
        paint(canvas, self._pixbuf(shown.area), shown, left, right, self._interpolation)

    def _pixbuf(self, area: Area) -> GdkPixbuf.Pixbuf:
        if self._window is None or self._window[0] != area:
            assert self._file is not None
            self._window = (area, pixbuf_of(self._file.window(area), area.size, self._pixels))
        return self._window[1]


class LayerPixels:
    """A part of a layer as a picture.

    Attributes:
        size: of the part, px.
    """

    def __init__(self, layer: Gimp.Layer, area: Area, pixels: PixelFormat) -> None:
        self.size = area.size
        self._area = area
        self._pixels = pixels
        self._buffer: Gegl.Buffer | None = layer.get_buffer()

    def window(self, area: Area) -> bytes:
        """The pixels of a rectangle of the part, top to bottom, interleaved.

        Raises:
            RuntimeError: GEGL gave another number of bytes.
        """
        assert self._buffer is not None
        rectangle = Gegl.Rectangle.new(self._area.x + area.x, self._area.y + area.y, area.width, area.height)
        data = bytes(self._buffer.get(rectangle, 1.0, self._pixels.babl_name, Gegl.AbyssPolicy.NONE))
        expected = area.width * area.height * self._pixels.pixel_bytes
        if len(data) != expected:
            raise RuntimeError(f"{len(data)} bytes read, {expected} expected")
        return data

    def close(self) -> None:
        """Give the tiles back; may be repeated."""
        self._buffer = None


def paint(
    canvas: GdkPixbuf.Pixbuf,
    pixbuf: GdkPixbuf.Pixbuf,
    shown: Shown,
    left: int,
    right: int,
    interpolation: GdkPixbuf.InterpType = GdkPixbuf.InterpType.NEAREST,
) -> None:
    """Paint a part of a picture where the view has it, between two columns of the canvas.

    Args:
        canvas: RGB.
        pixbuf: the pixels of `shown.area`, RGB with alpha.
        shown: where it appears.
        left: the first column.
        right: the first column after.
        interpolation: how it is enlarged.
    """
    left, right = max(left, shown.x), min(right, shown.x + shown.width)
    top, bottom = max(0, shown.y), min(canvas.get_height(), shown.y + shown.height)
    if left >= right or top >= bottom:
        return
    pixbuf.composite_color(
        canvas, left, top, right - left, bottom - top,
        shown.x, shown.y, shown.width / shown.area.width, shown.height / shown.area.height,
        interpolation, 255, left, top, _CHECK_PX, _CHECK_DARK, _CHECK_LIGHT,
    )  # fmt: skip


def pixbuf_of(data: bytes, size: Size, pixels: PixelFormat) -> GdkPixbuf.Pixbuf:
    """Pixels of a layer for the screen: sRGB with alpha, 8 bit."""
    shown = converted(data, size, pixels, _DISPLAY)
    return GdkPixbuf.Pixbuf.new_from_bytes(
        GLib.Bytes.new(shown), GdkPixbuf.Colorspace.RGB, True, 8, size.width, size.height, size.width * 4
    )


def thumbnail(layer: Gimp.Layer, area: Area, size: Size) -> GdkPixbuf.Pixbuf:
    """A part of a layer, made small by GIMP itself: RGB, transparent pixels before a checkerboard.

    Its bytes are taken: the pixbuf that GIMP 3.0 offers is freed twice, which ends the process.

    Args:
        layer: the layer.
        area: the part.
        size: of the thumbnail, about.
    """
    data, width, height, pixel_bytes = layer.get_sub_thumbnail_data(
        area.x, area.y, area.width, area.height, size.width, size.height
    )
    is_native = Gimp.MINOR_VERSION < _RGB_THUMBNAILS and pixel_bytes == layer.get_bpp() and not layer.is_indexed()
    name = Babl.get_name(layer.get_format()) if is_native else "R'G'B'A u8" if pixel_bytes == 4 else "R'G'B' u8"
    small = pixbuf_of(data.get_data(), Size(width, height), PixelFormat(name, "u8", pixel_bytes))
    canvas = GdkPixbuf.Pixbuf.new(GdkPixbuf.Colorspace.RGB, False, 8, width, height)
    paint(canvas, small, Shown(Area(0, 0, width, height), 0, 0, width, height), 0, width)
    return canvas


def converted(data: bytes, size: Size, pixels: PixelFormat, babl_name: str) -> bytes:
    """The same pixels in another format."""
    if pixels.babl_name == babl_name:
        return data
    rectangle = Gegl.Rectangle.new(0, 0, size.width, size.height)
    buffer = Gegl.Buffer.new(pixels.babl_name, 0, 0, size.width, size.height)
    buffer.set(rectangle, pixels.babl_name, data)
    return bytes(buffer.get(rectangle, 1.0, babl_name, Gegl.AbyssPolicy.NONE))


def eight_bit(pixels: PixelFormat) -> PixelFormat:
    """The same components in the same colour space, as 8 bit."""
    if pixels.dtype == "u8":
        return pixels
    space = Babl.format_get_space(Babl.format(pixels.babl_name))
    components = pixels.babl_name.split(" ", 1)[0]
    return PixelFormat(Babl.get_name(Babl.format_with_space(f"{components} u8", space)), "u8", pixels.channels)
