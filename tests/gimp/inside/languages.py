"""Checks of what a GIMP in another language shows of the plug-in."""

from __future__ import annotations

from typing import Any

from support.gimp_inside import UPSCALE, new_image, upscale


def check_texts(options: dict[str, Any]) -> dict[str, str]:
    """The menu entry, the title of an argument, and the sentence of a run that is refused."""
    from gi.repository import Gegl, Gimp

    procedure = Gimp.get_pdb().lookup_procedure(UPSCALE)
    image, _layer = new_image(10, 10, "RGB", 1)
    channel = Gimp.Channel.new(image, "channel", 10, 10, 50.0, Gegl.Color.new("red"))
    image.insert_channel(channel, None, 0)
    return {
        "label": procedure.get_menu_label(),
        "argument": next(spec.nick for spec in procedure.get_arguments() if spec.name == "strength"),
        "refusal": upscale(image, channel).text,
    }
