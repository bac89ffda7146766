"""The list in the window of models: a row for each, with licence and origin below its title."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("Pango", "1.0")
from gi.repository import GLib, Gtk, Pango  # noqa: E402

from bsrgan_plugin import model_choice  # noqa: E402
from bsrgan_plugin.daemon_widgets import SPACING_PX  # noqa: E402
from bsrgan_wire.model_facts import ModelFacts  # noqa: E402


class ModelList:
    """A list of which one row is selected.

    Attributes:
        widget: the GTK widget.
    """

    def __init__(self, chosen: str, on_selected: Callable[[], None], on_activated: Callable[[], None]) -> None:
        """Make an empty list.

        Args:
            chosen: id of the model to select first.
            on_selected: called when another row is selected.
            on_activated: called on Enter and on a double click.
        """
        self._models: tuple[ModelFacts, ...] = ()
        self._wanted = chosen
        self.widget = Gtk.ListBox(activate_on_single_click=False)
        # The letter of its label means the selected row: the list itself takes no focus.
        self.widget.connect("mnemonic-activate", lambda *_arguments: self._focus())
        self.widget.connect("focus", self._on_focus)
        self._selected = self.widget.connect("row-selected", lambda *_arguments: on_selected())
        self.widget.connect("row-activated", lambda *_arguments: on_activated())

    @property
    def selected(self) -> ModelFacts | None:
        """The model of the selected row."""
        row = self.widget.get_selected_row()
        return self._models[row.get_index()] if row is not None else None

    def fill(self, models: Sequence[ModelFacts], wanted: str = "") -> None:
        """Show these models; the selected one stays selected unless another is `wanted`, by its id."""
        kept = self.selected.id if self.selected else self._wanted
        is_focused = not self._models or self.widget.get_focus_child() is not None
        if tuple(models) != self._models:
            self._replace(models)
            self._select(wanted or kept)
        elif wanted:
            self._select(wanted)
        if is_focused:
            self._focus()

    def _replace(self, models: Sequence[ModelFacts]) -> None:
        with self.widget.handler_block(self._selected):
            for row in self.widget.get_children():
                self.widget.remove(row)
            for model in models:
                self.widget.add(_row(model))
        self._models = tuple(models)
        self.widget.show_all()

    def _select(self, name: str) -> None:
        places = [place for place, model in enumerate(self._models) if model.id == name]
        row = self.widget.get_row_at_index(places[0] if places else 0)
        if row is not None:
            self.widget.select_row(row)

    def _focus(self) -> bool:
        row = self.widget.get_selected_row()
        if row is not None:
            row.grab_focus()
        return row is not None

    def _on_focus(self, box: Gtk.ListBox, direction: Gtk.DirectionType) -> bool:
        """Tab comes to the selected row and goes on behind the list; GTK would go, and select, row by row."""
        if direction not in (Gtk.DirectionType.TAB_FORWARD, Gtk.DirectionType.TAB_BACKWARD):
            return False
        if box.get_focus_child() is None:
            return self._focus()
        box.stop_emission_by_name("focus")
        return False


def _row(model: ModelFacts) -> Gtk.ListBoxRow:
    title = Gtk.Label(xalign=0.0, ellipsize=Pango.EllipsizeMode.END)
    title.set_markup(f"<b>{GLib.markup_escape_text(model_choice.label(model))}</b>")
    about = Gtk.Label(label=model_choice.about(model), xalign=0.0, ellipsize=Pango.EllipsizeMode.END)
    about.get_style_context().add_class("dim-label")
    head = Gtk.Box(spacing=SPACING_PX)
    head.pack_start(title, True, True, 0)
    head.pack_start(Gtk.Label(label=model_choice.state(model)), False, False, 0)
    lines = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, border_width=SPACING_PX)
    lines.pack_start(head, False, False, 0)
    lines.pack_start(about, False, False, 0)
    row = Gtk.ListBoxRow()
    row.add(lines)
    row.get_accessible().set_name(model_choice.spoken(model))
    return row
