"""Checks in a GIMP on a screen, since undo is only to be had with its keys."""

from __future__ import annotations

import time
from typing import Any

from support.gimp_inside import add_layer, ask, degrade, fingerprint, new_image, upscale

CASES: dict[str, dict[str, Any]] = {
    "check_undo": {
        **{output: {"call": "upscale", "output": output} for output in ("new-layer", "same-size")},
        "degraded": {"call": "degrade"},
        "restored": {"call": "degrade", "then_upscale": True},
    },
}


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
    display = Gimp.Display.new(image)
    Gimp.displays_flush()
    before = fingerprint(image)
    arguments = dict(case)
    call = {"upscale": upscale, "degrade": degrade}[arguments.pop("call")]
    ended = call(image, layer, **arguments)
    assert ended.status == "SUCCESS", ended.text
    after = fingerprint(image)
    assert after != before
    ask(options, "undo")
    _becomes(image, before)
    ask(options, "redo")
    _becomes(image, after)
    display.delete()


def _becomes(image: Any, wanted: dict[str, Any]) -> None:
    """Wait until a picture is as wanted: GIMP works on the key while this process goes on."""
    end = time.monotonic() + 15
    while (found := fingerprint(image)) != wanted:
        differing = {key: (found[key], wanted[key]) for key in wanted if found[key] != wanted[key]}
        assert time.monotonic() < end, differing
        time.sleep(0.2)
