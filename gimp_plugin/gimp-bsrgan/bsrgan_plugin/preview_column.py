"""A preview with what belongs to it below: zoom, the words before and after, and a line about its state."""

from __future__ import annotations

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import Gtk  # noqa: E402

from bsrgan_plugin.daemon_state import DaemonState  # noqa: E402
from bsrgan_plugin.daemon_widgets import SPACING_PX, StateLine  # noqa: E402
from bsrgan_plugin.preview_view import ZOOMS  # noqa: E402
from bsrgan_plugin.preview_widget import Preview  # noqa: E402
from bsrgan_plugin.translation import _  # noqa: E402


class PreviewColumn:
    """The column of a dialog that shows a preview.

    Attributes:
        widget: the GTK widget.
    """

    def __init__(self, preview: Preview) -> None:
        self._status = StateLine()
        self._zoom = self._zooms(preview)
        self.widget = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=SPACING_PX)
        self.widget.pack_start(preview.widget, True, True, 0)
        below = Gtk.Box(spacing=SPACING_PX)
        before = Gtk.Label(label=_("Be_fore"), use_underline=True, xalign=0.0)
        before.set_mnemonic_widget(preview.widget)
        below.pack_start(before, True, True, 0)
        label = Gtk.Label(label=_("_Zoom"), use_underline=True)
        label.set_mnemonic_widget(self._zoom)
        below.pack_start(label, False, False, 0)
        below.pack_start(self._zoom, False, False, 0)
        below.pack_start(Gtk.Label(label=_("After"), xalign=1.0), True, True, 0)
        self.widget.pack_start(below, False, False, 0)
        self.widget.pack_start(self._status.widget, False, False, 0)
        self.widget.show_all()

    def show_zoom(self, zoom: int) -> None:
        """The zoom was changed on the preview itself."""
        self._zoom.set_active_id(str(zoom))

    def show_status(self, text: str, is_waiting: bool, is_problem: bool) -> None:
        """Show what the preview does."""
        self._status.show(DaemonState(text, is_waiting, is_problem))

    @staticmethod
    def _zooms(preview: Preview) -> Gtk.ComboBoxText:
        zooms = Gtk.ComboBoxText()
        for zoom in ZOOMS:
            zooms.append(str(zoom), f"{100 * zoom} %")
        zooms.set_active_id(str(ZOOMS[0]))
        zooms.connect("changed", lambda box: preview.set_zoom(int(box.get_active_id())))
        return zooms
