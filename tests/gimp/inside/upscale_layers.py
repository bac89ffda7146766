"""Checks of results: every layer type and precision, geometry of the outputs, profiles, selections."""

from __future__ import annotations

import struct
from typing import Any

from support.gimp_inside import (
    add_layer,
    area_of,
    as_stored,
    bytes_of,
    fill,
    fingerprint,
    new_image,
    reference,
    travel_of,
    upscale,
)

KINDS = ("RGB", "RGBA", "GRAY", "GRAYA")
COMPONENTS = ("U8", "U16", "U32", "HALF", "FLOAT", "DOUBLE")
CURVES = ("LINEAR", "NON_LINEAR", "PERCEPTUAL")
SAMPLES = {
    "U8": ("B", 255),
    "U16": ("H", 65535),
    "U32": ("I", 2**32 - 1),
    "HALF": ("e", 1),
    "FLOAT": ("f", 1),
    "DOUBLE": ("d", 1),
}
CASES: dict[str, dict[str, Any]] = {
    "check_pixels": {
        f"{kind}-{component}_{curve}": {"kind": kind, "precision": f"{component}_{curve}"}
        for kind in KINDS
        for component in COMPONENTS
        for curve in CURVES
    },
    "check_output": {
        f"{output}-{scale}": {"output": output, "scale": scale}
        for output in ("new-layer", "new-image", "same-size")
        for scale in (2, 3, 4)
    },
    "check_selection": {output: {"output": output} for output in ("new-layer", "new-image", "same-size")},
    "check_shape": {"1x1": {"size": (1, 1)}, "1x40": {"size": (1, 40)}, "300x2": {"size": (300, 2)}},
    "check_for_comparison": {
        "RGB-8": {"kind": "RGB", "precision": "U8_NON_LINEAR"},
        "RGBA-8": {"kind": "RGBA", "precision": "U8_NON_LINEAR"},
        "GRAY-8": {"kind": "GRAY", "precision": "U8_NON_LINEAR"},
        "RGB-16": {"kind": "RGB", "precision": "U16_NON_LINEAR"},
    },
    "check_profile": {kind: {"kind": kind} for kind in ("RGB", "RGBA", "GRAY")},
}


def expected(options: dict[str, Any], layer: Any, area: tuple[int, int, int, int], out_size: tuple[int, int]) -> bytes:
    """What the daemon makes of a part of `layer`, as bytes of the wire."""
    travel = travel_of(layer)
    return reference(options, area_of(layer, *area), area[2:], out_size, travel.dtype, travel.channels)


def whole(layer: Any) -> tuple[int, int, int, int]:
    """The area that is all of a layer."""
    return 0, 0, layer.get_width(), layer.get_height()


def farthest(found: bytes, wanted: bytes, precision: str) -> float:
    """The largest difference of two layers' bytes, as a part of the range 0..1 (integers) or in values (floats)."""
    code, top = SAMPLES[precision.split("_")[0]]
    count = len(wanted) // struct.calcsize(code)
    pairs = zip(struct.unpack(f"<{count}{code}", found), struct.unpack(f"<{count}{code}", wanted), strict=True)
    return max(abs(one - other) for one, other in pairs) / top


def check_pixels(options: dict[str, Any], case: dict[str, Any]) -> float:
    """A new image of the same type and precision holds what the daemon made; the source is as it was."""
    image, layer = new_image(13, 9, case["kind"], 5, case["precision"])
    before = fingerprint(image)
    wanted = as_stored(layer, 52, 36, expected(options, layer, whole(layer), (52, 36)))
    ended = upscale(image, layer, output="new-image", scale=4)
    assert ended.status == "SUCCESS", ended.text
    assert ended.image.get_id() != image.get_id()
    assert ended.image.get_precision() == image.get_precision()
    assert ended.image.get_base_type() == image.get_base_type()
    assert ended.layer.type() == layer.type()
    assert [ended.image.get_width(), ended.image.get_height()] == [52, 36]
    assert len(set(wanted)) > 16
    assert fingerprint(image) == before
    return farthest(bytes_of(ended.layer), wanted, case["precision"])


