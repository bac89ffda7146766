"""Both dialogs with a photo, for the pictures in the documents; whoever sits at the screen closes them."""

from __future__ import annotations

from typing import Any

from support.gimp_inside import degrade, upscale


def check_upscale(options: dict[str, Any]) -> str:
    """The upscale dialog."""
    return _opened(options, upscale)


def check_degrade(options: dict[str, Any]) -> str:
    """The dialog of the degradation, with a preset."""
    return _opened(options, degrade, mode="preset", preset="old-phone-camera", scale="2")


def _opened(options: dict[str, Any], run: Any, **arguments: Any) -> str:
    from gi.repository import Gimp, Gio

    image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(options["photo"]))
    display = Gimp.Display.new(image)
    ended = run(image, image.get_layers()[0], run_mode=Gimp.RunMode.INTERACTIVE, **arguments)
    display.delete()
    return str(ended.status)
