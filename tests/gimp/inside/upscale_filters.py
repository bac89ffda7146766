"""Checks of live filters that paint outside of their layer, as a drop shadow does."""

from __future__ import annotations

from typing import Any

from support.gimp_inside import add_layer, bytes_of, degrade, fill, new_image, reach_plugin, upscale

CASES: dict[str, dict[str, Any]] = {
    "check_pixels": {
        "down": {"x": 4.0, "y": 4.0},
        "up": {"x": -4.0, "y": -4.0},
        "degraded": {"x": 4.0, "y": 4.0, "call": "degrade"},
        "selection": {"x": 4.0, "y": 4.0, "area": (18, 13, 15, 12)},
    },
    "check_group": {whose: {"whose": whose} for whose in ("layer", "group", "inner")},
    "check_outside": {
        f"{whose}-{call}": {"whose": whose, "call": call}
        for whose, call in (("layer", "upscale"), ("group", "upscale"), ("layer", "degrade"), ("layer", "several"))
    },
    "check_inside": {whose: {"whose": whose} for whose in ("layer", "masked", "group")},
}
SIZE = (60, 50)
PLACE = (16, 12, 20, 16)


def shadow(layer: Any, x: float = 4.0, y: float = 4.0) -> None:
    """Put a live drop shadow on a layer."""
    from gi.repository import Gimp

    live = Gimp.DrawableFilter.new(layer, "gegl:dropshadow", "Drop Shadow")
    for name, value in (("x", x), ("y", y), ("radius", 2.0)):
        live.get_config().set_property(name, value)
    live.update()
    layer.append_filter(live)


def seen(image: Any, x: int, y: int, width: int, height: int) -> bytes:
    """What GIMP shows of a part of a picture: RGBA of 8 bit."""
    from gi.repository import Gegl, Gimp

    layer = Gimp.Layer.new_from_visible(image, image, "seen")
    rectangle = Gegl.Rectangle.new(x, y, width, height)
    found = bytes(layer.get_buffer().get(rectangle, 1.0, "R'G'B'A u8", Gegl.AbyssPolicy.NONE))
    layer.delete()
    return found


def far(one: bytes, other: bytes) -> int:
    """The largest difference of two RGBA pictures, colours weighted by alpha."""
    assert len(one) == len(other)
    return max(abs(a - b) for a, b in zip(_weighted(one), _weighted(other), strict=True))


def _weighted(pixels: bytes) -> list[int]:
    found = []
    for place in range(0, len(pixels), 4):
        alpha = pixels[place + 3]
        found += [value * alpha // 255 for value in pixels[place : place + 3]] + [alpha]
    return found


def block(image: Any, parent: Any, columns: range, rows: range) -> Any:
    """A layer at `PLACE` that is opaque in some columns and rows and clear elsewhere."""
    left, top, width, height = PLACE
    layer = add_layer(image, width, height, "RGBA", 2, parent)
    layer.set_offsets(left, top)
    pixels = bytearray()
    for y in range(height):
        for x in range(width):
            pixels += bytes([200, 100, 50, 255 if x in columns and y in rows else 0])
    fill(layer, "R'G'B'A u8", bytes(pixels))
    return layer


def picture(whose: str, columns: range = range(20), rows: range = range(16), distance: float = 4.0) -> tuple[Any, Any]:
    """A picture with nothing but a block and its shadow to be seen, and what is worked on in it."""
    from gi.repository import Gimp

    image, below = new_image(*SIZE, "RGBA", 1)
    below.set_visible(False)
    if whose in ("layer", "masked"):
        layer = block(image, None, columns, rows)
        shadow(layer, distance, distance)
        if whose == "masked":
            layer.add_mask(layer.create_mask(Gimp.AddMaskType.WHITE))
        return image, layer
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    parent = group
    if whose == "inner":
        parent = Gimp.GroupLayer.new(image, "inner")
        image.insert_layer(parent, group, 0)
    layer = block(image, parent, columns, rows)
    shadow(group if whose == "group" else layer, distance, distance)
    return image, group


def check_pixels(options: dict[str, Any], case: dict[str, Any]) -> None:
    """The result holds what is seen of the layer, at its place and in its size."""
    from gi.repository import Gimp

    image, below = new_image(*SIZE, "RGBA", 1)
    below.set_visible(False)
    layer = block(image, None, range(5, 12), range(4, 10))
    shadow(layer, case["x"], case["y"])
    area = case.get("area", PLACE)
    if "area" in case:
        image.select_rectangle(Gimp.ChannelOps.REPLACE, *area)
    wanted = seen(image, *area)
    if case.get("call") == "degrade":
        steps = '{"mode": "manual", "steps": [{"step": "resize", "to": "ratio", "ratio": 1.0}]}'
        ended = degrade(image, layer, recipe=steps)
    else:
        ended = upscale(image, layer, output="same-size", strength=0.0)
    assert ended.status == "SUCCESS", ended.text
    assert list(ended.layer.get_offsets())[1:] == list(area[:2])
    assert (ended.layer.get_width(), ended.layer.get_height()) == area[2:]
    assert far(bytes_of(ended.layer, "R'G'B'A u8"), wanted) <= 2
    assert len(layer.get_filters()) == 1


def check_group(options: dict[str, Any], case: dict[str, Any]) -> None:
    """A group with a shadow in it or on it is worked on as what it shows within its rectangle."""
    image, group = picture(case["whose"], range(5, 12), range(4, 10))
    wanted = seen(image, *PLACE)
    ended = upscale(image, group, output="same-size", strength=0.0)
    assert ended.status == "SUCCESS", ended.text
    assert list(ended.layer.get_offsets())[1:] == list(PLACE[:2])
    assert far(bytes_of(ended.layer, "R'G'B'A u8"), wanted) <= 2


def check_outside(options: dict[str, Any], case: dict[str, Any]) -> list[str]:
    """What a shadow paints outside of the layer is still seen after the run."""
    image, layer = picture(case["whose"])
    before = seen(image, 0, 0, *SIZE)
    assert any(before[3 : 4 * 12 * 60 : 4]) or any(before[4 * 28 * 60 + 3 :: 4])
    drawables = [layer, add_layer(image, 5, 5, "RGBA", 3)] if case["call"] == "several" else layer
    call = degrade if case["call"] == "degrade" else upscale
    ended = call(image, drawables, output="same-size")
    assert ended.status == "SUCCESS", ended.text
    after = seen(image, 0, 0, *SIZE)
    assert all(now or not then for then, now in zip(before[3::4], after[3::4], strict=True))
    return told_of(image, layer)


def check_inside(options: dict[str, Any], case: dict[str, Any]) -> list[str]:
    """A source whose shadow lies within the layer, or is cut off by its mask, is hidden as always."""
    parts = () if case["whose"] == "masked" else (range(9, 12), range(7, 9), 0.5)
    image, layer = picture(case["whose"], *parts)
    ended = upscale(image, layer, output="same-size")
    assert ended.status == "SUCCESS", ended.text
    assert not layer.get_visible()
    layer.set_visible(True)
    return told_of(image, layer)


def told_of(image: Any, layer: Any) -> list[str]:
    """What the plug-in would tell a person about a layer's shadow, asked in this process."""
    reach_plugin()
    from bsrgan_plugin.layers import with_outside
    from bsrgan_plugin.remarks import remarks_of_outside
    from bsrgan_plugin.targets import source_of

    return list(remarks_of_outside([with_outside(source_of(image, layer), layer)]))
