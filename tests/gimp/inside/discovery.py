"""Checks of what GIMP knows about the plug-in without running it, and of runs of a broken installation."""

from __future__ import annotations

from typing import Any

from support.gimp_inside import DEGRADE, UPSCALE, bytes_of, call, new_image

CASES: dict[str, dict[str, Any]] = {
    function: {"upscale": {"name": UPSCALE}, "degrade": {"name": DEGRADE}}
    for function in ("check_procedure", "check_broken_run")
}


def check_procedure(options: dict[str, Any], case: dict[str, Any]) -> dict[str, Any]:
    """What the PDB says of a procedure."""
    from gi.repository import Gimp

    procedure = Gimp.get_pdb().lookup_procedure(case["name"])
    assert procedure is not None
    return {
        "menu": [f"{path}/{procedure.get_menu_label()}" for path in procedure.get_menu_paths()],
        "types": procedure.get_image_types(),
        "blurb": procedure.get_blurb(),
        "arguments": [spec.name for spec in procedure.get_arguments()],
        "results": [spec.name for spec in procedure.get_return_values()],
        "defaults": {spec.name: spec.get_default_value() for spec in procedure.get_arguments()[3:]},
    }


def check_broken_run(options: dict[str, Any], case: dict[str, Any]) -> dict[str, Any]:
    """A run of a plug-in that misses a part: what it says, and whether the image is as before."""
    image, layer = new_image(9, 7, "RGBA", seed=3)
    before = bytes_of(layer)
    ended = call(case["name"], image, layer)
    return {
        "status": ended.status,
        "text": ended.text,
        "same": bytes_of(layer) == before,
        "layers": len(image.get_layers()),
    }