def check_for_comparison(options: dict[str, Any], case: dict[str, Any]) -> dict[str, str]:
    """The pixels of a layer and of its result, for a comparison with the command line."""
    image, layer = new_image(37, 23, case["kind"], 6, case["precision"])
    source = bytes_of(layer)
    ended = upscale(image, layer, output="new-image", scale=3)
    assert ended.status == "SUCCESS", ended.text
    return {"source": source.hex(), "result": bytes_of(ended.layer).hex()}


def check_output(options: dict[str, Any], case: dict[str, Any]) -> dict[str, Any]:
    """Sizes, places and bytes of each output for a layer that does not fill its picture."""
    from gi.repository import Gimp

    image, below = new_image(40, 30, "RGB", 1)
    layer = add_layer(image, 16, 12, "RGB", 2)
    layer.set_offsets(-7, 11)
    image.add_vguide(33)
    image.set_resolution(50.0, 50.0)
    output, scale = case["output"], case["scale"]
    factor = 1 if output == "same-size" else scale
    size = (16 * factor, 12 * factor)
    wanted = as_stored(layer, *size, expected(options, layer, whole(layer), size))
    source, before = layer.get_id(), fingerprint(image)
    ended = upscale(image, layer, output=output, scale=scale)
    assert ended.status == "SUCCESS", ended.text
    assert (ended.layer.get_width(), ended.layer.get_height()) == size
    assert bytes_of(ended.layer) == wanted
    if output == "new-image":
        assert fingerprint(image) == before
        assert len(ended.image.get_layers()) == 1
        assert (ended.image.get_width(), ended.image.get_height()) == size
        assert list(ended.layer.get_offsets())[1:] == [0, 0]
        # The size on paper stays, so the pixels per inch grow with the pixels.
        assert list(ended.image.get_resolution())[1:] == [50.0 * scale, 50.0 * scale]
        assert not ended.image.is_dirty()
    else:
        assert ended.image.get_id() == image.get_id()
        assert [item.get_id() for item in image.get_layers()] == [ended.layer.get_id(), source, below.get_id()]
        assert (image.get_width(), image.get_height()) == (40 * factor, 30 * factor)
        assert list(ended.layer.get_offsets())[1:] == [-7 * factor, 11 * factor]
        assert list(Gimp.Layer.get_by_id(source).get_offsets())[1:] == [-7 * factor, 11 * factor]
        assert image.get_guide_position(image.find_next_guide(0)) == 33 * factor
        assert list(image.get_resolution())[1:] == [50.0 * factor, 50.0 * factor]
        assert [item.get_id() for item in image.get_selected_layers()] == [ended.layer.get_id()]
    return {"name": ended.layer.get_name()}


def check_selection(options: dict[str, Any], case: dict[str, Any]) -> None:
    """A rectangular selection that reaches past the layer limits the work to their common part."""
    from gi.repository import Gimp

    image, _below = new_image(40, 30, "RGBA", 1)
    layer = add_layer(image, 20, 20, "RGBA", 2)
    layer.set_offsets(10, -5)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 20, 8, 40, 30)
    area = (10, 13, 10, 7)
    factor = 1 if case["output"] == "same-size" else 2
    size = (area[2] * factor, area[3] * factor)
    wanted = as_stored(layer, *size, expected(options, layer, area, size))
    ended = upscale(image, layer, output=case["output"], scale=2)
    assert ended.status == "SUCCESS", ended.text
    assert (ended.layer.get_width(), ended.layer.get_height()) == size
    assert bytes_of(ended.layer) == wanted
    assert ended.layer.get_mask() is None
    if case["output"] == "new-image":
        assert list(ended.layer.get_offsets())[1:] == [0, 0]
        return
    assert list(ended.layer.get_offsets())[1:] == [20 * factor, 8 * factor]
    # The same part stays selected: the second run would work on the same place.
    assert list(Gimp.Selection.bounds(image))[1:] == [True, 20 * factor, 8 * factor, 40 * factor, 30 * factor]
    assert layer.get_visible()


