"""The preview on the screen: before and after of one place with a divider between them, to be moved and enlarged.

Pictures are put together by GdkPixbuf and shown by GIMP's own preview area: Debian 13's GIMP comes without Python's
cairo, which a plain drawing area would need.
"""

from __future__ import annotations

from collections.abc import Callable

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("Gdk", "3.0")
gi.require_version("GdkPixbuf", "2.0")
gi.require_version("GimpUi", "3.0")
from gi.repository import Gdk, GdkPixbuf, Gegl, Gimp, GimpUi, GLib, Gtk  # noqa: E402

from bsrgan_plugin.layers import PixelFormat  # noqa: E402
from bsrgan_plugin.outputs import Area, Size  # noqa: E402
from bsrgan_plugin.pixel_file import PixelFile  # noqa: E402
from bsrgan_plugin.preview_view import PreviewView, Shown  # noqa: E402
from bsrgan_plugin.translation import _  # noqa: E402

SIDE_PX = 360
"""The widget is never smaller."""
_EMPTY, _LINE, _EDGE = 0x808080FF, 0xFFFFFFFF, 0x202020FF
_CHECK_PX, _CHECK_DARK, _CHECK_LIGHT = 8, 0x666666, 0x999999
_DISPLAY = "R'G'B'A u8"
_KEYS = {"Left": -1, "Right": 1, "minus": -1, "KP_Subtract": -1, "plus": 1, "equal": 1, "KP_Add": 1}
_PAN_PX = 40
_PANS = {"Left": (1, 0), "Right": (-1, 0), "Up": (0, 1), "Down": (0, -1)}


class Preview:
    """The widget and what it shows.

    Attributes:
        widget: the GTK widget.
        view: its geometry.
    """

    def __init__(self, size: Size, pixels: PixelFormat, on_zoom: Callable[[int], None]) -> None:
        """Make the widget for a picture.

        Args:
            size: of the picture.
            pixels: the format of picture and results.
            on_zoom: told the zoom when the user changed it here.
        """
        self.view = PreviewView(size)
        self._on_zoom = on_zoom
        self._before = _Picture(pixels)
        self._after = _Picture(pixels)
        self._drag: tuple[str, float, float] | None = None
        self.widget = GimpUi.PreviewArea(can_focus=True, hexpand=True, vexpand=True)
        self.widget.set_size_request(SIDE_PX, SIDE_PX)
        self.widget.set_tooltip_text(
            _("Drag the picture or the line; arrows move the line, with Shift the picture, plus and minus enlarge")
        )
        accessible = self.widget.get_accessible()
        accessible.set_name(_("Preview before and after"))
        mask = Gdk.EventMask
        self.widget.add_events(
            mask.BUTTON_PRESS_MASK
            | mask.BUTTON_RELEASE_MASK
            | mask.POINTER_MOTION_MASK
            | mask.SCROLL_MASK
            | mask.KEY_PRESS_MASK
        )
        # After GIMP's own handler, which forgets what it showed.
        self.widget.connect_after("size-allocate", self._on_size)
        for signal, handler in (
            ("button-press-event", self._on_press),
            ("button-release-event", self._on_release),
            ("motion-notify-event", self._on_motion),
            ("scroll-event", self._on_scroll),
            ("key-press-event", self._on_key),
        ):
            self.widget.connect(signal, handler)

    def set_before(self, pixels: PixelFile) -> None:
        """Show the picture that is worked on; its rows are all there."""
        self._before.set(pixels)
        self.draw()

    def set_after(self, pixels: PixelFile | None) -> None:
        """Show another result, or none."""
        self._after.set(pixels)
        self.draw()

    def set_zoom(self, zoom: int) -> None:
        """Enlarge by a whole factor."""
        self.view.set_zoom(zoom)
        self.draw()

    def draw(self) -> None:
        """Put together what is seen now and show it."""
        size = _size_of(self.widget)
        if size is None:
            return
        width, height = size.width, size.height
        canvas = GdkPixbuf.Pixbuf.new(GdkPixbuf.Colorspace.RGB, False, 8, width, height)
        canvas.fill(_EMPTY)
        divider = self.view.divider_px
        self._before.paint(canvas, self.view, 0, divider)
        self._after.paint(canvas, self.view, divider, width)
        _paint_line(canvas, divider)
        self.widget.draw(0, 0, width, height, Gimp.ImageType.RGB_IMAGE, canvas.get_pixels(), canvas.get_rowstride())

    def close(self) -> None:
        """Free the pictures."""
        self._before.set(None)
        self._after.set(None)

    def _on_size(self, _widget: Gtk.Widget, allocation: Gdk.Rectangle) -> None:
        self.view.resize(Size(max(allocation.width, 1), max(allocation.height, 1)))
        self.draw()

    def _on_press(self, widget: Gtk.Widget, event: Gdk.EventButton) -> bool:
        widget.grab_focus()
        self._drag = ("divider" if self.view.is_divider(event.x) else "picture", event.x, event.y)
        return True

    def _on_release(self, _widget: Gtk.Widget, _event: Gdk.EventButton) -> bool:
        self._drag = None
        return True

    def _on_motion(self, widget: Gtk.Widget, event: Gdk.EventMotion) -> bool:
        if self._drag is None:
            name = "col-resize" if self.view.is_divider(event.x) else "move"
            widget.get_window().set_cursor(Gdk.Cursor.new_from_name(widget.get_display(), name))
            return True
        what, x, y = self._drag
        if what == "divider":
            self.view.drag_divider(event.x)
        else:
            self.view.pan(event.x - x, event.y - y)
            self._drag = (what, event.x, event.y)
        self.draw()
        return True

    def _on_scroll(self, _widget: Gtk.Widget, event: Gdk.EventScroll) -> bool:
        steps = {Gdk.ScrollDirection.UP: 1, Gdk.ScrollDirection.DOWN: -1}.get(event.direction, 0)
        self._zoom_by(steps)
        return True

    def _on_key(self, _widget: Gtk.Widget, event: Gdk.EventKey) -> bool:
        name = Gdk.keyval_name(event.keyval) or ""
        if event.state & Gdk.ModifierType.SHIFT_MASK and name in _PANS:
            right, down = _PANS[name]
            self.view.pan(right * _PAN_PX, down * _PAN_PX)
        elif name in ("Left", "Right"):
            self.view.step_divider(_KEYS[name])
        elif name in _KEYS:
            self._zoom_by(_KEYS[name])
        else:
            return False
        self.draw()
        return True

    def _zoom_by(self, steps: int) -> None:
        self.view.zoom_by(steps)
        self._on_zoom(self.view.zoom)
        self.draw()


