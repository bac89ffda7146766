"""The remarks about the layers in the upscale dialog, where they can be read before the run."""

from __future__ import annotations

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import Gimp, GLib  # noqa: E402

from bsrgan_plugin.daemon_widgets import line  # noqa: E402
from bsrgan_plugin.outputs import OutputMode  # noqa: E402
from bsrgan_plugin.remarks import remarks_of_all  # noqa: E402


class Remarks:
    """Small lines of text; they take no room where there is nothing to say.

    Attributes:
        widget: the GTK widget.
    """

    def __init__(self, layers: list[Gimp.Layer]) -> None:
        self._layers = layers
        self._found: dict[OutputMode, tuple[str, ...]] = {}
        self.widget = line()
        self.widget.set_no_show_all(True)

    def show(self, mode: OutputMode) -> None:
        """Show what an output makes of the layers."""
        if mode not in self._found:
            self._found[mode] = remarks_of_all(self._layers, mode)
        told = "\n".join(self._found[mode])
        self.widget.set_markup(f"<small>{GLib.markup_escape_text(told)}</small>")
        self.widget.set_visible(bool(told))

    def hide(self) -> None:
        """Show nothing: there will be no run."""
        self.widget.set_visible(False)
