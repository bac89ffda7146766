"""Checks of layers that are more than a rectangle of pixels, of several at once, and of values outside 0..1."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from support.gimp_inside import (
    add_layer,
    area_of,
    as_stored,
    bytes_of,
    degrade,
    fill,
    fingerprint,
    new_image,
    reach_plugin,
    reference,
    travel_of,
    upscale,
)

OUTPUTS = ("new-layer", "new-image", "same-size")
CASES: dict[str, dict[str, Any]] = {
    **{name: {output: {"output": output} for output in OUTPUTS} for name in ("check_group", "check_several")},
    "check_indexed": {output: {"output": output} for output in OUTPUTS},
    "check_floating": {output: {"output": output} for output in OUTPUTS},
    "check_locked_group": {
        f"{lock}-{call}": {"lock": lock, "call": call}
        for lock in ("content", "position")
        for call in ("upscale", "upscale-ellipse", "degrade", "several")
    },
    "check_highlights": {
        f"{kind}-{precision}": {"kind": kind, "precision": precision}
        for kind, precision in (("RGB", "FLOAT_LINEAR"), ("RGBA", "HALF_NON_LINEAR"), ("GRAY", "DOUBLE_PERCEPTUAL"))
    },
}


def expected(options: dict[str, Any], layer: Any, factor: int) -> bytes:
    """What the daemon makes of all of a layer's pixels, as bytes of the wire."""
    width, height = layer.get_width(), layer.get_height()
    travel, size = travel_of(layer), (width * factor, height * factor)
    pixels = area_of(layer, 0, 0, width, height)
    return reference(options, pixels, (width, height), size, travel.dtype, travel.channels)


def remarks_of(layer: Any, output: str) -> list[str]:
    """What the plug-in would tell a person about a layer, asked in this process."""
    reach_plugin()
    from bsrgan_plugin.outputs import OutputMode
    from bsrgan_plugin.remarks import remarks

    return remarks(layer, OutputMode(output))


def a_group(image: Any) -> Any:
    """A group of two layers that do not cover each other, on top of a picture."""
    from gi.repository import Gimp

    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    add_layer(image, 10, 8, "RGBA", 2, group).set_offsets(4, 3)
    add_layer(image, 6, 9, "RGB", 3, group).set_offsets(9, 1)
    return group


def check_group(options: dict[str, Any], case: dict[str, Any]) -> list[str]:
    """A group is upscaled as the picture that it shows, into one layer above it."""
    from gi.repository import Gimp

    image, _below = new_image(30, 20, "RGB", 1)
    group = a_group(image)
    group.set_mode(Gimp.LayerMode.PASS_THROUGH)
    factor = 1 if case["output"] == "same-size" else 2
    width, height = group.get_width(), group.get_height()
    assert (width, height) == (11, 10)
    wanted = expected(options, group, factor)
    ended = upscale(image, group, output=case["output"], scale=2)
    assert ended.status == "SUCCESS", ended.text
    assert not ended.layer.is_group()
    assert bytes_of(ended.layer, "R'G'B'A u8") == wanted
    if case["output"] != "new-image":
        assert [item.get_id() for item in image.get_layers()][:2] == [ended.layer.get_id(), group.get_id()]
        assert list(ended.layer.get_offsets())[1:] == [4 * factor, 1 * factor]
        assert len(group.get_children()) == 2
        assert not group.get_visible()
    group.set_visible(True)
    return remarks_of(group, case["output"])


