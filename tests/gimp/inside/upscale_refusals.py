"""Checks of pictures and arguments that cannot be worked on: one sentence, and everything as it was."""

from __future__ import annotations

import struct
from typing import Any

from support.gimp_inside import add_layer, degrade, fill, fingerprint, new_image, upscale

CASES: dict[str, dict[str, Any]] = {
    "check_foreign": {
        f"{what}-{call}": {"what": what, "call": call}
        for what, call in (
            *(("other", "upscale"), ("other", "degrade"), ("one-of-two", "upscale")),
            *(("free", "upscale"), ("free", "degrade")),
        )
    },
    "check_argument": {
        "scale-large": {"scale": 99},
        "scale-zero": {"scale": 0.0},
        "scale-negative": {"scale": -3},
        "scale-same-size": {"scale": 99, "output": "same-size"},
        "percent": {"percent": 5.0},
        "width": {"width": 100_000},
        "height-negative": {"height": -5},
        "two-ways": {"width": 20, "percent": 200.0},
        "paper-without-dpi": {"print_width": 100.0},
        "dpi": {"dpi": -300.0},
    },
}


def refused(image: Any, drawables: Any, call: Any = upscale, **arguments: Any) -> dict[str, str]:
    """Call the plug-in, hold it to leaving everything as it was, and return its status and sentence."""
    from gi.repository import Gimp

    before, images, dirty = fingerprint(image), len(Gimp.get_images()), image.is_dirty()
    ended = call(image, drawables, **arguments)
    assert ended.status != "SUCCESS"
    assert fingerprint(image) == before
    assert len(Gimp.get_images()) == images
    assert image.is_dirty() == dirty
    return {"status": ended.status, "text": ended.text}


def check_empty_group(options: dict[str, Any]) -> dict[str, str]:
    """A layer group that holds nothing."""
    from gi.repository import Gimp

    image, _layer = new_image(10, 10, "RGB", 1)
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    return refused(image, group)


def check_mask(options: dict[str, Any]) -> dict[str, str]:
    """A layer mask."""
    from gi.repository import Gimp

    image, layer = new_image(10, 10, "RGB", 1)
    mask = layer.create_mask(Gimp.AddMaskType.WHITE)
    layer.add_mask(mask)
    return refused(image, mask)


def check_channel(options: dict[str, Any]) -> dict[str, str]:
    """A channel."""
    from gi.repository import Gegl, Gimp

    image, _layer = new_image(10, 10, "RGB", 1)
    channel = Gimp.Channel.new(image, "channel", 10, 10, 50.0, Gegl.Color.new("red"))
    image.insert_channel(channel, None, 0)
    return refused(image, channel)


def check_selection(options: dict[str, Any]) -> dict[str, str]:
    """The selection itself."""
    image, _layer = new_image(10, 10, "RGB", 1)
    return refused(image, image.get_selection())


def check_floating_mask(options: dict[str, Any]) -> dict[str, str]:
    """A floating selection that lies on a layer mask, where it cannot become a layer."""
    from gi.repository import Gimp

    image, layer = new_image(10, 10, "RGB", 1)
    mask = layer.create_mask(Gimp.AddMaskType.WHITE)
    layer.add_mask(mask)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 2, 2, 5, 5)
    floating = Gimp.Selection.float(image, [mask], 1, 1)
    return refused(image, floating)


def check_nothing(options: dict[str, Any]) -> dict[str, str]:
    """No layer at all."""
    image, _layer = new_image(10, 10, "RGB", 1)
    return refused(image, [])


def check_mask_among_layers(options: dict[str, Any]) -> dict[str, str]:
    """A layer and a mask at once."""
    from gi.repository import Gimp

    image, layer = new_image(10, 10, "RGB", 1)
    mask = layer.create_mask(Gimp.AddMaskType.WHITE)
    layer.add_mask(mask)
    return refused(image, [add_layer(image, 5, 5, "RGB", 2), mask])


def check_foreign(options: dict[str, Any], case: dict[str, Any]) -> dict[str, str]:
    """A layer of another picture, alone or beside one of this, and one that is in none yet."""
    from gi.repository import Gimp

    image, layer = new_image(20, 20, "RGB", 1)
    _other, foreign = new_image(30, 25, "RGB", 1)
    if case["what"] == "free":
        foreign = Gimp.Layer.new(image, "free", 10, 10, Gimp.ImageType.RGB_IMAGE, 100.0, Gimp.LayerMode.NORMAL)
    call = degrade if case["call"] == "degrade" else upscale
    return refused(image, [layer, foreign] if case["what"] == "one-of-two" else foreign, call=call)


def check_selection_beside(options: dict[str, Any]) -> dict[str, str]:
    """A selection that holds no pixel of the layer."""
    from gi.repository import Gimp

    image, _layer = new_image(40, 40, "RGB", 1)
    small = add_layer(image, 5, 5, "RGB", 2)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 20, 20, 10, 10)
    return refused(image, small)


def check_nan(options: dict[str, Any]) -> dict[str, str]:
    """A float layer with one NaN."""
    image, layer = new_image(8, 8, "RGB", 1, "FLOAT_NON_LINEAR")
    fill(layer, "R'G'B' float", struct.pack("<f", float("nan")) + bytes(8 * 8 * 12 - 4))
    return refused(image, layer)


def check_one_of_several(options: dict[str, Any]) -> dict[str, str]:
    """Two layers, of which the second one that is worked on has a NaN: the first one's result is dropped as well."""
    image, below = new_image(8, 8, "RGB", 1, "FLOAT_NON_LINEAR")
    fill(below, "R'G'B' float", struct.pack("<f", float("nan")) + bytes(8 * 8 * 12 - 4))
    return refused(image, [add_layer(image, 6, 6, "RGBA", 2), below])


def check_infinite(options: dict[str, Any]) -> dict[str, str]:
    """A float layer with one infinite value."""
    image, layer = new_image(8, 8, "RGB", 1, "FLOAT_LINEAR")
    fill(layer, "RGB float", bytes(8 * 8 * 12 - 4) + struct.pack("<f", float("inf")))
    return refused(image, layer, output="same-size")


def check_unknown_model(options: dict[str, Any]) -> dict[str, str]:
    """A model that is not installed."""
    image, layer = new_image(8, 8, "RGB", 1)
    return refused(image, layer, model="nobody-x4")


def check_model_path(options: dict[str, Any]) -> dict[str, str]:
    """A model name that is a path."""
    image, layer = new_image(8, 8, "RGB", 1)
    return refused(image, layer, model="../../etc/passwd")


def check_too_long(options: dict[str, Any]) -> dict[str, str]:
    """A result with a side beyond the protocol's limit."""
    image, layer = new_image(30000, 1, "RGB", 1)
    return refused(image, layer, output="new-image", scale=4)


def check_canvas_too_long(options: dict[str, Any]) -> dict[str, str]:
    """A small layer in a picture that GIMP cannot make four times as large."""
    image, _below = new_image(200_000, 1, "GRAY", 1)
    layer = add_layer(image, 10, 1, "GRAY", 2)
    return refused(image, layer, output="new-layer", scale=4)


def check_argument(options: dict[str, Any], case: dict[str, Any]) -> dict[str, str]:
    """A size that cannot be; GIMP alone would take the default for it without a word."""
    image, layer = new_image(10, 10, "RGB", 1)
    return refused(image, layer, **case)
