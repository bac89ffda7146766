"""The dialog of the degradation: GIMP's own procedure dialog with a live preview, the recipe and the daemon's state."""

from __future__ import annotations

import secrets

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("GimpUi", "3.0")
from gi.repository import Gimp, GimpUi, GLib, GObject, Gtk  # noqa: E402

from bsrgan_plugin import accessible_names, daemon_state, help_button, small_screens  # noqa: E402
from bsrgan_plugin.argument_rows import WordRow, align, limit  # noqa: E402
from bsrgan_plugin.daemon_state import DaemonState  # noqa: E402
from bsrgan_plugin.daemon_widgets import SPACING_PX, StateLine  # noqa: E402
from bsrgan_plugin.degrade_arguments import LOCK, degradation_of  # noqa: E402
from bsrgan_plugin.degrade_options import (  # noqa: E402
    ENLARGEMENTS,
    FAMILIES,
    LARGEST_SEED,
    LARGEST_VARIATION,
    MODES,
    OUTPUTS,
    PRESETS,
    scale_titles,
)
from bsrgan_plugin.live_preview import LivePreview  # noqa: E402
from bsrgan_plugin.model_row import ModelRow  # noqa: E402
from bsrgan_plugin.outputs import OutputMode, Source  # noqa: E402
from bsrgan_plugin.preview_column import PreviewColumn  # noqa: E402
from bsrgan_plugin.recipe_box import RecipeBox  # noqa: E402
from bsrgan_plugin.translation import _  # noqa: E402

_DRAWN = ("mode", "preset", "scale", "seed", "strength", "variation")
"""Arguments that a pasted recipe replaces."""
_FAMILY_COLUMNS = 3


def ask(procedure: Gimp.Procedure, config: Gimp.ProcedureConfig, layer: Gimp.Layer, source: Source) -> bool:
    """Show the dialog and write the user's choice into `config`; False when it was cancelled."""
    GimpUi.init("gimp-bsrgan")
    if not config.get_property(LOCK):
        _draw_seed(config)
    return _DegradeDialog(procedure, config, layer, source).run()


