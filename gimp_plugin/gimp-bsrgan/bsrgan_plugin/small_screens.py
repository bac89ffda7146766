"""Dialogs on small screens: options that do not fit are scrolled, so that the window is not higher than the screen."""

from __future__ import annotations

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("Gdk", "3.0")
from gi.repository import Gdk, Gtk  # noqa: E402

_AROUND_PX = 230
"""What is above and below the options: title, state, GIMP's two rows of buttons, margins."""
_LEAST_PX = 240


def scrolled(options: Gtk.Widget) -> Gtk.ScrolledWindow:
    """The options as they are while they fit the screen, else with a bar to scroll them."""
    window = Gtk.ScrolledWindow(
        hscrollbar_policy=Gtk.PolicyType.NEVER,
        propagate_natural_height=True,
        propagate_natural_width=True,
        max_content_height=max(_screen_height_px() - _AROUND_PX, _LEAST_PX),
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


def _screen_height_px() -> int:
    """Height of the smallest screen, without the desktop's own bars."""
    display = Gdk.Display.get_default()
    monitors = [display.get_monitor(number) for number in range(display.get_n_monitors())]
    return min(int(monitor.get_workarea().height) for monitor in monitors)
