"""Checks of sizes: factors, percent, pixels, paper, resolution, and what else lies in an enlarged picture."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from support.gimp_inside import add_layer, area_of, bytes_of, fill, new_image, reference, upscale

CASES: dict[str, dict[str, Any]] = {
    "check_size": {
        "factor": {"arguments": {"scale": 2.5}, "size": (100, 75), "dpi": (180.0, 180.0)},
        "smaller": {"arguments": {"scale": 0.5}, "size": (20, 15), "dpi": (36.0, 36.0)},
        "percent": {"arguments": {"percent": 150.0}, "size": (60, 45), "dpi": (108.0, 108.0)},
        "width": {"arguments": {"width": 99}, "size": (99, 74), "dpi": (178.2, 177.6)},
        "both": {"arguments": {"width": 80, "height": 90}, "size": (80, 90), "dpi": (144.0, 216.0)},
        "paper": {"arguments": {"print_width": 12.7, "dpi": 200.0}, "size": (100, 75), "dpi": (200.0, 200.0)},
        "dpi": {"arguments": {"scale": 2, "dpi": 300.0}, "size": (80, 60), "dpi": (300.0, 300.0)},
    },
    "check_odd_factor": {
        f"{name}{suffix}": {"size": size, "offsets": offsets}
        for name, size in (("wide", (53, 41)), ("narrow", (31, 97)), ("small", (13, 11)))
        for suffix, offsets in (("", (0, 0)), ("-moved", (-7, 5)), ("-outside", (33, -19)))
    },
    "check_metadata": {output: {"output": output} for output in ("new-image", "new-layer")},
    "check_soft_selection": {"ellipse": {"radius": 0}, "feathered": {"radius": 4}},
}


def check_size(options: dict[str, Any], case: dict[str, Any]) -> None:
    """However a size is asked for, a new picture has it, with the daemon's pixels and the resolution of its size."""
    image, layer = new_image(40, 30, "RGB", 1)
    image.set_resolution(72.0, 72.0)
    wanted = reference(options, area_of(layer, 0, 0, 40, 30), (40, 30), case["size"], "u8", 3)
    ended = upscale(image, layer, output="new-image", **case["arguments"])
    assert ended.status == "SUCCESS", ended.text
    assert (ended.image.get_width(), ended.image.get_height()) == case["size"]
    assert bytes_of(ended.layer) == wanted
    assert [round(dpi, 4) for dpi in list(ended.image.get_resolution())[1:]] == list(case["dpi"])


def check_odd_factor(options: dict[str, Any], case: dict[str, Any]) -> None:
    """At a factor that is no whole number, the result lies on exactly the pixels that GIMP gives its source."""
    image, _below = new_image(40, 30, "RGB", 1)
    layer = add_layer(image, 21, 17, "RGB", 2)
    layer.set_offsets(*case["offsets"])
    width, height = case["size"]
    ended = upscale(image, layer, width=width, height=height)
    assert ended.status == "SUCCESS", ended.text
    assert (image.get_width(), image.get_height()) == case["size"]
    assert list(ended.layer.get_offsets()) == list(layer.get_offsets())
    found = (ended.layer.get_width(), ended.layer.get_height())
    assert found == (layer.get_width(), layer.get_height())


def check_surroundings(options: dict[str, Any]) -> None:
    """Other layers with their masks, guides, paths and channels are enlarged with the picture, at their places."""
    from gi.repository import Gegl, Gimp

    image, layer = new_image(40, 30, "RGB", 1)
    other = add_layer(image, 10, 8, "RGBA", 2)
    other.set_offsets(5, -3)
    mask = other.create_mask(Gimp.AddMaskType.WHITE)
    other.add_mask(mask)
    fill(mask, "Y u8", (b"\xff" * 5 + b"\x00" * 5) * 8)
    image.add_vguide(7)
    image.add_hguide(30)
    channel = Gimp.Channel.new(image, "channel", 40, 30, 50.0, Gegl.Color.new("red"))
    image.insert_channel(channel, None, 0)
    path = Gimp.Path.new(image, "path")
    image.insert_path(path, None, 0)
    path.stroke_new_from_points(Gimp.PathStrokeType.BEZIER, [1, 2, 3, 4, 5, 6, 30, 20, 31, 21, 32, 22], False)
    ended = upscale(image, layer, scale=3)
    assert ended.status == "SUCCESS", ended.text
    assert [other.get_width(), other.get_height(), *list(other.get_offsets())[1:]] == [30, 24, 15, -9]
    found = bytes_of(other.get_mask(), "Y u8")[:30]
    assert found[:12] == b"\xff" * 12
    assert found[18:30] == b"\x00" * 12
    guides, guide = [], image.find_next_guide(0)
    while guide:
        guides.append(image.get_guide_position(guide))
        guide = image.find_next_guide(guide)
    assert sorted(guides) == [21, 90]
    assert (channel.get_width(), channel.get_height()) == (120, 90)
    points = path.stroke_get_points(path.get_strokes()[0])[1]
    assert [round(point, 6) for point in points] == [3, 6, 9, 12, 15, 18, 90, 60, 93, 63, 96, 66]