class _DegradeDialog:
    def __init__(
        self, procedure: Gimp.Procedure, config: Gimp.ProcedureConfig, layer: Gimp.Layer, source: Source
    ) -> None:
        self._config = config
        self._is_restored = False
        self._dialog = GimpUi.ProcedureDialog.new(procedure, config, _("BSRGAN Degradation Preview"))
        self._dialog.set_ok_label(_("_Degrade"))
        help_button.attach(self._dialog, "degrade")
        accessible_names.attach(self._dialog)
        self._models = ModelRow(config, _("Model to restore _with"))
        self._state = StateLine()
        self._recipe = RecipeBox(config)
        self._switches: dict[str, Gtk.Widget] = {}
        self._words: dict[str, WordRow] = {}
        endpoint = config.get_property("endpoint") or ""
        self._live = LivePreview(layer, source, endpoint, self._on_zoomed, self._show_status)
        self._preview = PreviewColumn(self._live.preview)
        self._restore = self._restore_button()
        columns = Gtk.Box(spacing=2 * SPACING_PX)
        columns.pack_start(self._preview.widget, True, True, 0)
        columns.pack_start(small_screens.scrolled(self._options_column()), False, False, 0)
        columns.show()
        self._dialog.get_content_area().pack_start(columns, True, True, SPACING_PX)
        self._dialog.get_content_area().pack_start(self._state.widget, False, False, SPACING_PX)
        self._state.widget.show_all()
        self._state.show(daemon_state.connecting())
        self._notify = config.connect("notify", lambda *_arguments: self._on_changed())
        self._on_changed()

    def run(self) -> bool:
        # The watch talks to the daemon in a thread; only its states come to the main loop.
        watch = daemon_state.Watch(
            self._config.get_property("endpoint") or "",
            lambda state: GLib.idle_add(self._show_state, state),
            needs_model=False,
            own_jobs=lambda: int(self._live.is_working),
        )
        watch.start()
        self._live.start()
        try:
            is_wanted = bool(self._dialog.run())
        finally:
            watch.stop()
            self._live.stop()
            self._config.disconnect(self._notify)
            self._models.close()
            self._dialog.destroy()
        if is_wanted:
            self._config.set_property("then-upscale", self._is_restored)
        return is_wanted

    # --- the options -----------------------------------------------------------------------------------------

    def _options_column(self) -> Gtk.Box:
        for name, most in (("strength", 1.0), ("variation", LARGEST_VARIATION)):
            limit(self._dialog.get_spin_scale(name, 1.0), 0.0, most)
        limit(self._dialog.get_widget("seed", GObject.TYPE_NONE), 0, LARGEST_SEED)
        tables = {"mode": MODES, "preset": PRESETS, "output": OUTPUTS, "enlarge": ENLARGEMENTS}
        for name, table in tables.items():
            self._words[name] = WordRow(self._config, name, {word: _(title) for word, title in table.items()})
        self._words["scale"] = WordRow(self._config, "scale", scale_titles())
        align(self._words.values())
        self._models.widget.show_all()
        # Room that the dialog gets is the preview's.
        column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=SPACING_PX, hexpand=False)
        for part in (
            *(self._words[name].widget for name in ("mode", "preset", "scale")),
            self._dialog.fill_box("drawn", ["seed"]),
            self._seed_row(),
            self._dialog.fill_box("strengths", ["strength", "variation"]),
            self._families(),
            *(self._words[name].widget for name in ("output", "enlarge")),
            self._models.widget,
        ):
            part.show()
            column.pack_start(part, False, False, 0)
        column.pack_start(self._recipe.widget, True, True, 0)
        column.show()
        return column

    def _seed_row(self) -> Gtk.Box:
        row = Gtk.Box(spacing=SPACING_PX)
        dice = Gtk.Button(label=_("_New seed"), use_underline=True)
        dice.connect("clicked", lambda _button: _draw_seed(self._config))
        row.pack_start(dice, False, False, 0)
        row.pack_start(self._dialog.get_widget(LOCK, GObject.TYPE_NONE), False, False, 0)
        row.show_all()
        return row

    def _families(self) -> Gtk.Grid:
        grid = Gtk.Grid(column_spacing=2 * SPACING_PX, row_spacing=SPACING_PX)
        for place, family in enumerate(FAMILIES):
            row, column = divmod(place, _FAMILY_COLUMNS)
            self._switches[family] = GimpUi.prop_check_button_new(self._config, family, _(FAMILIES[family]))
            grid.attach(self._switches[family], column, row, 1, 1)
        grid.show_all()
        return grid

    def _restore_button(self) -> Gtk.Button:
        button = Gtk.Button(label=_("Degrade, then rest_ore"), use_underline=True)
        button.set_tooltip_text(_("Upscale the degraded picture again, onto a third layer, to compare"))
        button.connect("clicked", lambda _button: self._on_restore())
        button.show()
        self._dialog.get_action_area().pack_start(button, False, False, 0)
        return button

    # --- what happens ----------------------------------------------------------------------------------------

    def _on_restore(self) -> None:
        self._is_restored = True
        self._dialog.response(Gtk.ResponseType.OK)

    def _on_changed(self) -> None:
        asked = degradation_of(self._config)
        for name in _DRAWN:
            is_used = asked.mode == "preset" or name not in ("preset", "variation")
            self._sensitive(name, is_used and not asked.recipe)
        for switch in self._switches.values():
            switch.set_sensitive(not asked.recipe)
        self._sensitive("enlarge", asked.output is OutputMode.SAME_SIZE)
        self._restore.set_sensitive(asked.output is OutputMode.SAME_SIZE)
        self._live.show(asked)

    def _sensitive(self, name: str, is_used: bool) -> None:
        row = self._words.get(name)
        widget = row.widget if row else self._dialog.get_widget(name, GObject.TYPE_NONE)
        widget.set_sensitive(is_used)

    def _on_zoomed(self, zoom: int) -> None:
        self._preview.show_zoom(zoom)

    def _show_status(self, text: str, is_waiting: bool, is_problem: bool) -> None:
        self._preview.show_status(text, is_waiting, is_problem)
        if not is_waiting:
            self._recipe.show(self._live.recipe)

    def _show_state(self, state: DaemonState) -> bool:
        self._state.show(state)
        self._models.offer(state)
        return False  # GLib: not again


def _draw_seed(config: Gimp.ProcedureConfig) -> None:
    config.set_property("seed", secrets.randbelow(LARGEST_SEED + 1))
