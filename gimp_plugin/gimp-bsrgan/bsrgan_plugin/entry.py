"""What GIMP sees of the plug-in: its procedures. Imports nothing but gi and the standard library.

GIMP asks every plug-in for its procedures once, and one that fails then is gone from the menus without a word; so
the parts that could be missing or damaged are imported when the filter runs, where a failure becomes a sentence.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Any

from gi.repository import Gimp, Gio, GLib, GObject

from bsrgan_plugin import outcomes
from bsrgan_plugin.outputs import DEFAULT_SCALE, SCALES, OutputMode
from bsrgan_plugin.translation import DOMAIN, _, has_catalogs

UPSCALE = "plug-in-bsrgan-upscale"
ICON = Path(__file__).resolve().parent.parent / "icons" / "gimp-bsrgan.svg"
_FLAGS = GObject.ParamFlags.READWRITE


class BsrganPlugIn(Gimp.PlugIn):  # type: ignore[misc] # gi has no types
    """The plug-in; GIMP makes one for a query and one for each run."""

    def do_set_i18n(self, _procedure: str) -> Any:
        """Tell GIMP where the catalogs are; it warns on every start about a folder that is not there."""
        return (True, DOMAIN, None) if has_catalogs() else False

    def do_query_procedures(self) -> list[str]:
        """The names of all procedures."""
        return [UPSCALE]

    def do_create_procedure(self, name: str) -> Gimp.Procedure:
        """The procedure `name` with its menu entry and arguments."""
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, run, None)
        # Only greys the menu out; scripts reach `run` with anything.
        procedure.set_image_types("RGB*, GRAY*, INDEXED*")
        procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.DRAWABLE)
        procedure.set_menu_label(_("_BSRGAN Upscale…"))
        procedure.add_menu_path("<Image>/Filters/Enhance")
        procedure.set_icon_file(Gio.File.new_for_path(str(ICON)))
        procedure.set_documentation(
            _("Enlarge the layer with a trained super-resolution network"),
            _(
                "Sends the layer, or the part of it that is selected, to a local daemon which enlarges it with a "
                "BSRGAN network and adds the result as a new layer or picture. Precision, colour profile and "
                "transparency stay as they are. Indexed pictures can be enlarged into a new picture."
            ),
            name,
        )
        procedure.set_attribution("gimp-bsrgan", "Apache-2.0", "2026")
        _add_arguments(procedure)
        return procedure


def _add_arguments(procedure: Gimp.ImageProcedure) -> None:
    procedure.add_string_argument(
        "model", _("_Model"), _("Id of an installed model; empty for the default one"), "", _FLAGS
    )
    procedure.add_int_argument(
        "scale", _("Sc_ale"), _("How many times larger the result is"), min(SCALES), max(SCALES), DEFAULT_SCALE, _FLAGS
    )
    outputs = Gimp.Choice.new()
    outputs.add(
        OutputMode.NEW_LAYER.value, 0, _("New layer, picture enlarged"), _("Enlarges the picture around the new layer")
    )
    outputs.add(OutputMode.NEW_IMAGE.value, 1, _("New picture"), _("Leaves this picture as it is"))
    outputs.add(
        OutputMode.SAME_SIZE.value, 2, _("New layer, same size"), _("Restores detail without enlarging anything")
    )
    procedure.add_choice_argument(
        "output", _("Ou_tput"), _("Where the result goes"), outputs, OutputMode.NEW_LAYER.value, _FLAGS
    )
    procedure.add_string_argument(
        "endpoint",
        _("Endpoint"),
        _("Another daemon than the installed one: ipc://PATH or the path of its address file"),
        "",
        _FLAGS,
    )
    procedure.add_image_return_value("result-image", _("Image"), _("The picture with the result"), False, _FLAGS)
    procedure.add_layer_return_value("result-layer", _("Layer"), _("The layer with the result"), False, _FLAGS)


def run(
    procedure: Gimp.Procedure,
    run_mode: Gimp.RunMode,
    image: Gimp.Image,
    drawables: list[Gimp.Drawable],
    config: Gimp.ProcedureConfig,
    _data: object,
) -> Gimp.ValueArray:
    """Run the procedure; whatever happens, the caller gets a status and at most one sentence."""
    try:
        # Imported here, so that a part that is missing becomes a sentence instead of a missing menu entry.
        from bsrgan_plugin import upscale

        result = upscale.run(procedure, run_mode, image, list(drawables), config)
    except Exception as error:  # noqa: BLE001 - the boundary to GIMP: an exception would only say "execution error"
        return _failed(procedure, error)
    return _succeeded(procedure, result.image, result.layer)


def _succeeded(procedure: Gimp.Procedure, image: Gimp.Image, layer: Gimp.Layer) -> Gimp.ValueArray:
    values = procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, None)
    values.remove(2)
    values.remove(1)
    for kind, item in ((Gimp.Image, image), (Gimp.Layer, layer)):
        value = GObject.Value()
        value.init(kind.__gtype__)
        value.set_object(item)
        values.append(value)
    return values


def _failed(procedure: Gimp.Procedure, error: Exception) -> Gimp.ValueArray:
    outcome = outcomes.of_error(error)
    if outcome.is_unexpected:
        traceback.print_exception(error, file=sys.stderr)
    status = getattr(Gimp.PDBStatusType, outcome.status.value)
    told = GLib.Error.new_literal(Gimp.PlugIn.error_quark(), outcome.text, 0) if outcome.text else None
    return procedure.new_return_values(status, told)