def check_group_filter(options: dict[str, Any]) -> None:
    """A live filter of a group is part of what is upscaled, and so is the group's mask."""
    from gi.repository import Gimp

    image, _below = new_image(30, 20, "RGB", 1)
    group = a_group(image)
    plain = bytes_of(group, "R'G'B'A u8")
    inverted = bytes(value if place % 4 == 3 else 255 - value for place, value in enumerate(plain))
    wanted = reference(options, inverted, (11, 10), (22, 20), "u8", 4)
    group.append_filter(Gimp.DrawableFilter.new(group, "gegl:invert-gamma", "Invert"))
    group.add_mask(group.create_mask(Gimp.AddMaskType.WHITE))
    fill(group.get_mask(), "Y u8", (b"\xff" * 6 + b"\x00" * 5) * 10)
    ended = upscale(image, group, output="new-image", scale=2)
    assert ended.status == "SUCCESS", ended.text
    found = bytes_of(ended.layer, "R'G'B'A u8")
    assert found[3::4] == wanted[3::4]
    # Colour that nobody sees is not the group's to keep.
    for place in range(0, len(found), 4):
        assert found[place + 3] == 0 or found[place : place + 3] == wanted[place : place + 3]
    mask = bytes_of(ended.layer.get_mask(), "Y u8")[:22]
    assert mask[:10] == b"\xff" * 10
    assert mask[14:] == b"\x00" * 8
    assert len(group.get_filters()) == 1
    assert group.get_mask() is not None


def check_indexed(options: dict[str, Any], case: dict[str, Any]) -> list[str]:
    """An indexed picture becomes RGB where it holds the result, its other layers keep their colours."""
    from gi.repository import Gimp

    image, below = new_image(12, 10, "RGB", 1)
    layer = add_layer(image, 7, 6, "RGBA", 2)
    layer.set_offsets(3, 2)
    image.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 8, False, True, "")
    told = remarks_of(layer, case["output"])
    factor = 1 if case["output"] == "same-size" else 2
    wanted = expected(options, layer, factor)
    old = bytes_of(below, "R'G'B' u8")
    ended = upscale(image, layer, output=case["output"], scale=2)
    assert ended.status == "SUCCESS", ended.text
    assert ended.image.get_base_type() == Gimp.ImageBaseType.RGB
    assert bytes_of(ended.layer, "R'G'B'A u8") == wanted
    if case["output"] == "new-image":
        assert image.get_base_type() == Gimp.ImageBaseType.INDEXED
        return told
    assert [item.get_id() for item in image.get_layers()] == [ended.layer.get_id(), layer.get_id(), below.get_id()]
    assert list(ended.layer.get_offsets())[1:] == [3 * factor, 2 * factor]
    assert factor == 2 or bytes_of(below, "R'G'B' u8") == old
    return told


def check_text(options: dict[str, Any]) -> list[str]:
    """A text layer is upscaled as its pixels, and the text stays below."""
    from gi.repository import Gimp

    image, _below = new_image(60, 30, "RGB", 1)
    Gimp.fonts_refresh()
    layer = Gimp.TextLayer.new(image, "text", Gimp.fonts_get_list("")[0], 14.0, Gimp.Unit.pixel())
    image.insert_layer(layer, None, 0)
    layer.set_offsets(5, 6)
    width, height = layer.get_width(), layer.get_height()
    wanted = expected(options, layer, 2)
    ended = upscale(image, layer, scale=2)
    assert ended.status == "SUCCESS", ended.text
    assert not ended.layer.is_text_layer()
    assert (ended.layer.get_width(), ended.layer.get_height()) == (2 * width, 2 * height)
    assert list(ended.layer.get_offsets())[1:] == [10, 12]
    assert bytes_of(ended.layer, "R'G'B'A u8") == wanted
    assert layer.is_valid()
    assert not layer.get_visible()
    layer.set_visible(True)
    again = Gimp.TextLayer.new(image, "text", Gimp.fonts_get_list("")[0], 14.0, Gimp.Unit.pixel())
    image.insert_layer(again, None, 0)
    return remarks_of(again, "new-layer")


