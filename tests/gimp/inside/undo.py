"""Checks in a GIMP on a screen, since undo is only to be had with its keys."""

from __future__ import annotations

import time
from typing import Any

from support.gimp_inside import add_layer, ask, degrade, fingerprint, new_image, upscale

CASES: dict[str, dict[str, Any]] = {
    "check_undo": {
        **{output: {"call": "upscale", "output": output} for output in ("new-layer", "same-size")},
        "several": {"call": "upscale", "output": "new-layer", "scale": 2.5, "drawables": "several"},
        "floating": {"call": "upscale", "output": "new-layer", "drawables": "floating"},
        "indexed": {"call": "upscale", "output": "new-layer", "drawables": "indexed"},
        "degraded": {"call": "degrade"},
        "restored": {"call": "degrade", "then_upscale": True},
    },
}

TAGS = """<?xml version='1.0' encoding='UTF-8'?>
<metadata>
  <tag name="Exif.Photo.PixelXDimension">40</tag>
  <tag name="Xmp.tiff.ImageWidth">40</tag>
</metadata>
"""


def check_undo(options: dict[str, Any], case: dict[str, Any]) -> None:
    """One undo brings back everything, one redo the result."""
    from gi.repository import Gimp

    image, _below = new_image(40, 30, "RGB", 1, "U16_LINEAR")
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    layer = add_layer(image, 16, 12, "RGBA", 2, group)
    layer.set_offsets(-3, 7)
    layer.add_mask(layer.create_mask(Gimp.AddMaskType.ALPHA))
    image.add_hguide(21)
    image.select_ellipse(Gimp.ChannelOps.REPLACE, 2, 6, 9, 11)
    image.set_selected_layers([layer])
    image.set_metadata(Gimp.Metadata.deserialize(TAGS))
    arguments = dict(case)
    drawables = _drawables(image, layer, arguments.pop("drawables", ""))
    display = Gimp.Display.new(image)
    Gimp.displays_flush()
    before = _facts(image)
    call = {"upscale": upscale, "degrade": degrade}[arguments.pop("call")]
    ended = call(image, drawables, **arguments)
    assert ended.status == "SUCCESS", ended.text
    after = _facts(image)
    assert after != before
    ask(options, "undo")
    _becomes(image, before)
    ask(options, "redo")
    # GIMP's own redo selects the last of several inserted layers only.
    _becomes(image, {key: value for key, value in after.items() if key != "selected"})
    display.delete()


def _drawables(image: Any, layer: Any, kind: str) -> list[Any]:
    """What is worked on: the layer alone, all of them, a floating selection of it, or it in an indexed picture."""
    from gi.repository import Gimp

    if kind == "several":
        return [layer, image.get_layers()[-1]]
    if kind == "floating":
        return [Gimp.Selection.float(image, [layer], 2, 1)]
    if kind == "indexed":
        image.convert_precision(Gimp.Precision.U8_NON_LINEAR)
        image.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 9, False, True, "")
    return [layer]


def _facts(image: Any) -> dict[str, Any]:
    return {**fingerprint(image), "metadata": image.get_metadata().serialize()}


def _becomes(image: Any, wanted: dict[str, Any]) -> None:
    """Wait until a picture is as wanted: GIMP works on the key while this process goes on."""
    end = time.monotonic() + 15
    while differing := _differing(_facts(image), wanted):
        assert time.monotonic() < end, differing
        time.sleep(0.2)


def _differing(found: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    return {key: (found[key], value) for key, value in wanted.items() if found[key] != value}
