"""The procedure `plug-in-bsrgan-degrade` as GIMP sees it: menu entry, arguments, results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gi.repository import Gimp, GObject

from bsrgan_plugin.argument_kinds import add_number, add_whole_number, add_word
from bsrgan_plugin.degrade_arguments import LOCK
from bsrgan_plugin.degrade_options import (
    ENLARGEMENTS,
    FAMILIES,
    MODES,
    OUTPUTS,
    PRESETS,
    SCALES,
    Degradation,
)
from bsrgan_plugin.translation import _

if TYPE_CHECKING:
    from bsrgan_plugin.degrading import Done

NAME = "plug-in-bsrgan-degrade"
_FLAGS = GObject.ParamFlags.READWRITE
_DEFAULT = Degradation()


def describe(procedure: Gimp.ImageProcedure) -> None:
    """Give the procedure its menu entry, texts, arguments and return values."""
    procedure.set_menu_label(_("BSRGAN De_gradation Preview…"))
    procedure.set_documentation(
        _("Make the layer bad the way that super-resolution networks are trained on"),
        _(
            "Sends the layer, or the part of it that is selected, to a local daemon which blurs, shrinks and "
            "compresses it and adds noise and camera artefacts as the BSRGAN degradation model does. The same seed "
            "gives the same pixels. The recipe is kept with the result, as the parasite 'gimp-bsrgan-recipe'."
        ),
        NAME,
    )
    _add_degradation(procedure)
    _add_result(procedure)
    procedure.add_image_return_value("result-image", _("Image"), _("The picture with the result"), False, _FLAGS)
    procedure.add_layer_return_value("result-layer", _("Layer"), _("The degraded layer"), False, _FLAGS)
    procedure.add_layer_return_value(
        "restored-layer", _("Restored"), _("The layer that was upscaled again, if asked for"), True, _FLAGS
    )
    procedure.add_string_return_value("result-recipe", _("Recipe"), _("How it was made, as JSON"), "", _FLAGS)


def run(
    procedure: Gimp.Procedure,
    run_mode: Gimp.RunMode,
    image: Gimp.Image,
    drawables: list[Gimp.Drawable],
    config: Gimp.ProcedureConfig,
) -> list[tuple[type, object]]:
    """Run the procedure and return its values with their types."""
    # Imported here, so that a part that is missing becomes a sentence instead of a missing menu entry.
    from bsrgan_plugin import degrade

    done: Done = degrade.run(procedure, run_mode, image, drawables, config)
    return [(Gimp.Image, done.image), (Gimp.Layer, done.layer), (Gimp.Layer, done.restored), (str, done.recipe)]


def _add_degradation(procedure: Gimp.ImageProcedure) -> None:
    add_word(procedure, "mode", _("_Mode"), _("Which model draws the steps"), MODES, _DEFAULT.mode)
    add_word(procedure, "preset", _("_Preset"), _("For the mode Preset"), PRESETS, _DEFAULT.preset)
    told = _("How much smaller the picture gets; automatic is 4, or the preset's own")
    add_word(procedure, "scale", _("Sc_ale"), told, SCALES, _DEFAULT.scale)
    add_whole_number(procedure, "seed", _("Se_ed"), _("The same seed draws the same degradation"), _DEFAULT.seed)
    told = _("0 only changes the size, 1 is as drawn")
    add_number(procedure, "strength", _("Stren_gth"), told, _DEFAULT.strength)
    told = _("How far the seed moves the numbers of a preset")
    add_number(procedure, "variation", _("_Variation"), told, _DEFAULT.variation)
    for family, title in FAMILIES.items():
        procedure.add_boolean_argument(family, _(title), _("Leave the steps of this kind in"), True, _FLAGS)
    told = _("JSON of a recipe, or of a request such as the mode 'manual' with steps; counts instead of the above")
    procedure.add_string_argument("recipe", _("Recipe"), told, _DEFAULT.recipe, _FLAGS)


def _add_result(procedure: Gimp.ImageProcedure) -> None:
    add_word(procedure, "output", _("Outp_ut"), _("Where the result goes"), OUTPUTS, _DEFAULT.output.value)
    told = _("How the small result gets back to the layer's size")
    add_word(procedure, "enlarge", _("Enlarge _by"), told, ENLARGEMENTS, _DEFAULT.enlarge)
    told = _("Upscale the degraded picture again, onto a third layer, to compare")
    procedure.add_boolean_argument("then-upscale", _("Restore it"), told, False, _FLAGS)
    told = _("Id of the model for that; empty for the default one")
    procedure.add_string_argument("model", _("Model"), told, "", _FLAGS)
    told = _("Another daemon than the installed one: ipc://PATH or the path of its address file")
    procedure.add_string_argument("endpoint", _("Endpoint"), told, "", _FLAGS)
    procedure.add_boolean_aux_argument(
        LOCK, _("_Keep this seed"), _("Open the dialog with the same seed the next time"), False, _FLAGS
    )
