"""The upscale dialog: GIMP's own procedure dialog with a live preview, what a run will take, and the daemon's state."""

from __future__ import annotations

from dataclasses import replace

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("GimpUi", "3.0")
from gi.repository import Gimp, GimpUi, GLib, Gtk  # noqa: E402

from bsrgan_plugin import accessible_names, daemon_state, forecast, help_button, small_screens  # noqa: E402
from bsrgan_plugin.argument_rows import WordRow, align, limit  # noqa: E402
from bsrgan_plugin.daemon_state import DaemonState  # noqa: E402
from bsrgan_plugin.daemon_widgets import SPACING_PX, StateLine, line  # noqa: E402
from bsrgan_plugin.layers import format_of  # noqa: E402
from bsrgan_plugin.model_row import ModelChooser  # noqa: E402
from bsrgan_plugin.outcomes import Refusal  # noqa: E402
from bsrgan_plugin.outputs import Placement, Source  # noqa: E402
from bsrgan_plugin.preview_column import PreviewColumn  # noqa: E402
from bsrgan_plugin.preview_patches import run_px  # noqa: E402
from bsrgan_plugin.remarks_label import Remarks  # noqa: E402
from bsrgan_plugin.size_box import SizeBox  # noqa: E402
from bsrgan_plugin.sizing_arguments import sizing_of  # noqa: E402
from bsrgan_plugin.targets import check_size  # noqa: E402
from bsrgan_plugin.translation import _  # noqa: E402
from bsrgan_plugin.upscale_options import (  # noqa: E402
    PERCENT,
    Options,
    options_of,
    output_titles,
    precision_titles,
)
from bsrgan_plugin.upscale_preview import UpscalePreview  # noqa: E402


def ask(
    procedure: Gimp.Procedure, config: Gimp.ProcedureConfig, layers: list[Gimp.Layer], sources: list[Source]
) -> bool:
    """Show the dialog and write the user's choice into `config`.

    Args:
        procedure: the filter.
        config: its arguments.
        layers: what will be upscaled; the first one is previewed.
        sources: of each: geometry and area.

    Returns:
        False when it was cancelled.
    """
    GimpUi.init("gimp-bsrgan")
    return _UpscaleDialog(procedure, config, layers, sources).run()