def check_round_selection(options: dict[str, Any]) -> None:
    """A selection that is no rectangle becomes the mask of the result."""
    from gi.repository import Gimp

    image, layer = new_image(40, 40, "RGB", 1)
    image.select_ellipse(Gimp.ChannelOps.REPLACE, 10, 10, 20, 20)
    ended = upscale(image, layer, output="same-size")
    assert ended.status == "SUCCESS", ended.text
    assert (ended.layer.get_width(), ended.layer.get_height()) == (20, 20)
    selected = area_of(image.get_selection(), 10, 10, 20, 20) if False else bytes_of(image.get_selection(), "Y u8")
    mask = bytes_of(ended.layer.get_mask(), "Y u8")
    assert mask[0] == 0
    assert mask[10 * 20 + 10] == 255
    rows = [selected[(10 + row) * 40 + 10 : (10 + row) * 40 + 30] for row in range(20)]
    assert mask == b"".join(rows)


def check_shape(options: dict[str, Any], case: dict[str, Any]) -> None:
    """Pictures of one pixel, one column or two rows are enlarged like any other."""
    width, height = case["size"]
    image, layer = new_image(width, height, "RGBA", 3)
    size = (width * 4, height * 4)
    wanted = as_stored(layer, *size, expected(options, layer, whole(layer), size))
    ended = upscale(image, layer)
    assert ended.status == "SUCCESS", ended.text
    assert (image.get_width(), image.get_height()) == size
    assert bytes_of(ended.layer) == wanted


def check_profile(options: dict[str, Any], case: dict[str, Any]) -> None:
    """The profile stays, and the network sees the numbers of the layer's own space, not converted to sRGB."""
    from gi.repository import Gimp

    kind = case["kind"]
    image, layer = new_image(12, 10, kind, 4, "U16_NON_LINEAR")
    gray = kind.startswith("GRAY")
    profile = Gimp.ColorProfile.new_d50_gray_lab_trc() if gray else Gimp.ColorProfile.new_rgb_adobe()
    assert image.set_color_profile(profile)
    wanted = as_stored(layer, 48, 40, expected(options, layer, whole(layer), (48, 40)))
    ended = upscale(image, layer, output="new-image")
    assert ended.status == "SUCCESS", ended.text
    kept = ended.image.get_color_profile()
    assert kept is not None
    assert bytes(kept.get_icc_profile()) == bytes(profile.get_icc_profile())
    assert farthest(bytes_of(ended.layer), wanted, "U16") <= 1 / 65535
    # The raw numbers are what the reference got as well: u16 as stored, divided by its largest value.
    raw = struct.unpack(f"<{len(bytes_of(layer)) // 2}H", bytes_of(layer))
    sent = struct.unpack(f"<{len(raw)}f", area_of(layer, *whole(layer)))
    assert max(abs(one / 65535 - other) for one, other in zip(raw, sent, strict=True)) < 1e-4


def check_linear_values(options: dict[str, Any]) -> None:
    """A linear layer is shown to the network as gamma values: linear 0.2140 is 0.5."""
    image, layer = new_image(8, 8, "RGB", 1, "FLOAT_LINEAR")
    fill(layer, "RGB float", struct.pack("<3f", 0.21404114, 0.21404114, 0.21404114) * 64)
    plain = reference(options, struct.pack("<3f", 0.5, 0.5, 0.5) * 64, (8, 8), (32, 32), "f32", 3)
    ended = upscale(image, layer)
    assert ended.status == "SUCCESS", ended.text
    found = struct.unpack("<3072f", bytes_of(ended.layer, "R'G'B' float"))
    wanted = struct.unpack("<3072f", plain)
    assert max(abs(one - other) for one, other in zip(found, wanted, strict=True)) < 2e-4