def check_vectors(options: dict[str, Any]) -> list[str]:
    """A vector layer, where GIMP has them, is upscaled as its pixels."""
    from gi.repository import Gimp

    if not hasattr(Gimp, "VectorLayer"):
        return ["GIMP 3.0 has no vector or link layers."]
    image, _below = new_image(60, 40, "RGB", 1)
    path = Gimp.Path.new(image, "path")
    image.insert_path(path, None, 0)
    points = [5, 5, 5, 5, 5, 5, 40, 8, 40, 8, 40, 8, 20, 30, 20, 30, 20, 30]
    path.stroke_new_from_points(Gimp.PathStrokeType.BEZIER, points, True)
    layer = Gimp.VectorLayer.new(image, path)
    image.insert_layer(layer, None, 0)
    layer.refresh()
    wanted = expected(options, layer, 2)
    told = remarks_of(layer, "new-layer")
    offsets = list(layer.get_offsets())[1:]
    ended = upscale(image, layer, scale=2)
    assert ended.status == "SUCCESS", ended.text
    assert bytes_of(ended.layer, "R'G'B'A u8") == wanted
    assert list(ended.layer.get_offsets())[1:] == [2 * offset for offset in offsets]
    return told


def check_link(options: dict[str, Any]) -> list[str]:
    """A link layer, where GIMP has them, is upscaled as its pixels; it stays a link to its file."""
    from gi.repository import Gimp, Gio

    if not hasattr(Gimp, "LinkLayer"):
        return ["GIMP 3.0 has no vector or link layers."]
    file = Gio.File.new_for_path(str(Path(options["scratch"]) / "linked.png"))
    linked, _pixels = new_image(20, 14, "RGB", 2)
    assert Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, linked, file, None)
    image, _below = new_image(60, 40, "RGB", 1)
    layer = Gimp.LinkLayer.new(image, file)
    image.insert_layer(layer, None, 0)
    layer.set_offsets(7, 5)
    wanted = expected(options, layer, 2)
    told = remarks_of(layer, "same-size")
    ended = upscale(image, layer, output="new-image", scale=2)
    assert ended.status == "SUCCESS", ended.text
    assert bytes_of(ended.layer) == wanted
    ended = upscale(image, layer, output="same-size")
    assert ended.status == "SUCCESS", ended.text
    assert list(ended.layer.get_offsets())[1:] == [7, 5]
    assert Gimp.Item.id_is_link_layer(layer.get_id())
    assert layer.get_file().equal(file)
    ended = upscale(image, layer, scale=3)
    assert ended.status == "SUCCESS", ended.text
    assert list(ended.layer.get_offsets())[1:] == [21, 15]
    return told


def check_floating(options: dict[str, Any], case: dict[str, Any]) -> list[str]:
    """A floating selection is upscaled; where the result joins the picture, it becomes a layer first."""
    from gi.repository import Gimp

    image, layer = new_image(30, 20, "RGB", 1)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 4, 5, 8, 6)
    floating = Gimp.Selection.float(image, [layer], 3, 2)
    told = remarks_of(floating, case["output"])
    factor = 1 if case["output"] == "same-size" else 2
    wanted = expected(options, floating, factor)
    before = fingerprint(image)
    ended = upscale(image, floating, output=case["output"], scale=2)
    assert ended.status == "SUCCESS", ended.text
    assert bytes_of(ended.layer, "R'G'B'A u8") == wanted
    if case["output"] == "new-image":
        assert fingerprint(image) == before
        assert floating.is_floating_sel()
        return told
    assert image.get_floating_sel() is None
    assert [item.get_id() for item in image.get_layers()] == [ended.layer.get_id(), floating.get_id(), layer.get_id()]
    assert list(ended.layer.get_offsets())[1:] == [7 * factor, 7 * factor]
    return told


