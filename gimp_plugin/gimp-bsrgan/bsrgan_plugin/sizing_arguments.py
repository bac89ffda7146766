"""The arguments of `plug-in-bsrgan-upscale` that say how large the result becomes.

`Sizing.check` tells what is wrong with them.
"""

from __future__ import annotations

from gi.repository import Gimp

from bsrgan_plugin.argument_kinds import add_number, add_whole_number
from bsrgan_plugin.sizing import DEFAULT_FACTOR, Sizing
from bsrgan_plugin.translation import _


def add_scale(procedure: Gimp.ImageProcedure) -> None:
    """Add the argument of the factor."""
    told = _("How many times larger the result is, 0.25 to 16")
    add_number(procedure, "scale", _("Sc_ale"), told, DEFAULT_FACTOR)


def add_sizes(procedure: Gimp.ImageProcedure) -> None:
    """Add the arguments of the other ways to ask for a size; each of them is 0 by default, which means not asked."""
    for name, nick, blurb in (
        ("width", _("Width"), _("Width of the picture with the result in pixels; 0 keeps the proportions")),
        ("height", _("Height"), _("Height of the picture with the result in pixels; 0 keeps the proportions")),
    ):
        add_whole_number(procedure, name, nick, blurb, 0)
    for name, nick, blurb in (
        ("percent", _("Percent"), _("The scale in percent, 25 to 1600; 0 for not asked")),
        ("print-width", _("Width on paper"), _("In millimetres, with dpi; 0 keeps the proportions")),
        ("print-height", _("Height on paper"), _("In millimetres, with dpi; 0 keeps the proportions")),
        ("dpi", _("Pixels per inch"), _("Of the picture with the result; 0 keeps its size on paper")),
    ):
        add_number(procedure, name, nick, blurb, 0.0)


def sizing_of(config: Gimp.ProcedureConfig) -> Sizing:
    """The arguments as a value, not yet checked."""
    return Sizing(
        factor=config.get_property("scale"),
        percent=config.get_property("percent"),
        width=config.get_property("width"),
        height=config.get_property("height"),
        print_width=config.get_property("print-width"),
        print_height=config.get_property("print-height"),
        dpi=config.get_property("dpi"),
    )