def check_selection_of_any_factor(options: dict[str, Any]) -> None:
    """A rectangular selection has hard edges at its place after a factor that is no whole number."""
    from gi.repository import Gimp

    image, layer = new_image(40, 30, "RGB", 1)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 3, 5, 20, 10)
    ended = upscale(image, layer, width=100, height=45)
    assert ended.status == "SUCCESS", ended.text
    assert list(Gimp.Selection.bounds(image))[1:] == [True, 8, 8, 58, 23]
    assert set(bytes_of(image.get_selection(), "Y u8")) == {0, 255}
    assert [*list(ended.layer.get_offsets())[1:], ended.layer.get_width(), ended.layer.get_height()] == [8, 8, 50, 15]


def check_soft_selection(options: dict[str, Any], case: dict[str, Any]) -> None:
    """A selection with soft edges is enlarged with the picture: its middle line lies where it has to, no pixel off."""
    from gi.repository import Gimp

    image, layer = new_image(60, 60, "RGB", 1)
    Gimp.context_push()
    Gimp.context_set_feather(case["radius"] > 0)
    Gimp.context_set_feather_radius(case["radius"], case["radius"])
    image.select_ellipse(Gimp.ChannelOps.REPLACE, 20, 20, 20, 20)
    Gimp.context_pop()
    before = middle_line(bytes_of(image.get_selection(), "Y u8"), 60)
    ended = upscale(image, layer, scale=4)
    assert ended.status == "SUCCESS", ended.text
    after = middle_line(bytes_of(image.get_selection(), "Y u8"), 240)
    assert all(abs(place - 4 * old) <= 2 for place, old in zip(after, before, strict=True)), (before, after)


def middle_line(selection: bytes, width: int) -> list[int]:
    """Left, right, top and bottom of what is selected by half or more."""
    columns = [place % width for place, value in enumerate(selection) if value > 127]
    rows = [place // width for place, value in enumerate(selection) if value > 127]
    return [min(columns), max(columns) + 1, min(rows), max(rows) + 1]


def check_feathered_edge(options: dict[str, Any]) -> None:
    """At its own size the result blends into the old pixels as far as they are selected, and nowhere else changes."""
    from gi.repository import Gimp

    image, layer = new_image(60, 50, "RGB", 1, "FLOAT_LINEAR")
    Gimp.context_push()
    Gimp.context_set_feather(True)
    Gimp.context_set_feather_radius(6, 6)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 20, 15, 20, 20)
    Gimp.context_pop()
    old = struct.unpack("<9000f", bytes_of(layer, "RGB float"))
    share = struct.unpack("<3000f", bytes_of(image.get_selection(), "Y float"))
    ended = upscale(image, layer, output="same-size")
    assert ended.status == "SUCCESS", ended.text
    _ok, left, top = ended.layer.get_offsets()
    width, height = ended.layer.get_width(), ended.layer.get_height()
    new = struct.unpack(f"<{3 * width * height}f", bytes_of(ended.layer, "RGB float"))
    seen = struct.unpack("<9000f", bytes_of(Gimp.Layer.new_from_visible(image, image, "seen"), "RGB float"))
    worst, soft = 0.0, 0
    for place, part in enumerate(share):
        row, column = place // 60 - top, place % 60 - left
        inside = 0 <= row < height and 0 <= column < width
        assert inside or part == 0.0
        soft += 0.05 < part < 0.95
        for colour in range(3):
            before = old[3 * place + colour]
            after = new[3 * (row * width + column) + colour] if inside else before
            worst = max(worst, abs(seen[3 * place + colour] - (before + part * (after - before))))
    assert soft > 200
    assert worst < 2e-3, worst


def check_metadata(options: dict[str, Any], case: dict[str, Any]) -> dict[str, str]:
    """Exif, XMP, IPTC and the comment of a loaded photo go on with the sizes of the result; returns all tags."""
    from gi.repository import Gimp, Gio

    from support.tagged_jpeg import tagged

    image, _layer = new_image(24, 18, "RGB", 1)
    path = Path(options["scratch"]) / f"{case['output']}.jpg"
    file = Gio.File.new_for_path(str(path))
    assert Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image, file, None)
    path.write_bytes(tagged(path.read_bytes(), 24, 18))
    photo = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, file)
    assert tags_of(photo)["Xmp.tiff.ImageWidth"] == "24"
    photo.attach_parasite(Gimp.Parasite.new("gimp-comment", Gimp.PARASITE_PERSISTENT, b"a comment\0"))
    before = tags_of(photo)
    ended = upscale(photo, photo.get_layers()[0], output=case["output"], scale=3)
    assert ended.status == "SUCCESS", ended.text
    assert bytes(ended.image.get_parasite("gimp-comment").get_data()).startswith(b"a comment")
    if case["output"] == "new-image":
        assert tags_of(photo) == before
    return tags_of(ended.image)


def tags_of(image: Any) -> dict[str, str]:
    """All tags of a picture's metadata; texts in base64 stay so."""
    root = ElementTree.fromstring(image.get_metadata().serialize())
    return {tag.get("name", ""): tag.text or "" for tag in root.iter("tag")}
