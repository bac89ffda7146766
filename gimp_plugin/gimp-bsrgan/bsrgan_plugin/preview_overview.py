"""All of the picture, small, with a frame around what the preview shows; a click brings another place there."""

from __future__ import annotations

from collections.abc import Callable

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("Gdk", "3.0")
gi.require_version("GdkPixbuf", "2.0")
gi.require_version("GimpUi", "3.0")
from gi.repository import Gdk, GdkPixbuf, Gimp, GimpUi, Gtk  # noqa: E402

from bsrgan_plugin.outputs import Area, Size  # noqa: E402
from bsrgan_plugin.preview_frame import focus_ring, frame  # noqa: E402
from bsrgan_plugin.preview_pictures import thumbnail  # noqa: E402
from bsrgan_plugin.preview_view import PreviewView  # noqa: E402
from bsrgan_plugin.translation import _  # noqa: E402

_LARGEST = Size(240, 160)
_LIGHT, _DARK = 0xFFFFFFFF, 0x202020FF
_STEP = 0.1
_STEPS = {"Left": (-1, 0), "Right": (1, 0), "Up": (0, -1), "Down": (0, 1)}


class Overview:
    """The widget; it moves the view, and is told to draw when the view has moved.

    Attributes:
        widget: the GTK widget.
    """

    def __init__(self, size: Size, view: PreviewView, on_moved: Callable[[], None]) -> None:
        """Make the widget for a picture.

        Args:
            size: of what is upscaled.
            view: what of it the preview shows.
            on_moved: called after the user has moved the view here.
        """
        self._view = view
        self._on_moved = on_moved
        self._size = fitting(size, _LARGEST)
        self._thumbnail: GdkPixbuf.Pixbuf | None = None
        self.widget = GimpUi.PreviewArea(can_focus=True, halign=Gtk.Align.START, valign=Gtk.Align.START)
        self.widget.set_size_request(self._size.width, self._size.height)
        self.widget.set_tooltip_text(_("Click where you want to look; arrows move the place"))
        self.widget.get_accessible().set_name(_("Overview: the place that the preview shows"))
        mask = Gdk.EventMask
        self.widget.add_events(mask.BUTTON_PRESS_MASK | mask.BUTTON1_MOTION_MASK | mask.KEY_PRESS_MASK)
        # After GIMP's own handler, which forgets what it showed.
        self.widget.connect_after("size-allocate", lambda *_arguments: self.draw())
        # What is drawn before the widget is on the screen is lost.
        self.widget.connect_after("map", lambda *_arguments: self.draw())
        self.widget.connect("button-press-event", self._on_press)
        self.widget.connect("motion-notify-event", self._on_motion)
        self.widget.connect("key-press-event", self._on_key)
        self.widget.connect_after("notify::has-focus", lambda *_arguments: self.draw())

    def read(self, layer: Gimp.Layer, area: Area) -> None:
        """Take the picture from a part of a layer; GIMP itself makes it small."""
        self._thumbnail = thumbnail(layer, area, self._size)
        self.draw()

    def draw(self) -> None:
        """Show the picture and the frame."""
        if self._thumbnail is None or not self.widget.get_realized():
            return
        width, height = self._thumbnail.get_width(), self._thumbnail.get_height()
        canvas = self._thumbnail.copy()
        left, top, right, bottom = self._view.seen()
        x, y = round(left * (width - 1)), round(top * (height - 1))
        across, down = max(round(right * width) - x, 3), max(round(bottom * height) - y, 3)
        frame(canvas, x, y, across, down, _DARK)
        frame(canvas, x + 1, y + 1, across - 2, down - 2, _LIGHT)
        if self.widget.has_focus():
            focus_ring(canvas)
        self.widget.draw(0, 0, width, height, Gimp.ImageType.RGB_IMAGE, canvas.get_pixels(), canvas.get_rowstride())

    def _on_press(self, widget: Gtk.Widget, event: Gdk.EventButton) -> bool:
        widget.grab_focus()
        return self._on_motion(widget, event)

    def _on_motion(self, _widget: Gtk.Widget, event: Gdk.EventButton | Gdk.EventMotion) -> bool:
        self._view.move_to(event.x / self._size.width, event.y / self._size.height)
        self._on_moved()
        return True

    def _on_key(self, _widget: Gtk.Widget, event: Gdk.EventKey) -> bool:
        step = _STEPS.get(Gdk.keyval_name(event.keyval) or "")
        if step is None:
            return False
        left, top, right, bottom = self._view.seen()
        self._view.move_to((left + right) / 2 + step[0] * _STEP, (top + bottom) / 2 + step[1] * _STEP)
        self._on_moved()
        return True


def fitting(size: Size, largest: Size) -> Size:
    """The largest size of the same proportions within `largest`, each side at least 1."""
    factor = min(largest.width / size.width, largest.height / size.height)
    return Size(max(round(size.width * factor), 1), max(round(size.height * factor), 1))
