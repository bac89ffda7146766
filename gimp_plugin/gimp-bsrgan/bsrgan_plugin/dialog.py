"""The filter's dialog: GIMP's own procedure dialog with a list of models, the result's size and the daemon's state."""

from __future__ import annotations

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("GimpUi", "3.0")
from gi.repository import Gimp, GimpUi, GLib, GObject, Gtk  # noqa: E402

from bsrgan_plugin import daemon_state  # noqa: E402
from bsrgan_plugin.daemon_state import DaemonState  # noqa: E402
from bsrgan_plugin.daemon_widgets import SPACING_PX, ModelRow, StateLine, line  # noqa: E402
from bsrgan_plugin.outcomes import Refusal  # noqa: E402
from bsrgan_plugin.outputs import OutputMode, Source, place  # noqa: E402
from bsrgan_plugin.targets import check_size, check_type  # noqa: E402
from bsrgan_plugin.translation import _  # noqa: E402


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
        self._models = ModelRow(config, _("_Model"))
        self._state = StateLine()
        self._size = line()
        box = self._dialog.get_content_area()
        box.pack_start(self._models.widget, False, False, SPACING_PX)
        self._dialog.fill(["scale", "output"])
        _align([self._models.label, self._dialog.get_widget("scale", GObject.TYPE_NONE).get_label()])
        box.pack_start(self._size, False, False, SPACING_PX)
        box.pack_start(self._state.widget, False, False, SPACING_PX)
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


def _align(labels: list[Gtk.Label]) -> None:
    """Make labels equally wide, so that what follows them begins at the same place."""
    group = Gtk.SizeGroup(mode=Gtk.SizeGroupMode.HORIZONTAL)
    for label in labels:
        group.add_widget(label)
