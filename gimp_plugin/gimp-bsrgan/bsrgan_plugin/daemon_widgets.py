"""What the dialogs show of the daemon: its state as a line."""

from __future__ import annotations

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import Gtk  # noqa: E402

from bsrgan_plugin.daemon_state import DaemonState  # noqa: E402

SPACING_PX = 6
_LINE_CHARACTERS = 52


class StateLine:
    """The daemon's state: a spinner while something is under way, a warning sign when the filter would fail."""

    def __init__(self) -> None:
        self._spinner = Gtk.Spinner(no_show_all=True)
        self._warning = Gtk.Image.new_from_icon_name("dialog-warning", Gtk.IconSize.MENU)
        self._warning.set_no_show_all(True)
        self._text = line()
        self.widget = Gtk.Box(spacing=SPACING_PX)
        for part in (self._spinner, self._warning):
            self.widget.pack_start(part, False, False, 0)
        # With all of the width, text does not wrap where the dialog is wider than a line asks for.
        self.widget.pack_start(self._text, True, True, 0)

    def show(self, state: DaemonState) -> None:
        """Show a new state."""
        self._text.set_text(state.text)
        self._spinner.set_visible(state.is_waiting)
        self._spinner.set_property("active", state.is_waiting)
        self._warning.set_visible(state.is_problem)


def line() -> Gtk.Label:
    """A line of text that wraps instead of making the dialog wider."""
    return Gtk.Label(xalign=0.0, wrap=True, max_width_chars=_LINE_CHARACTERS, selectable=False)