def check_in_group(options: dict[str, Any]) -> None:
    """The result of a layer in a group lies above it in the same group."""
    from gi.repository import Gimp

    image, _below = new_image(20, 20, "RGB", 1)
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    layer = add_layer(image, 10, 10, "RGB", 2, group)
    ended = upscale(image, layer)
    assert ended.status == "SUCCESS", ended.text
    assert [item.get_id() for item in group.get_children()] == [ended.layer.get_id(), layer.get_id()]


def check_mask(options: dict[str, Any]) -> None:
    """The mask of the layer is enlarged onto the result, and its own pixels are what the network saw."""
    from gi.repository import Gimp

    image, layer = new_image(16, 16, "RGB", 1)
    mask = layer.create_mask(Gimp.AddMaskType.WHITE)
    layer.add_mask(mask)
    fill(mask, "Y u8", (b"\xff" * 8 + b"\x00" * 8) * 16)
    wanted = as_stored(layer, 64, 64, expected(options, layer, whole(layer), (64, 64)))
    ended = upscale(image, layer)
    assert ended.status == "SUCCESS", ended.text
    assert bytes_of(ended.layer) == wanted
    found = bytes_of(ended.layer.get_mask(), "Y u8")
    assert found[:24] == b"\xff" * 24
    assert found[40:64] == b"\x00" * 24


def check_live_filter(options: dict[str, Any]) -> None:
    """A live filter is part of what is enlarged, and stays editable on the source."""
    from gi.repository import Gimp

    image, layer = new_image(12, 12, "RGB", 1)
    plain = area_of(layer, *whole(layer))
    inverted = bytes(255 - value for value in plain)
    wanted = reference(options, inverted, (12, 12), (48, 48), "u8", 3)
    layer.append_filter(Gimp.DrawableFilter.new(layer, "gegl:invert-gamma", "Invert"))
    ended = upscale(image, layer, output="new-image")
    assert ended.status == "SUCCESS", ended.text
    assert bytes_of(ended.layer) == wanted
    assert len(layer.get_filters()) == 1
    assert area_of(layer, *whole(layer)) == plain


def check_indexed(options: dict[str, Any]) -> None:
    """An indexed picture becomes a new RGB picture."""
    from gi.repository import Gimp

    image, layer = new_image(12, 12, "RGB", 1)
    image.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 8, False, True, "")
    wanted = reference(options, area_of(layer, *whole(layer)), (12, 12), (48, 48), "u8", 3)
    ended = upscale(image, layer, output="new-image")
    assert ended.status == "SUCCESS", ended.text
    assert ended.image.get_base_type() == Gimp.ImageBaseType.RGB
    assert bytes_of(ended.layer, "R'G'B' u8") == wanted


def check_long_thin(options: dict[str, Any]) -> None:
    """A picture of 30000 x 1 pixels is restored at its own size."""
    image, layer = new_image(30000, 1, "RGB", 1)
    wanted = expected(options, layer, whole(layer), (30000, 1))
    ended = upscale(image, layer, output="same-size")
    assert ended.status == "SUCCESS", ended.text
    assert bytes_of(ended.layer) == wanted


def check_last_values(options: dict[str, Any]) -> None:
    """Run mode WITH_LAST_VALS works without a screen, with the arguments that it is given."""
    from gi.repository import Gimp

    image, layer = new_image(8, 8, "RGB", 1)
    ended = upscale(image, layer, output="new-image", scale=3, run_mode=Gimp.RunMode.WITH_LAST_VALS)
    assert ended.status == "SUCCESS", ended.text
    assert ended.image.get_width() == 24