class _UpscaleDialog:
    def __init__(
        self,
        procedure: Gimp.Procedure,
        config: Gimp.ProcedureConfig,
        layers: list[Gimp.Layer],
        sources: list[Source],
    ) -> None:
        self._config = config
        self._layers = layers
        self._sources = sources
        self._is_ready = False
        self._dialog = GimpUi.ProcedureDialog.new(procedure, config, _("BSRGAN Upscale"))
        self._dialog.set_ok_label(_("_Upscale"))
        help_button.attach(self._dialog, "upscale")
        accessible_names.attach(self._dialog)
        self._models = ModelChooser(config, _("_Model"))
        self._state = StateLine()
        self._forecast = line()
        self._remarks = Remarks(layers)
        endpoint = config.get_property("endpoint") or ""
        self._live = UpscalePreview(
            layers[0], sources[0], endpoint, self._on_zoomed, self._show_status, self._on_changed
        )
        self._preview = PreviewColumn(self._live.preview)
        columns = Gtk.Box(spacing=2 * SPACING_PX)
        columns.pack_start(self._preview.widget, True, True, 0)
        columns.pack_start(small_screens.scrolled(self._options_column()), False, False, 0)
        columns.show()
        self._dialog.get_content_area().pack_start(columns, True, True, SPACING_PX)
        self._dialog.get_content_area().pack_start(self._state.widget, False, False, SPACING_PX)
        self._state.widget.show_all()
        self._notify = config.connect("notify", lambda *_arguments: self._on_changed())
        self._show_state(daemon_state.connecting())
        self._on_changed()

    def run(self) -> bool:
        # The watch talks to the daemon in a thread; only its states come to the main loop.
        watch = daemon_state.Watch(
            self._config.get_property("endpoint") or "",
            lambda state: GLib.idle_add(self._show_state, state),
            own_jobs=lambda: int(self._live.is_working),
        )
        watch.start()
        self._live.start()
        try:
            return bool(self._dialog.run())
        finally:
            watch.stop()
            self._live.stop()
            self._config.disconnect(self._notify)
            self._models.close()
            self._dialog.destroy()

    # --- the options -----------------------------------------------------------------------------------------

    def _options_column(self) -> Gtk.Box:
        for name in ("strength", "texture"):
            limit(self._dialog.get_spin_scale(name, 1.0), *PERCENT)
        words = (
            WordRow(self._config, "precision", precision_titles()),
            WordRow(self._config, "output", output_titles()),
        )
        align(words)
        # Room that the dialog gets is the preview's.
        column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=SPACING_PX, hexpand=False)
        for part in (
            self._place_label(),
            self._live.overview.widget,
            self._models.widget,
            self._dialog.fill_box("scales", ["scale"]),
            SizeBox(self._config).widget,
            self._dialog.fill_box("network", ["strength", "texture"]),
            *(row.widget for row in words),
            self._forecast,
            self._remarks.widget,
        ):
            part.show_all()
            column.pack_start(part, False, False, 0)
        column.show()
        return column

    def _place_label(self) -> Gtk.Label:
        label = Gtk.Label(label=_("_Where to look"), use_underline=True, xalign=0.0)
        label.set_mnemonic_widget(self._live.overview.widget)
        return label

    # --- what happens ----------------------------------------------------------------------------------------

    def _on_changed(self) -> None:
        try:
            options, placements = self._asked()
        except Refusal as refusal:
            self._forecast.set_text("")
            self._remarks.hide()
            self._live.refuse(str(refusal))
            return
        self._live.show(options, placements[0])
        self._forecast.set_text(self._told(placements))
        self._forecast.set_tooltip_text(forecast.told_of_disk(self._disk_bytes(placements)))
        self._remarks.show(options.mode)

    def _asked(self) -> tuple[Options, list[Placement]]:
        options, asked = options_of(self._config), sizing_of(self._config)
        placements = []
        for source in self._sources:
            placements.append(options.placement(replace(source, asked=asked)))
            check_size(source.area, placements[-1])
        return options, placements

    def _told(self, placements: list[Placement]) -> str:
        results = [placement.result for placement in placements]
        held = sum(
            size.width * size.height * _pixel_bytes(layer) for size, layer in zip(results, self._layers, strict=True)
        )
        pixels = sum(run_px(source.area.size, size) for source, size in zip(self._sources, results, strict=True))
        return forecast.told(results, held, self._live.seconds(pixels))

    def _disk_bytes(self, placements: list[Placement]) -> int:
        """What travels of the largest job: the daemon does one layer after the other."""
        return max(
            (source.area.width * source.area.height + placement.result.width * placement.result.height)
            * format_of(layer).pixel_bytes
            for layer, source, placement in zip(self._layers, self._sources, placements, strict=True)
        )

    def _on_zoomed(self, zoom: int) -> None:
        self._preview.show_zoom(zoom)

    def _show_status(self, text: str, is_waiting: bool, is_problem: bool) -> None:
        self._preview.show_status(text, is_waiting, is_problem)

    def _show_state(self, state: DaemonState) -> bool:
        self._state.show(state)
        self._models.offer(state)
        is_ready = not (state.is_waiting or state.is_problem)
        if is_ready and not self._is_ready:
            self._live.retry()
        self._is_ready = is_ready
        return False  # GLib: not again


def _pixel_bytes(layer: Gimp.Layer) -> int:
    """Bytes of one pixel of the layer's result in GIMP; that of an indexed layer is RGB."""
    return int(format_of(layer).pixel_bytes if layer.is_indexed() else layer.get_bpp())
