"""The model in the dialogs: a list of the installed ones; in the upscale dialog also where it is from, and more."""

from __future__ import annotations

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("Pango", "1.0")
from gi.repository import Gimp, Gtk, Pango  # noqa: E402

from bsrgan_plugin import model_choice  # noqa: E402
from bsrgan_plugin.daemon_state import DaemonState  # noqa: E402
from bsrgan_plugin.daemon_widgets import SPACING_PX  # noqa: E402
from bsrgan_plugin.model_window import ModelWindow  # noqa: E402
from bsrgan_plugin.translation import _  # noqa: E402
from bsrgan_wire.model_facts import ModelFacts  # noqa: E402

_TITLE_CHARACTERS = 30


class ModelRow:
    """A list of the installed models, bound to the string argument `model`.

    Attributes:
        widget: the GTK widget.
    """

    def __init__(self, config: Gimp.ProcedureConfig, label: str) -> None:
        self._config = config
        self._state = DaemonState("")
        self._list = Gtk.ComboBoxText(hexpand=True)
        _shorten(self._list)
        name = Gtk.Label(label=label, use_underline=True, xalign=0.0)
        name.set_mnemonic_widget(self._list)
        self._row = Gtk.Box(spacing=SPACING_PX)
        self._row.pack_start(name, False, False, 0)
        self._row.pack_start(self._list, True, True, 0)
        self.widget: Gtk.Widget = self._row
        self._changed = self._list.connect("changed", self._on_changed)
        self._notify = config.connect("notify::model", lambda *_arguments: self._fill())
        self._fill()

    def offer(self, state: DaemonState) -> None:
        """Show the models that the daemon has; a daemon that cannot be asked changes nothing."""
        known = (state.models, state.default_model, state.facts)
        if state.is_known and known != (self._state.models, self._state.default_model, self._state.facts):
            self._state = state
            self._fill()

    def close(self) -> None:
        """Stop following the argument."""
        self._config.disconnect(self._notify)

    def _fill(self) -> None:
        state, chosen = self._state, self._config.get_property("model") or ""
        with self._list.handler_block(self._changed):
            self._list.remove_all()
            for name, title in model_choice.offers(state.models, state.facts, state.default_model, chosen):
                self._list.append(name, title)
            self._list.set_active_id(chosen)
        model = self._chosen()
        self._list.set_tooltip_text(model_choice.details(model) if model else None)
        self._tell(model)

    def _chosen(self) -> ModelFacts | None:
        """What is known of the model that will work."""
        name = self._config.get_property("model") or self._state.default_model
        return next((model for model in self._state.facts if model.id == name), None)

    def _tell(self, model: ModelFacts | None) -> None:
        """For rows that say more of the chosen model."""

    def _on_changed(self, chosen: Gtk.ComboBoxText) -> None:
        self._config.set_property("model", chosen.get_active_id() or "")


class ModelChooser(ModelRow):
    """The same with licence and origin of the chosen model below, and a button for the window of all models."""

    def __init__(self, config: Gimp.ProcedureConfig, label: str) -> None:
        self._about = Gtk.Label(xalign=0.0, ellipsize=Pango.EllipsizeMode.END)
        self._window: ModelWindow | None = None
        super().__init__(config, label)
        more = Gtk.Button(label=_("More mo_dels…"), use_underline=True)
        more.set_tooltip_text(_("Get or add models; see the licence and origin of each"))
        more.connect("clicked", lambda _button: self._on_more())
        self._row.pack_start(more, False, False, 0)
        self.widget = Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
        self.widget.pack_start(self._row, False, False, 0)
        self.widget.pack_start(self._about, False, False, 0)

    def close(self) -> None:
        """Stop following the argument, and close the window."""
        if self._window is not None:
            self._window.close()
        super().close()

    def _tell(self, model: ModelFacts | None) -> None:
        self._about.set_text(model_choice.about(model) if model else "")

    def _on_more(self) -> None:
        if self._window is not None:
            return
        parent, endpoint = self.widget.get_toplevel(), self._config.get_property("endpoint") or ""
        chosen = self._config.get_property("model") or self._state.default_model
        self._window = ModelWindow(parent, endpoint, chosen, self._choose, self._on_closed)
        self._window.show()

    def _choose(self, model: str) -> None:
        self._config.set_property("model", model)

    def _on_closed(self) -> None:
        self._window = None


def _shorten(combo: Gtk.ComboBoxText) -> None:
    """Long titles shall not make the dialog wider."""
    for cell in combo.get_cells():
        cell.set_property("ellipsize", Pango.EllipsizeMode.END)
        cell.set_property("width-chars", _TITLE_CHARACTERS)
