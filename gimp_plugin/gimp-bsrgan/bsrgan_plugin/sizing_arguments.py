"""The arguments of `plug-in-bsrgan-upscale` that say how large the result becomes.

GIMP quietly takes the default for a value outside an argument's declared range, and a script would never know. So the
declared ranges hold everything that can be typed by mistake, and `Sizing.check` tells what is wrong with it.
"""

from __future__ import annotations

from gi.repository import Gimp, GObject

from bsrgan_plugin.sizing import DEFAULT_FACTOR, Sizing
from bsrgan_plugin.translation import _

_FLAGS = GObject.ParamFlags.READWRITE
_FARTHEST = 1_000_000_000


def add_scale(procedure: Gimp.ImageProcedure) -> None:
    """Add the argument of the factor."""
    procedure.add_double_argument(
        "scale",
        _("Sc_ale"),
        _("How many times larger the result is, 0.25 to 16"),
        -_FARTHEST,
        _FARTHEST,
        DEFAULT_FACTOR,
        _FLAGS,
    )


def add_sizes(procedure: Gimp.ImageProcedure) -> None:
    """Add the arguments of the other ways to ask for a size; each of them is 0 by default, which means not asked."""
    for name, nick, blurb in (
        ("width", _("Width"), _("Width of the picture with the result in pixels; 0 keeps the proportions")),
        ("height", _("Height"), _("Height of the picture with the result in pixels; 0 keeps the proportions")),
    ):
        procedure.add_int_argument(name, nick, blurb, -_FARTHEST, _FARTHEST, 0, _FLAGS)
    for name, nick, blurb in (
        ("percent", _("Percent"), _("The scale in percent, 25 to 1600; 0 for not asked")),
        ("print-width", _("Width on paper"), _("In millimetres, with dpi; 0 keeps the proportions")),
        ("print-height", _("Height on paper"), _("In millimetres, with dpi; 0 keeps the proportions")),
        ("dpi", _("Pixels per inch"), _("Of the picture with the result; 0 keeps its size on paper")),
    ):
        procedure.add_double_argument(name, nick, blurb, -_FARTHEST, _FARTHEST, 0.0, _FLAGS)


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
