"""Dialogs on small screens: options are scrolled and views are smaller, so that the window is within the screen."""

from __future__ import annotations

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("Gdk", "3.0")
from gi.repository import Gdk, Gimp, Gtk  # noqa: E402

_AROUND_PX = 230
"""What is above and below the options: title, state, GIMP's two rows of buttons, margins."""
_AROUND_VIEW_PX = 290
"""What is above and below a view: the same, its zoom, and its own line of state; one line more for long sentences."""
_BESIDE_VIEW_PX = 530
"""What is beside a view: the options in the language of the longest words, margins, the window's frame."""
_LEAST_PX = 240


def scrolled(options: Gtk.Widget) -> Gtk.ScrolledWindow:
    """The options as they are while they fit the screen, else with a bar to scroll them."""
    most_px = max(_work_area().height - _AROUND_PX, _LEAST_PX)
    window = Gtk.ScrolledWindow(
        # A bar that only the pointer brings up would not tell that there are more options.
        overlay_scrolling=options.get_preferred_height()[1] <= most_px,
        hscrollbar_policy=Gtk.PolicyType.NEVER,
        propagate_natural_height=True,
        propagate_natural_width=True,
        max_content_height=most_px,
        can_focus=False,
    )
    window.add(options)
    # Tab brings what takes the focus into sight.
    viewport = window.get_child()
    viewport.set_focus_vadjustment(window.get_vadjustment())
    viewport.set_shadow_type(Gtk.ShadowType.NONE)
    window.show()
    viewport.show()
    return window


def view_size(side_px: int) -> tuple[int, int]:
    """Least width and height of a view: `side_px` where the screen has room for it, else what the rest leaves."""
    area = _work_area()
    across, down = area.width - _BESIDE_VIEW_PX, area.height - _AROUND_VIEW_PX
    return min(side_px, max(across, _LEAST_PX)), min(side_px, max(down, _LEAST_PX))


def _work_area() -> Gdk.Rectangle:
    """The screen that GIMP's window is on, where dialogs open, without the desktop's own bars; in GTK's pixels."""
    display = Gdk.Display.get_default()
    # GIMP without a window tells no number; not every desktop has a primary one.
    monitor = display.get_monitor(Gimp.monitor_number()) or display.get_primary_monitor() or display.get_monitor(0)
    return monitor.get_workarea()
