"""What the dialogs show of the daemon: its models as a list, and its state as a line."""

from __future__ import annotations

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import Gimp, Gtk  # noqa: E402

from bsrgan_plugin.daemon_state import DaemonState  # noqa: E402
from bsrgan_plugin.translation import _  # noqa: E402

SPACING_PX = 6
_LINE_CHARACTERS = 52


class ModelRow:
    """A list of the installed models, bound to the string argument `model`."""

    def __init__(self, config: Gimp.ProcedureConfig, label: str) -> None:
        self._config = config
        self._offered: tuple[str, ...] | None = None
        self._list = Gtk.ComboBoxText(hexpand=True)
        self.label = Gtk.Label(label=label, use_underline=True, xalign=0.0)
        self.label.set_mnemonic_widget(self._list)
        self.widget = Gtk.Box(spacing=SPACING_PX)
        self.widget.pack_start(self.label, False, False, 0)
        self.widget.pack_start(self._list, True, True, 0)
        self._changed = self._list.connect("changed", self._on_changed)
        self._notify = config.connect("notify::model", lambda *_arguments: self._select())
        self._fill((), "")

    def offer(self, state: DaemonState) -> None:
        """Show the models that the daemon has."""
        if state.models and state.models != self._offered:
            self._fill(state.models, state.default_model)
            self._offered = state.models

    def close(self) -> None:
        """Stop following the argument."""
        self._config.disconnect(self._notify)

    def _fill(self, models: tuple[str, ...], default: str) -> None:
        chosen = self._config.get_property("model") or ""
        with self._list.handler_block(self._changed):
            self._list.remove_all()
            self._list.append("", _("Default ({model})").format(model=default) if default else _("Default"))
            for model in models:
                self._list.append(model, model)
            if chosen and chosen not in models:
                # Not installed, or nobody has answered yet: what was chosen stays chosen until the user decides.
                self._list.append(chosen, chosen)
            self._list.set_active_id(chosen)

    def _select(self) -> None:
        with self._list.handler_block(self._changed):
            self._list.set_active_id(self._config.get_property("model") or "")

    def _on_changed(self, chosen: Gtk.ComboBoxText) -> None:
        self._config.set_property("model", chosen.get_active_id() or "")


class StateLine:
    """The daemon's state: a spinner while something is under way, a warning sign when the filter would fail."""

    def __init__(self) -> None:
        self._spinner = Gtk.Spinner(no_show_all=True)
        self._warning = Gtk.Image.new_from_icon_name("dialog-warning", Gtk.IconSize.MENU)
        self._warning.set_no_show_all(True)
        self._text = line()
        self.widget = Gtk.Box(spacing=SPACING_PX)
        for part in (self._spinner, self._warning, self._text):
            self.widget.pack_start(part, False, False, 0)

    def show(self, state: DaemonState) -> None:
        """Show a new state."""
        self._text.set_text(state.text)
        self._spinner.set_visible(state.is_waiting)
        self._spinner.set_property("active", state.is_waiting)
        self._warning.set_visible(state.is_problem)


def line() -> Gtk.Label:
    """A line of text that wraps instead of making the dialog wider."""
    return Gtk.Label(xalign=0.0, wrap=True, max_width_chars=_LINE_CHARACTERS, selectable=False)
