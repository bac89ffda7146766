"""The other ways to ask for a size, folded away in the upscale dialog: percent, pixels, and a size on paper."""

from __future__ import annotations

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("GimpUi", "3.0")
from gi.repository import Gimp, GimpUi, GObject, Gtk  # noqa: E402

from bsrgan_plugin.daemon_widgets import SPACING_PX  # noqa: E402
from bsrgan_plugin.translation import _  # noqa: E402

_DIGITS = 1
_WIDTH_CHARACTERS = 8


class SizeBox:
    """Fields that are 0 while nobody asks in their way; one that is not is shown unfolded.

    Attributes:
        widget: the GTK widget.
    """

    def __init__(self, config: Gimp.ProcedureConfig) -> None:
        self._config = config
        self._grid = Gtk.Grid(column_spacing=SPACING_PX, row_spacing=SPACING_PX)
        rows = (
            (_("Perce_nt"), ("percent",), ""),
            (_("P_ixels"), ("width", "height"), _("px")),
            (_("Pap_er"), ("print-width", "print-height"), _("mm")),
            (_("Pi_xels per inch"), ("dpi",), ""),
        )
        for number, (label, names, unit) in enumerate(rows):
            self._add(number, label, names, unit)
        asked = any(config.get_property(name) for _label, names, _unit in rows for name in names)
        self.widget = Gtk.Expander(label=_("An_other size"), use_underline=True, expanded=asked)
        self.widget.add(self._grid)
        # GTK leaves what is folded away in the order of Tab, where a person would meet fields that cannot be seen.
        self._grid.show_all()
        self._grid.set_no_show_all(True)
        self.widget.bind_property("expanded", self._grid, "visible", GObject.BindingFlags.SYNC_CREATE)

    def _add(self, row: int, text: str, names: tuple[str, ...], unit: str) -> None:
        label = Gtk.Label(label=text, use_underline=True, xalign=0.0)
        self._grid.attach(label, 0, row, 1, 1)
        for column, name in enumerate(names, start=1):
            digits = 0 if name in ("width", "height") else _DIGITS
            field = GimpUi.prop_spin_button_new(self._config, name, 1, 10, digits)
            field.set_width_chars(_WIDTH_CHARACTERS)
            told = self._config.find_property(name)
            field.set_tooltip_text(told.blurb)
            field.get_accessible().set_name(told.nick)
            self._grid.attach(field, column, row, 1, 1)
            if column == 1:
                label.set_mnemonic_widget(field)
        self._grid.attach(Gtk.Label(label=unit, xalign=0.0), 1 + len(names), row, 1, 1)
