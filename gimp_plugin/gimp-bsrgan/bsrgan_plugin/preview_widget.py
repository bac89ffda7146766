"""The preview on the screen: before and after of one place with a divider between them, to be moved and enlarged.

Pictures are put together by GdkPixbuf and shown by GIMP's own preview area: Debian 13's GIMP comes without Python's
cairo, which a plain drawing area would need.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("Gdk", "3.0")
gi.require_version("GdkPixbuf", "2.0")
gi.require_version("GimpUi", "3.0")
from gi.repository import Gdk, GdkPixbuf, Gimp, GimpUi, Gtk  # noqa: E402

from bsrgan_plugin import small_screens  # noqa: E402
from bsrgan_plugin.outputs import Size  # noqa: E402
from bsrgan_plugin.preview_frame import focus_ring  # noqa: E402
from bsrgan_plugin.preview_view import PreviewView  # noqa: E402
from bsrgan_plugin.translation import _  # noqa: E402

SIDE_PX = 360
"""The widget is never smaller, unless it is told otherwise or the screen is small."""
_EMPTY, _LINE, _EDGE = 0x808080FF, 0xFFFFFFFF, 0x202020FF
_DIVIDER_KEYS = {"Left": -1, "Right": 1}
_ZOOM_KEYS = {"minus": -1, "KP_Subtract": -1, "plus": 1, "equal": 1, "KP_Add": 1}
_PAN_PX = 40
_PANS = {"Left": (1, 0), "Right": (-1, 0), "Up": (0, 1), "Down": (0, -1)}


class Painter(Protocol):
    """What is before or after the divider."""

    def paint(self, canvas: GdkPixbuf.Pixbuf, view: PreviewView, left: int, right: int) -> None:
        """Paint what is seen between two columns of the canvas."""


class Preview:
    """The widget and what it shows.

    Attributes:
        widget: the GTK widget.
        view: its geometry.
    """

    def __init__(
        self,
        size: Size,
        before: Painter,
        after: Painter,
        on_zoom: Callable[[int], None],
        on_view: Callable[[], None] = lambda: None,
        side_px: int = SIDE_PX,
    ) -> None:
        """Make the widget for a picture.

        Args:
            size: of the picture, or of its result: what zoom 1 shows pixel by pixel.
            before: what is on the left of the divider.
            after: what is on the right of it.
            on_zoom: told the zoom when the user changed it here.
            on_view: called when another part of the picture is seen.
            side_px: least width and height where the screen has room for them.
        """
        self.view = PreviewView(size)
        self._on_zoom = on_zoom
        self._on_view = on_view
        self._before = before
        self._after = after
        self._drag: tuple[str, float, float] | None = None
        self.widget = GimpUi.PreviewArea(can_focus=True, hexpand=True, vexpand=True)
        self.widget.set_size_request(*small_screens.view_size(side_px))
        self.widget.set_tooltip_text(
            _("Drag the picture or the line; arrows move the picture, with Shift the line, plus and minus enlarge")
        )
        self._say()
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
        # What is drawn before the widget is on the screen is lost.
        self.widget.connect_after("map", lambda *_arguments: self.move())
        self.widget.connect_after("notify::has-focus", lambda *_arguments: self.draw())
        for signal, handler in (
            ("button-press-event", self._on_press),
            ("button-release-event", self._on_release),
            ("motion-notify-event", self._on_motion),
            ("scroll-event", self._on_scroll),
            ("key-press-event", self._on_key),
        ):
            self.widget.connect(signal, handler)

    def set_zoom(self, zoom: int) -> None:
        """Enlarge by a whole factor."""
        self.view.set_zoom(zoom)
        self.move()

    def move(self) -> None:
        """Show what the view sees now, and tell that it is something else."""
        self.draw()
        self._on_view()

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
        if self.widget.has_focus():
            focus_ring(canvas)
        self.widget.draw(0, 0, width, height, Gimp.ImageType.RGB_IMAGE, canvas.get_pixels(), canvas.get_rowstride())
        self._say()

    def _say(self) -> None:
        """Tell screen readers where the line is; they speak a name that changes."""
        told = _("Preview before and after: line at {place} %, zoom {zoom} %")
        name = told.format(place=round(100 * self.view.divider), zoom=100 * self.view.zoom)
        accessible = self.widget.get_accessible()
        if accessible.get_name() != name:
            accessible.set_name(name)

    def _on_size(self, _widget: Gtk.Widget, allocation: Gdk.Rectangle) -> None:
        self.view.resize(Size(max(allocation.width, 1), max(allocation.height, 1)))
        self.move()

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
            self.draw()
        else:
            self.view.pan(event.x - x, event.y - y)
            self._drag = (what, event.x, event.y)
            self.move()
        return True

    def _on_scroll(self, _widget: Gtk.Widget, event: Gdk.EventScroll) -> bool:
        steps = {Gdk.ScrollDirection.UP: 1, Gdk.ScrollDirection.DOWN: -1}.get(event.direction, 0)
        self._zoom_by(steps)
        return True

    def _on_key(self, _widget: Gtk.Widget, event: Gdk.EventKey) -> bool:
        name = Gdk.keyval_name(event.keyval) or ""
        if event.state & Gdk.ModifierType.SHIFT_MASK and name in _DIVIDER_KEYS:
            self.view.step_divider(_DIVIDER_KEYS[name])
            self.draw()
        elif name in _PANS:
            right, down = _PANS[name]
            self.view.pan(right * _PAN_PX, down * _PAN_PX)
            self.move()
        elif name in _ZOOM_KEYS:
            self._zoom_by(_ZOOM_KEYS[name])
        else:
            return False
        return True

    def _zoom_by(self, steps: int) -> None:
        self.view.zoom_by(steps)
        self._on_zoom(self.view.zoom)
        self.move()


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