def check_locked(options: dict[str, Any]) -> None:
    """A locked layer is worked on like any other, its locks stay on it, and the result has none."""
    image, _below = new_image(20, 16, "RGB", 1)
    layer = add_layer(image, 10, 8, "RGBA", 2)
    layer.set_offsets(3, 4)
    for lock in ("content", "position", "alpha", "visibility"):
        getattr(layer, f"set_lock_{lock}")(True)
    wanted = expected(options, layer, 2)
    ended = upscale(image, layer, scale=2)
    assert ended.status == "SUCCESS", ended.text
    assert bytes_of(ended.layer, "R'G'B'A u8") == wanted
    assert list(ended.layer.get_offsets())[1:] == list(layer.get_offsets())[1:] == [6, 8]
    assert (layer.get_width(), layer.get_height()) == (20, 16)
    assert not layer.get_visible()
    for lock in ("content", "position", "alpha", "visibility"):
        assert getattr(layer, f"get_lock_{lock}")()
        assert not getattr(ended.layer, f"get_lock_{lock}")()


def check_locked_group(options: dict[str, Any], case: dict[str, Any]) -> None:
    """The result of a layer in a group with locks lies at its place in the group, with its mask."""
    from gi.repository import Gimp

    image, below = new_image(30, 30, "RGB", 1)
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    layer = add_layer(image, 8, 8, "RGBA", 2, group)
    layer.set_offsets(13, 14)
    if "ellipse" in case["call"]:
        image.select_ellipse(Gimp.ChannelOps.REPLACE, 13, 14, 8, 8)
    else:
        layer.add_mask(layer.create_mask(Gimp.AddMaskType.WHITE))
        fill(layer.get_mask(), "Y u8", b"\x80" * 64)
    getattr(group, f"set_lock_{case['lock']}")(True)
    factor = 1 if case["call"] == "degrade" else 2
    if case["call"] == "degrade":
        ended = degrade(image, layer)
    else:
        ended = upscale(image, [layer, below] if case["call"] == "several" else layer, scale=2)
    assert ended.status == "SUCCESS", ended.text
    assert [item.get_id() for item in group.get_children()] == [ended.layer.get_id(), layer.get_id()]
    assert list(ended.layer.get_offsets())[1:] == [13 * factor, 14 * factor]
    assert not layer.get_visible()
    mask = bytes_of(ended.layer.get_mask(), "Y u8")
    middle = mask[len(mask) // 2 + 4 * factor]
    assert abs(middle - (255 if "ellipse" in case["call"] else 128)) <= 1
    assert (mask[0] == 0) == ("ellipse" in case["call"])


def check_hidden(options: dict[str, Any]) -> list[str]:
    """A hidden layer is worked on, and its result is hidden too: what the picture shows stays the same."""
    image, _below = new_image(20, 16, "RGB", 1)
    layer = add_layer(image, 10, 8, "RGB", 2)
    layer.set_visible(False)
    wanted = expected(options, layer, 1)
    ended = upscale(image, layer, output="same-size")
    assert ended.status == "SUCCESS", ended.text
    assert bytes_of(ended.layer, "R'G'B' u8") == wanted
    assert not ended.layer.get_visible()
    return remarks_of(layer, "same-size")


def check_several(options: dict[str, Any], case: dict[str, Any]) -> dict[str, Any]:
    """Several layers are upscaled in one run and one undo step, each with its place, mask, mode and neighbours."""
    from gi.repository import Gimp

    image, bottom = new_image(30, 20, "RGB", 1)
    top = add_layer(image, 12, 9, "RGBA", 2)
    top.set_offsets(-2, 4)
    top.set_mode(Gimp.LayerMode.MULTIPLY)
    top.set_opacity(40.0)
    top.add_mask(top.create_mask(Gimp.AddMaskType.WHITE))
    fill(top.get_mask(), "Y u8", (b"\xff" * 6 + b"\x00" * 6) * 9)
    factor = 1 if case["output"] == "same-size" else 3
    wanted = [expected(options, layer, factor) for layer in (top, bottom)]
    before = fingerprint(image)
    ended = upscale(image, [bottom, top], output=case["output"], scale=3)
    assert ended.status == "SUCCESS", ended.text
    layers = ended.image.get_layers()
    if case["output"] == "new-image":
        assert fingerprint(image) == before
        results = layers
        assert (ended.image.get_width(), ended.image.get_height()) == (96, 60)
        places = [[0, 12], [6, 0]]
    else:
        assert [layers[1].get_id(), layers[3].get_id()] == [top.get_id(), bottom.get_id()]
        assert (image.get_width(), image.get_height()) == (30 * factor, 20 * factor)
        results = [layers[0], layers[2]]
        places = [[-2 * factor, 4 * factor], [0, 0]]
        assert {layer.get_id() for layer in image.get_selected_layers()} == {layer.get_id() for layer in results}
    assert ended.layer.get_id() == results[0].get_id()
    assert [list(layer.get_offsets())[1:] for layer in results] == places
    assert bytes_of(results[0], "R'G'B'A u8") == wanted[0]
    assert bytes_of(results[1], "R'G'B' u8") == wanted[1]
    assert (results[0].get_mode(), results[0].get_opacity()) == (Gimp.LayerMode.MULTIPLY, 40.0)
    assert results[0].get_mask() is not None
    assert results[1].get_mask() is None
    return {"names": [layer.get_name() for layer in results], "images": len(Gimp.get_images())}


def check_group_with_its_own(options: dict[str, Any]) -> None:
    """A group and a layer in it, selected together, count as the group."""
    image, _below = new_image(30, 20, "RGB", 1)
    group = a_group(image)
    ended = upscale(image, [group.get_children()[0], group], output="same-size")
    assert ended.status == "SUCCESS", ended.text
    assert len(image.get_layers()) == 3
    assert len(group.get_children()) == 2


def check_progress_of_several(options: dict[str, Any]) -> list[float]:
    """How far the bar is while the second of four layers is sent, worked on and received; Cancel stays possible."""
    reach_plugin()
    from bsrgan_plugin import several
    from bsrgan_plugin.progress import StatusBar
    from bsrgan_plugin.progress_text import UPSCALING

    bar = StatusBar()
    part = several._Part(bar, 1, 4)
    assert bar.state is part.state
    found = [part.state.fraction]
    part.state.begin(UPSCALING)
    part.state.sending(0, 10)
    part.state.working("running", 50, 100, 3.0)
    found.append(part.state.fraction)
    part.state.receiving(10, 10)
    part.forbid_cancel()
    assert not part.is_cancelled()
    return [*found, part.state.fraction]


def check_highlights(options: dict[str, Any], case: dict[str, Any]) -> float:
    """Values above 1 and below 0 come back as the daemon's rule has them, not clipped."""
    image, layer = new_image(12, 10, case["kind"], 4, case["precision"])
    travel = travel_of(layer)
    values = list(struct.unpack(f"<{120 * travel.channels}f", area_of(layer, 0, 0, 12, 10)))
    for place in range(0, len(values), travel.channels):
        values[place] = values[place] * 6.0 - 1.0
    fill(layer, travel.format_name, struct.pack(f"<{len(values)}f", *values))
    wanted = as_stored(layer, 24, 20, expected(options, layer, 2))
    ended = upscale(image, layer, output="new-image", scale=2)
    assert ended.status == "SUCCESS", ended.text
    code, size = {"HALF": ("e", 2), "FLOAT": ("f", 4), "DOUBLE": ("d", 8)}[case["precision"].split("_")[0]]
    pairs = [struct.unpack(f"<{len(data) // size}{code}", data) for data in (bytes_of(ended.layer), wanted)]
    assert max(pairs[0]) > 2.0
    # The straight part of sRGB's curve makes linear values of negative ones 13 times as small.
    assert min(pairs[0]) < -0.02
    return max(abs(one - other) / max(1.0, abs(other)) for one, other in zip(*pairs, strict=True))
