"""The filter's dialog: GIMP's own procedure dialog with a list of models, the result's size and the daemon's state."""

from __future__ import annotations

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("GimpUi", "3.0")
from gi.repository import Gimp, GimpUi, GLib, GObject, Gtk  # noqa: E402

from bsrgan_plugin import daemon_state  # noqa: E402
from bsrgan_plugin.daemon_state import DaemonState  # noqa: E402
from bsrgan_plugin.job import check_size, check_type  # noqa: E402
from bsrgan_plugin.outcomes import Refusal  # noqa: E402
from bsrgan_plugin.outputs import OutputMode, Source, place  # noqa: E402
from bsrgan_plugin.translation import _  # noqa: E402

_SPACING_PX = 6
_LINE_CHARACTERS = 52


def ask(procedure: Gimp.Procedure, config: Gimp.ProcedureConfig, layer: Gimp.Layer, source: Source) -> bool:
    """Show the dialog and write the user's choice into `config`; False when it was cancelled."""
    GimpUi.init("gimp-bsrgan")
    dialog = _UpscaleDialog(procedure, config, layer, source)
    return dialog.run()


class _UpscaleDialog:
    def __init__(
        self, procedure: Gimp.Procedure, config: Gimp.ProcedureConfig, layer: Gimp.Layer, source: Source
    ) -> None:
        self._config = config
        self._layer = layer
        self._source = source
        self._dialog = GimpUi.ProcedureDialog.new(procedure, config, _("BSRGAN Upscale"))
        self._dialog.set_ok_label(_("_Upscale"))
        self._models = _ModelRow(config)
        self._state = _StateLine()
        self._size = _line()
        box = self._dialog.get_content_area()
        box.pack_start(self._models.widget, False, False, _SPACING_PX)
        self._dialog.fill(["scale", "output"])
        _align([self._models.label, self._dialog.get_widget("scale", GObject.TYPE_NONE).get_label()])
        box.pack_start(self._size, False, False, _SPACING_PX)
        box.pack_start(self._state.widget, False, False, _SPACING_PX)
        for widget in (self._models.widget, self._size, self._state.widget):
            widget.show_all()
        self._notify = config.connect("notify", lambda *_arguments: self._show_size())
        self._show_size()
        self._show_state(daemon_state.connecting())

    def run(self) -> bool:
        # The watch talks to the daemon in a thread; only its states come to the main loop.
        watch = daemon_state.Watch(
            self._config.get_property("endpoint") or "", lambda state: GLib.idle_add(self._show_state, state)
        )
        watch.start()
        try:
            return bool(self._dialog.run())
        finally:
            watch.stop()
            self._config.disconnect(self._notify)
            self._models.close()
            self._dialog.destroy()

    def _show_state(self, state: DaemonState) -> bool:
        self._state.show(state)
        self._models.offer(state)
        return False  # GLib: not again

    def _show_size(self) -> None:
        mode = OutputMode(self._config.get_property("output"))
        try:
            check_type(self._layer, mode)
            placement = place(self._source, mode, self._config.get_property("scale"))
            check_size(self._source.area, placement)
        except Refusal as refusal:
            self._size.set_text(str(refusal))
            return
        size = placement.result
        text = _("Result: {width} × {height} px")  # noqa: RUF001 - the multiplication sign is meant
        self._size.set_text(text.format(width=size.width, height=size.height))


class _ModelRow:
    """A list of the installed models, bound to the string argument `model`."""

    def __init__(self, config: Gimp.ProcedureConfig) -> None:
        self._config = config
        self._offered: tuple[str, ...] | None = None
        self._list = Gtk.ComboBoxText(hexpand=True)
        self.label = Gtk.Label(label=_("_Model"), use_underline=True, xalign=0.0)
        self.label.set_mnemonic_widget(self._list)
        self.widget = Gtk.Box(spacing=_SPACING_PX)
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


class _StateLine:
    """The daemon's state: a spinner while something is under way, a warning sign when the filter would fail."""

    def __init__(self) -> None:
        self._spinner = Gtk.Spinner(no_show_all=True)
        self._warning = Gtk.Image.new_from_icon_name("dialog-warning", Gtk.IconSize.MENU)
        self._warning.set_no_show_all(True)
        self._text = _line()
        self.widget = Gtk.Box(spacing=_SPACING_PX)
        for part in (self._spinner, self._warning, self._text):
            self.widget.pack_start(part, False, False, 0)

    def show(self, state: DaemonState) -> None:
        """Show a new state."""
        self._text.set_text(state.text)
        self._spinner.set_visible(state.is_waiting)
        self._spinner.set_property("active", state.is_waiting)
        self._warning.set_visible(state.is_problem)


def _align(labels: list[Gtk.Label]) -> None:
    """Make labels equally wide, so that what follows them begins at the same place."""
    group = Gtk.SizeGroup(mode=Gtk.SizeGroupMode.HORIZONTAL)
    for label in labels:
        group.add_widget(label)


def _line() -> Gtk.Label:
    """A line of text that wraps instead of making the dialog wider."""
    return Gtk.Label(xalign=0.0, wrap=True, max_width_chars=_LINE_CHARACTERS, selectable=False)
