"""What the upscale preview paints, for layers of several kinds, beside what a run makes of them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from support.gimp_inside import bytes_of, fill, new_image, upscale

CASES: dict[str, dict[str, Any]] = {
    check: {
        f"{kind}-{precision}": {"kind": kind, "precision": precision}
        for kind, precision in (
            ("RGB", "U8_NON_LINEAR"),
            ("RGB", "U8_LINEAR"),
            ("RGBA", "FLOAT_LINEAR"),
            ("GRAY", "U16_LINEAR"),
            ("GRAYA", "HALF_NON_LINEAR"),
        )
    }
    for check in ("check_mixed", "check_thumbnail")
}
WIDTH, HEIGHT = 40, 30
LEFT, TOP, SIDE = 20, 10, 60
"""The rectangle of the fourfold result that is previewed."""
COLOUR = (200, 90, 40)
STRENGTH, TEXTURE = 60.0, 50.0


def check_mixed(options: dict[str, Any], case: dict[str, Any]) -> int:
    """The largest difference of any 8 bit value between the preview's mix and the run's result."""
    _find_plugin()
    from bsrgan_plugin import layers, preview_pictures
    from bsrgan_plugin.outputs import Area, Size

    image, layer = new_image(WIDTH, HEIGHT, case["kind"], 1, case["precision"])
    _calm(layer)
    pixels = layers.format_of(layer)
    shown = preview_pictures.eight_bit(pixels)
    ended = upscale(image, layer, output="new-image", strength=STRENGTH, texture=TEXTURE)
    assert ended.status == "SUCCESS", ended.text
    wanted = preview_pictures.LayerPixels(ended.layer, Area(LEFT, TOP, SIDE, SIDE), shown)
    made = _previewed(options, layer, pixels, shown)
    whole = wanted.window(Area(0, 0, SIDE, SIDE))
    pixbuf = preview_pictures.pixbuf_of(made, Size(SIDE, SIDE), shown)
    assert (pixbuf.get_width(), pixbuf.get_height(), pixbuf.get_n_channels()) == (SIDE, SIDE, 4)
    image.delete()
    ended.image.delete()
    return max(abs(one - other) for one, other in zip(made, whole, strict=True))


def check_thumbnail(options: dict[str, Any], case: dict[str, Any]) -> list[int]:
    """Width, height and the values of the middle pixel of a thumbnail, of a layer of one colour with a rim."""
    _find_plugin()
    from bsrgan_plugin import preview_pictures
    from bsrgan_plugin.outputs import Area, Size

    image, layer = new_image(WIDTH, HEIGHT, case["kind"], 1, case["precision"])
    colour = (COLOUR[0],) if layer.is_gray() else COLOUR
    fill(layer, ("Y'" if layer.is_gray() else "R'G'B'") + " u8", bytes(colour) * (WIDTH * HEIGHT))
    small = preview_pictures.thumbnail(layer, Area(2, 1, WIDTH - 10, HEIGHT - 10), Size(15, 10))
    width, height, row = small.get_width(), small.get_height(), small.get_rowstride()
    middle = (height // 2) * row + (width // 2) * 3
    values = list(small.get_pixels()[middle : middle + 3])
    image.delete()
    return [width, height, *values]


def _find_plugin() -> None:
    plugin = Path(os.environ["GIMP3_DIRECTORY"]) / "plug-ins" / "gimp-bsrgan"
    if str(plugin) not in sys.path:
        sys.path[:0] = [str(plugin), str(plugin / "vendor")]


def _calm(layer: Any) -> None:
    """Less than full contrast, and nothing transparent: what is lost at the ends of 8 bit is no matter here."""
    channels = 1 if layer.is_gray() else 3
    name = ("Y'" if layer.is_gray() else "R'G'B'") + " u8"
    fill(layer, name, bytes(90 + value // 4 for value in bytes_of(layer, name)[: WIDTH * HEIGHT * channels]))


def _previewed(options: dict[str, Any], layer: Any, pixels: Any, shown: Any) -> bytes:
    """The preview's mix of the rectangle, made as the dialog does."""
    from bsrgan_plugin import connection, preview_blend, preview_patches, preview_pictures
    from bsrgan_plugin.outputs import Area, Size

    source = preview_pictures.LayerPixels(layer, Area(0, 0, WIDTH, HEIGHT), pixels)
    place = preview_patches.place_of(source.size, Size(4 * WIDTH, 4 * HEIGHT), Area(LEFT, TOP, SIDE, SIDE))
    request = place.request(pixels.channels, pixels.dtype)
    data, result = source.window(preview_patches.area_of(place.part)), bytearray()
    with connection.open_client(str(Path(options["prefix"]) / "state" / "daemon.json")) as client:
        client.run(
            request,
            source=lambda first, rows: data[first * request.row_bytes : (first + rows) * request.row_bytes],
            sink=lambda _first, _rows, received: result.extend(received),
        )
    three = preview_pictures.converted(bytes(result), Size(SIDE, 3 * SIDE), pixels, shown.babl_name)
    third = len(three) // 3
    pictures = (three[:third], three[third : 2 * third], three[2 * third :])
    return preview_blend.mix(pictures, STRENGTH / 100, TEXTURE / 100)
