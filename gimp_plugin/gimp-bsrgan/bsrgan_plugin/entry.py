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

from bsrgan_plugin import degrade_procedure, outcomes, upscale_procedure
from bsrgan_plugin.translation import DOMAIN, has_catalogs

_PROCEDURES = {module.NAME: module for module in (upscale_procedure, degrade_procedure)}
ICONS = Path(__file__).resolve().parent.parent / "icons"
_PREFIX = "plug-in-bsrgan-"


class BsrganPlugIn(Gimp.PlugIn):  # type: ignore[misc] # gi has no types
    """The plug-in; GIMP makes one for a query and one for each run."""

    def do_set_i18n(self, _procedure: str) -> Any:
        """Tell GIMP where the catalogs are; it warns on every start about a folder that is not there."""
        return (True, DOMAIN, None) if has_catalogs() else False

    def do_query_procedures(self) -> list[str]:
        """The names of all procedures."""
        return list(_PROCEDURES)

    def do_create_procedure(self, name: str) -> Gimp.Procedure:
        """The procedure `name` with its menu entry and arguments."""
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, run, None)
        # Only greys the menu out; scripts reach `run` with anything.
        procedure.set_image_types("RGB*, GRAY*, INDEXED*")
        procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.DRAWABLE)
        _PROCEDURES[name].describe(procedure)
        procedure.add_menu_path("<Image>/Filters/Enhance")
        # GIMP colours its own icons for the theme, but not a file: these have a colour that is seen on light and dark.
        procedure.set_icon_file(Gio.File.new_for_path(str(ICONS / f"{name[len(_PREFIX) :]}.svg")))
        procedure.set_attribution("gimp-bsrgan", "Apache-2.0", "2026")
        return procedure


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
        values = _PROCEDURES[procedure.get_name()].run(procedure, run_mode, image, list(drawables), config)
    except Exception as error:  # noqa: BLE001 - the boundary to GIMP: an exception would only say "execution error"
        return _failed(procedure, error)
    return _succeeded(procedure, values)


def _succeeded(procedure: Gimp.Procedure, results: list[tuple[type, object]]) -> Gimp.ValueArray:
    values = procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, None)
    for place in range(len(results), 0, -1):
        values.remove(place)
    for kind, result in results:
        value = GObject.Value()
        value.init(kind)
        value.set_value(result)
        values.append(value)
    return values


def _failed(procedure: Gimp.Procedure, error: Exception) -> Gimp.ValueArray:
    outcome = outcomes.of_error(error)
    if outcome.is_unexpected:
        traceback.print_exception(error, file=sys.stderr)
    status = getattr(Gimp.PDBStatusType, outcome.status.value)
    told = GLib.Error.new_literal(Gimp.PlugIn.error_quark(), outcome.text, 0) if outcome.text else None
    return procedure.new_return_values(status, told)
