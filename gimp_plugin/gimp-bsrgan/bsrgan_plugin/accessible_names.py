"""What a screen reader says of the dialogs' parts that GTK and GIMP leave without a name."""

from __future__ import annotations

import re
from collections.abc import Iterator

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("GimpUi", "3.0")
from gi.repository import GimpUi, Gtk  # noqa: E402


def attach(dialog: Gtk.Window) -> None:
    """Give each part of a dialog that takes the focus a name, as soon as the dialog is shown."""
    dialog.connect("map", lambda _dialog: _complete(dialog))


def _complete(dialog: Gtk.Window) -> None:
    for widget in _below(dialog):
        if widget.get_can_focus() and not widget.get_accessible().get_name():
            _name(widget)


def _name(widget: Gtk.Widget) -> None:
    label = _label_of(widget)
    combo = widget.get_ancestor(Gtk.ComboBox.__gtype__)
    if combo is None:
        widget.get_accessible().set_name(label)
        return
    # The focus is taken by a button within the list, which knows neither what the list is for nor what is chosen.
    _name_choice(combo, widget, label)
    combo.connect("changed", _name_choice, widget, label)


def _name_choice(combo: Gtk.ComboBox, button: Gtk.Widget, label: str) -> None:
    chosen = _chosen(combo)
    button.get_accessible().set_name(": ".join(part for part in (label, chosen) if part))


def _chosen(combo: Gtk.ComboBox) -> str:
    if isinstance(combo, Gtk.ComboBoxText):
        return combo.get_active_text() or ""
    place = combo.get_active_iter()
    if place is None or not isinstance(combo, GimpUi.StringComboBox):
        return ""
    return str(combo.get_model().get_value(place, combo.get_property("label-column")) or "")


def _label_of(widget: Gtk.Widget) -> str:
    """The words beside a widget: those of a scale are within it, others are labels of it or of what holds it."""
    if isinstance(widget, GimpUi.SpinScale):
        text = (widget.get_label() or "").replace("_", "")
    else:
        holder = widget
        while holder is not None and not holder.list_mnemonic_labels():
            holder = holder.get_parent()
        text = holder.list_mnemonic_labels()[0].get_text() if holder is not None else ""
    # Chinese labels end with the letter to press.
    return re.sub(r"\(\w\)$", "", text)


def _below(widget: Gtk.Widget) -> Iterator[Gtk.Widget]:
    yield widget
    if isinstance(widget, Gtk.Container):
        children: list[Gtk.Widget] = []
        # Also those that a widget is made of, such as the button of a list.
        widget.forall(children.append)
        for child in children:
            yield from _below(child)
