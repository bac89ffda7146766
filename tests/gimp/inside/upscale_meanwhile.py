"""Checks of pictures that a person closes or changes while the daemon works.

The run is in this process, so that its progress can do the person's part at a chosen moment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

from support.gimp_inside import DEGRADE, UPSCALE, add_layer, fingerprint, new_image, reach_plugin

HELD = ("upscale-new-layer", "upscale-same-size", "degrade-same-size", "several-same-size", "several-new-image")
"""Runs that need their picture to the end."""
FREE = ("upscale-new-image", "degrade-new-image")
"""Runs whose result needs no other picture."""
MOMENTS = ("expect", "receiving")
"""Before the first row of the result, and after it."""
SLOW_PX = 200
"""Side of a picture on which the slow model works for many seconds."""


def _cases(runs: tuple[str, ...], moments: tuple[str, ...]) -> dict[str, dict[str, str]]:
    return {f"{run}-{moment}": {"run": run, "moment": moment} for run in runs for moment in moments}


CASES: dict[str, dict[str, Any]] = {
    "check_closed": _cases((*HELD, *FREE), ("sending",)) | _cases(HELD, MOMENTS),
    "check_removed": _cases(HELD[:3:2], MOMENTS),
    "check_converted": {
        f"{how}-{name}": {"how": how, **case}
        for how in ("gray", "indexed", "precision", "profile")
        for name, case in (_cases(HELD[:1], MOMENTS) | _cases(HELD[2:3], MOMENTS[1:])).items()
    },
    "check_new_image": _cases(FREE, MOMENTS),
}


def run(name: str, image: Any, layer: Any, moment: str, act: Callable[[], Any], **arguments: Any) -> dict[str, Any]:
    """Run a filter here and act once, when a method of the name `moment` was first called."""
    reach_plugin()
    from gi.repository import Gimp

    from bsrgan_plugin import degrade, outcomes, progress, upscale
    from bsrgan_plugin.exchange import Incoming
    from bsrgan_plugin.progress_text import ProgressText

    call, output = name.split("-", 1)
    plugin, procedure = (degrade, DEGRADE) if call == "degrade" else (upscale, UPSCALE)
    config = Gimp.get_pdb().lookup_procedure(procedure).create_config()
    for key, value in {"output": output, **arguments}.items():
        config.set_property(key, value)
    layers = [layer, image.get_layers()[-1]] if call == "several" else [layer]
    acts = [act]
    reached = []
    owner = Incoming if moment == "expect" else ProgressText
    old = getattr(owner, moment)

    def at_moment(self: Any, *args: Any, **more: Any) -> None:
        old(self, *args, **more)
        if acts:
            acts.pop()()

    def on_placing(_self: Any) -> None:
        reached.append("placing")

    with (
        mock.patch.object(progress, "open_progress", return_value=progress.StatusBar()),
        mock.patch.object(ProgressText, "placing", on_placing),
        mock.patch.object(owner, moment, at_moment),
    ):
        try:
            done = plugin.run(None, Gimp.RunMode.NONINTERACTIVE, image, layers, config)
        except outcomes.ImageChanged as error:
            outcome = outcomes.of_error(error)
            return {"status": outcome.status.value, "text": outcome.text, "placed": bool(reached)}
    return {"status": "SUCCESS", "image": done.image, "layer": done.layer}


def picture() -> tuple[Any, Any]:
    """A picture of two layers, and its upper one."""
    image, _below = new_image(20, 20, "RGB", 1)
    return image, add_layer(image, 12, 12, "RGBA", 2)


def check_closed(options: dict[str, Any], case: dict[str, Any]) -> dict[str, Any]:
    """The picture is closed, and nothing of the run stays."""
    from gi.repository import Gimp

    image, layer = picture()
    others = len(Gimp.get_images()) - 1
    ended = run(case["run"], image, layer, case["moment"], image.delete)
    assert len(Gimp.get_images()) == others
    return ended


def check_closed_while_network_runs(options: dict[str, Any]) -> dict[str, Any]:
    """The picture is closed while the network has seconds to go: nobody waits for it."""
    image, layer = new_image(SLOW_PX, SLOW_PX, "RGB", 1)
    return run("upscale-new-layer", image, layer, "working", image.delete, model="slow")


def check_removed(options: dict[str, Any], case: dict[str, Any]) -> dict[str, Any]:
    """The layer is taken out of its picture, where only undo knows it still."""
    image, layer = picture()
    ended = run(case["run"], image, layer, case["moment"], lambda: image.remove_layer(layer))
    assert [image.get_width(), len(image.get_layers())] == [20, 1]
    return ended


def check_converted(options: dict[str, Any], case: dict[str, Any]) -> dict[str, Any]:
    """The picture gets another mode, precision or profile: the result's numbers are of the old one."""
    from gi.repository import Gimp

    image, layer = picture()
    converted = {}

    def act() -> None:
        if case["how"] == "gray":
            assert image.convert_grayscale()
        elif case["how"] == "indexed":
            kinds = Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE
            assert image.convert_indexed(*kinds, 8, False, True, "")
        elif case["how"] == "precision":
            assert image.convert_precision(Gimp.Precision.U16_NON_LINEAR)
        else:
            adobe = Gimp.ColorProfile.new_rgb_adobe()
            assert image.convert_color_profile(adobe, Gimp.ColorRenderingIntent.PERCEPTUAL, True)
        converted.update(fingerprint(image))

    ended = run(case["run"], image, layer, case["moment"], act)
    now = fingerprint(image)
    assert now == converted, (now, converted)
    return ended


def check_new_image(options: dict[str, Any], case: dict[str, Any]) -> str:
    """A new picture holds the whole result, with what it takes over from the picture that is closed."""
    from gi.repository import Gimp

    image, layer = picture()
    image.set_resolution(96.0, 96.0)
    image.convert_color_profile(Gimp.ColorProfile.new_rgb_adobe(), Gimp.ColorRenderingIntent.PERCEPTUAL, True)
    profile = bytes(image.get_color_profile().get_icc_profile())
    ended = run(case["run"], image, layer, case["moment"], image.delete)
    assert ended["status"] == "SUCCESS", ended
    assert not image.is_valid()
    assert bytes(ended["image"].get_color_profile().get_icc_profile()) == profile
    return str(ended["layer"].get_name())
