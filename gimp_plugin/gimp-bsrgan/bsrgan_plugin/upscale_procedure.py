"""The procedure `plug-in-bsrgan-upscale` as GIMP sees it: menu entry, arguments, results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gi.repository import Gimp, GObject

from bsrgan_plugin.argument_kinds import add_number, add_word
from bsrgan_plugin.outputs import OutputMode
from bsrgan_plugin.sizing_arguments import add_scale, add_sizes
from bsrgan_plugin.translation import _
from bsrgan_plugin.upscale_options import FULL_STRENGTH, NO_TEXTURE, PRECISIONS, output_titles

if TYPE_CHECKING:
    from bsrgan_plugin.job import Done

NAME = "plug-in-bsrgan-upscale"
_FLAGS = GObject.ParamFlags.READWRITE


def describe(procedure: Gimp.ImageProcedure) -> None:
    """Give the procedure its menu entry, texts, arguments and return values."""
    procedure.set_menu_label(_("_BSRGAN Upscale…"))
    several = Gimp.ProcedureSensitivityMask.DRAWABLE | Gimp.ProcedureSensitivityMask.DRAWABLES
    procedure.set_sensitivity_mask(several)
    procedure.set_documentation(
        _("Enlarge layers with a trained super-resolution network"),
        _(
            "Sends the layers, or the part of them that is selected, to a local daemon which enlarges them with a "
            "BSRGAN network and adds each result as a new layer, or all of them as a new picture. Precision, colour "
            "profile, transparency, masks and metadata stay as they are; an indexed picture becomes RGB. The size is "
            "given as a scale, in percent, in pixels or on paper. Nothing changes before the whole result is there."
        ),
        NAME,
    )
    _add_arguments(procedure)


def run(
    procedure: Gimp.Procedure,
    run_mode: Gimp.RunMode,
    image: Gimp.Image,
    drawables: list[Gimp.Drawable],
    config: Gimp.ProcedureConfig,
) -> list[tuple[type, object]]:
    """Run the procedure and return its values with their types."""
    # Imported here, so that a part that is missing becomes a sentence instead of a missing menu entry.
    from bsrgan_plugin import upscale

    done: Done = upscale.run(procedure, run_mode, image, drawables, config)
    return [(Gimp.Image, done.image), (Gimp.Layer, done.layer)]


def _add_arguments(procedure: Gimp.ImageProcedure) -> None:
    procedure.add_string_argument(
        "model", _("_Model"), _("Id of an installed model; empty for the default one"), "", _FLAGS
    )
    add_scale(procedure)
    add_word(procedure, "output", _("Ou_tput"), _("Where the result goes"), output_titles(), OutputMode.NEW_LAYER.value)
    _add_network_arguments(procedure)
    procedure.add_string_argument(
        "endpoint",
        _("Endpoint"),
        _("Another daemon than the installed one: ipc://PATH or the path of its address file"),
        "",
        _FLAGS,
    )
    add_sizes(procedure)
    procedure.add_image_return_value("result-image", _("Image"), _("The picture with the result"), False, _FLAGS)
    procedure.add_layer_return_value("result-layer", _("Layer"), _("The layer with the result"), False, _FLAGS)


def _add_network_arguments(procedure: Gimp.ImageProcedure) -> None:
    told = _("Share of the network's result in percent; the rest is a plain resize")
    add_number(procedure, "strength", _("Stren_gth"), told, FULL_STRENGTH)
    told = _("How much of the layer's own fine texture is added, in percent")
    add_number(procedure, "texture", _("_Keep texture"), told, NO_TEXTURE)
    told = _("Arithmetic of the network: exact numbers or speed; automatic is what the daemon is set to")
    add_word(procedure, "precision", _("_Precision"), told, PRECISIONS, PRECISIONS[0])
