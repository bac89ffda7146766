"""Parts of the dialogs for arguments that GIMP knows too little of: lists for words, ranges for numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("GimpUi", "3.0")
from gi.repository import Gimp, GimpUi, Gtk  # noqa: E402

from bsrgan_plugin.daemon_widgets import SPACING_PX  # noqa: E402

_FINE_DIGITS = 3


class WordRow:
    """A list of titles for a text argument that is one of some words.

    Attributes:
        widget: the GTK widget.
        label: its left part.
    """

    def __init__(self, config: Gimp.ProcedureConfig, name: str, titles: Mapping[str, str]) -> None:
        """Make the row and bind it to the argument; one that no longer exists, from older settings, is replaced.

        Args:
            config: the arguments.
            name: of the argument.
            titles: of the words, in their order.
        """
        self._config = config
        self._name = name
        self._titles = titles
        self._settle()
        # Before the dialog's own handlers: they see words that exist only.
        config.connect(f"notify::{name}", lambda *_arguments: self._settle())
        told = config.find_property(name)
        choices = Gtk.ListStore(str, str)
        for choice in titles.items():
            choices.append(choice)
        combo = GimpUi.prop_string_combo_box_new(config, name, choices, 0, 1)
        combo.set_hexpand(True)
        combo.set_tooltip_text(told.blurb)
        self.label = Gtk.Label(label=told.nick, use_underline=True, xalign=0.0)
        self.label.set_mnemonic_widget(combo)
        self.widget = Gtk.Box(spacing=SPACING_PX)
        self.widget.pack_start(self.label, False, False, 0)
        self.widget.pack_start(combo, True, True, 0)
        self.widget.show_all()

    def _settle(self) -> None:
        if self._config.get_property(self._name) not in self._titles:
            self._config.set_property(self._name, self._config.find_property(self._name).get_default_value())


def align(rows: Iterable[WordRow]) -> None:
    """Let the lists of rows begin below each other."""
    group = Gtk.SizeGroup(mode=Gtk.SizeGroupMode.HORIZONTAL)
    for row in rows:
        group.add_widget(row.label)


def limit(widget: Gtk.Widget, least: float, most: float) -> None:
    """Give a number's widget the range of its argument; GIMP has given it the wide one that scripts meet."""
    if isinstance(widget, Gtk.SpinButton):
        widget.set_range(least, most)
        if isinstance(widget, GimpUi.SpinScale):
            # Bar, steps and digits would still be those of the wide range.
            widget.set_scale_limits(least, most)
            widget.set_increments((most - least) / 100, (most - least) / 10)
            widget.set_digits(_FINE_DIGITS if most - least <= 1 else 1)
    elif isinstance(widget, Gtk.Container):
        widget.forall(limit, least, most)