class _Picture:
    """A picture of which windows are painted; the last window is kept, since moving the divider needs no new one."""

    def __init__(self, pixels: PixelFormat) -> None:
        self._pixels = pixels
        self._file: PixelFile | None = None
        self._window: tuple[Area, GdkPixbuf.Pixbuf] | None = None

    def set(self, file: PixelFile | None) -> None:
        """Take another picture and free the old one."""
        if self._file is not None:
            self._file.close()
        self._file, self._window = file, None

    def paint(self, canvas: GdkPixbuf.Pixbuf, view: PreviewView, left: int, right: int) -> None:
        """Paint what is seen between two columns of the canvas."""
        if self._file is None:
            return
        shown = view.shown(self._file.size)
        left, right = max(left, shown.x), min(right, shown.x + shown.width)
        top, bottom = max(0, shown.y), min(canvas.get_height(), shown.y + shown.height)
        if left >= right or top >= bottom:
            return
        self._pixbuf(shown.area).composite_color(
            canvas, left, top, right - left, bottom - top,
            shown.x, shown.y, _factor(shown, "width"), _factor(shown, "height"),
            GdkPixbuf.InterpType.NEAREST, 255, left, top, _CHECK_PX, _CHECK_DARK, _CHECK_LIGHT,
        )  # fmt: skip

    def _pixbuf(self, area: Area) -> GdkPixbuf.Pixbuf:
        if self._window is None or self._window[0] != area:
            assert self._file is not None
            data = _for_display(self._file.window(area), area.size, self._pixels)
            pixbuf = GdkPixbuf.Pixbuf.new_from_bytes(
                GLib.Bytes.new(data), GdkPixbuf.Colorspace.RGB, True, 8, area.width, area.height, area.width * 4
            )
            self._window = (area, pixbuf)
        return self._window[1]


def _for_display(data: bytes, size: Size, pixels: PixelFormat) -> bytes:
    """Pixels of a layer as sRGB with alpha, 8 bit."""
    rectangle = Gegl.Rectangle.new(0, 0, size.width, size.height)
    buffer = Gegl.Buffer.new(pixels.babl_name, 0, 0, size.width, size.height)
    buffer.set(rectangle, pixels.babl_name, data)
    return bytes(buffer.get(rectangle, 1.0, _DISPLAY, Gegl.AbyssPolicy.NONE))


def _factor(shown: Shown, side: str) -> float:
    return float(getattr(shown, side) / getattr(shown.area, side))


def _paint_line(canvas: GdkPixbuf.Pixbuf, x: int) -> None:
    """A light line with dark edges, to be seen on everything."""
    width, height = canvas.get_width(), canvas.get_height()
    for left, columns, colour in ((x - 2, 4, _EDGE), (x - 1, 2, _LINE)):
        first, last = max(left, 0), min(left + columns, width)
        if first < last:
            canvas.new_subpixbuf(first, 0, last - first, height).fill(colour)


def _size_of(widget: Gtk.Widget) -> Size | None:
    """The size of a widget, None while it is not on the screen."""
    width, height = widget.get_allocated_width(), widget.get_allocated_height()
    return Size(width, height) if widget.get_realized() and min(width, height) > 1 else None
