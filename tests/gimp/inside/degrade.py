"""Checks of the degradation: pixels, types, places, recipes, the round trip, and what is refused."""

from __future__ import annotations

import json
from typing import Any

from support.gimp_inside import (
    add_layer,
    area_of,
    bytes_of,
    degrade,
    fill,
    fingerprint,
    new_image,
    upscale,
)

PARASITE = "gimp-bsrgan-recipe"
CASES: dict[str, dict[str, Any]] = {
    "check_type": {
        f"{kind}-{precision}": {"kind": kind, "precision": precision}
        for kind, precision in (
            *(("RGB", "FLOAT_LINEAR"), ("RGBA", "U8_NON_LINEAR"), ("RGBA", "U16_NON_LINEAR")),
            *(("GRAY", "U8_NON_LINEAR"), ("GRAY", "U16_NON_LINEAR"), ("GRAYA", "FLOAT_LINEAR")),
        )
    },
    "check_for_comparison": {
        "bsrgan": {"mode": "bsrgan", "seed": 7},
        "plus": {"mode": "bsrgan-plus", "seed": 3, "scale": "2", "strength": 0.5},
        "preset": {"mode": "preset", "preset": "old-dvd-frame", "seed": 5, "noise": False},
    },
    "check_refused": {
        "mode": {"recipe": '{"mode": "sepia"}'},
        "no-json": {"recipe": "{"},
        "no-recipe": {"recipe": "[1, 2]"},
        "no-steps": {"recipe": '{"mode": "manual"}'},
        "restored-elsewhere": {"output": "new-image", "then_upscale": True},
        "no-model": {"then_upscale": True, "model": "nobody-x4"},
    },
}


def photo(width: int, height: int, kind: str, precision: str = "U8_NON_LINEAR") -> tuple[Any, Any]:
    """A picture with smooth colours, of which a degradation leaves something."""
    image, layer = new_image(width, height, kind, 1, precision)
    channels = {"GRAY": 1, "GRAYA": 2, "RGB": 3, "RGBA": 4}[kind]
    rows = bytearray()
    for y in range(height):
        for x in range(width):
            colour = [(5 * x + 3 * y) % 200, (2 * x + 90) % 256, (7 * y) % 220][: 1 if channels < 3 else 3]
            rows += bytes([*colour, *([255 if x > 4 else 40] if kind.endswith("A") else [])])
    name = ("Y'" if kind.startswith("GRAY") else "R'G'B'") + ("A" if kind.endswith("A") else "") + " u8"
    fill(layer, name, bytes(rows))
    return image, layer


def succeeded(image: Any, layer: Any, **arguments: Any) -> Any:
    """Call the filter and hold it to success and a recipe that is the same everywhere."""
    ended = degrade(image, layer, **arguments)
    assert ended.status == "SUCCESS", ended.text
    kept = ended.layer.get_parasite(PARASITE)
    assert kept is not None
    assert kept.is_persistent()
    recipe = bytes(kept.get_data()).decode()
    assert recipe == ended.more[1]
    assert json.loads(recipe)["format"] == "bsrgan-degradation"
    return ended


def check_type(options: dict[str, Any], case: dict[str, Any]) -> None:
    """A layer of the same type, size and precision lies above the untouched source, and twice the same comes out."""
    image, layer = photo(37, 23, case["kind"], case["precision"])
    before, source = bytes_of(layer), layer.get_id()
    ended = succeeded(image, layer, seed=11)
    assert bytes_of(layer) == before
    assert [item.get_id() for item in image.get_layers()] == [ended.layer.get_id(), source]
    assert ended.more[0] is None
    assert (ended.layer.get_width(), ended.layer.get_height()) == (37, 23)
    assert ended.layer.type() == layer.type()
    found = bytes_of(ended.layer)
    assert found != before
    assert len(set(found)) > 8
    if case["kind"].endswith("A"):
        # Alpha is the source's, but for what its resampling to the small size and back takes away at its edge.
        names = f"{'Y' if case['kind'].startswith('GRAY') else 'RGB'}A float"
        channels = 2 if case["kind"].startswith("GRAY") else 4
        alpha = memoryview(bytes_of(ended.layer, names)).cast("f")[channels - 1 :: channels]
        assert alpha[30] > 0.99
    again = bytes_of(succeeded(image, layer, seed=11).layer)
    if case["precision"].startswith("FLOAT"):
        # Differed once on a busy machine while the daemon's own bytes never did; GIMP's library chooses its ways to
        # convert by speed, in each process anew, which is the likely cause.
        pairs = zip(memoryview(again).cast("f"), memoryview(found).cast("f"), strict=True)
        assert max(abs(one - other) for one, other in pairs) < 1e-4
    else:
        assert again == found


def check_for_comparison(options: dict[str, Any], case: dict[str, Any]) -> dict[str, Any]:
    """The pixels of a layer and of its degradation, for a comparison with the command line."""
    image, layer = photo(53, 41, "RGB")
    source = bytes_of(layer)
    same = succeeded(image, layer, **case)
    small = succeeded(image, layer, output="new-image", **case)
    return {
        "source": source.hex(),
        "same": bytes_of(same.layer).hex(),
        "small": bytes_of(small.layer).hex(),
        "size": [small.layer.get_width(), small.layer.get_height()],
    }


def check_new_image(options: dict[str, Any]) -> None:
    """The small picture is a new one with the profile of the old, keeps the recipe twice, and leaves the old alone."""
    from gi.repository import Gimp

    image, layer = photo(50, 41, "RGB", "U16_NON_LINEAR")
    profile = Gimp.ColorProfile.new_rgb_adobe()
    image.set_color_profile(profile)
    before = fingerprint(image)
    ended = succeeded(image, layer, output="new-image", scale="4", seed=2)
    assert fingerprint(image) == before
    assert ended.image.get_id() != image.get_id()
    # 41 rows are padded to 44 for the work; none of the picture's own are cut off.
    assert (ended.image.get_width(), ended.image.get_height()) == (13, 11)
    assert ended.image.get_precision() == image.get_precision()
    assert bytes(ended.image.get_color_profile().get_icc_profile()) == bytes(profile.get_icc_profile())
    assert bytes(ended.image.get_parasite(PARASITE).get_data()).decode() == ended.more[1]


def check_replay(options: dict[str, Any]) -> None:
    """The recipe of a result makes the same pixels again, whatever the other arguments say."""
    image, layer = photo(40, 30, "RGB")
    first = succeeded(image, layer, mode="bsrgan-plus", seed=5)
    assert bytes_of(succeeded(image, layer, mode="bsrgan-plus", seed=6).layer) != bytes_of(first.layer)
    again = succeeded(image, layer, mode="preset", seed=9, strength=0.1, blur=False, recipe=first.more[1])
    assert bytes_of(again.layer) == bytes_of(first.layer)
    assert json.loads(again.more[1])["steps"] == json.loads(first.more[1])["steps"]
    small = succeeded(image, layer, output="new-image", recipe=first.more[1])
    assert json.loads(small.more[1])["steps"] == json.loads(first.more[1])["steps"]


def check_manual(options: dict[str, Any]) -> None:
    """A request of one's own runs as well: steps in the given order and nothing else."""
    image, layer = photo(40, 30, "RGB")
    steps = [{"step": "resize", "to": "ratio", "ratio": 2.0, "interpolation": "area"}, {"step": "jpeg", "quality": 20}]
    ended = succeeded(image, layer, recipe=json.dumps({"mode": "manual", "steps": steps}), output="new-image")
    assert (ended.layer.get_width(), ended.layer.get_height()) == (20, 15)
    assert [step["step"] for step in json.loads(ended.more[1])["steps"]] == ["resize", "jpeg"]


def check_switches(options: dict[str, Any]) -> None:
    """Families that are switched off are in no step, and a gray layer stays gray in steps that know colour."""
    image, layer = photo(40, 30, "GRAY")
    ended = succeeded(image, layer, mode="bsrgan-plus", seed=4, noise=False, camera=False, jpeg=False)
    found = {step["step"] for step in json.loads(ended.more[1])["steps"]}
    assert found
    assert not found & {"gaussian", "speckle", "poisson", "camera", "jpeg"}


def check_selection(options: dict[str, Any]) -> None:
    """A rectangular selection is degraded alone, at its place."""
    from gi.repository import Gimp

    image, _below = new_image(60, 50, "RGB", 1)
    layer = add_layer(image, 40, 30, "RGB", 2)
    layer.set_offsets(10, -5)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 20, 0, 17, 19)
    part = area_of(layer, 10, 5, 17, 19)
    ended = succeeded(image, layer, seed=1)
    assert list(ended.layer.get_offsets())[1:] == [20, 0]
    alone, other = new_image(17, 19, "RGB", 3)
    fill(other, "R'G'B' u8", part)
    assert bytes_of(succeeded(alone, other, seed=1).layer) == bytes_of(ended.layer)


def check_round_trip(options: dict[str, Any]) -> dict[str, Any]:
    """Original, degraded and restored are three layers of one size, and both results are told apart."""
    image, layer = photo(48, 33, "RGB")
    source = layer.get_id()
    ended = succeeded(image, layer, seed=3, then_upscale=True)
    restored = ended.more[0]
    assert [item.get_id() for item in image.get_layers()] == [restored.get_id(), ended.layer.get_id(), source]
    assert {(item.get_width(), item.get_height()) for item in image.get_layers()} == {(48, 33)}
    assert bytes_of(restored) != bytes_of(ended.layer)
    # The degraded layer is what comes without the round trip.
    alone = succeeded(image, layer, seed=3)
    assert bytes_of(alone.layer) == bytes_of(ended.layer)
    return {
        "original": bytes_of(layer).hex(),
        "degraded": bytes_of(ended.layer).hex(),
        "psnr": _psnr(layer, ended.layer),
    }


def _psnr(layer: Any, other: Any) -> list[float]:
    """What the plug-in's own comparison says of two layers, and of one with itself."""
    import os
    import sys
    from pathlib import Path

    folder = Path(os.environ["GIMP3_DIRECTORY"]) / "plug-ins" / "gimp-bsrgan"
    sys.path[:0] = [str(folder), str(folder / "vendor")]
    from bsrgan_plugin import comparison
    from bsrgan_plugin.outputs import Area

    area = Area(0, 0, layer.get_width(), layer.get_height())
    return [comparison.psnr(layer, area, other), min(comparison.psnr(layer, area, layer), 999.0)]


def check_indexed(options: dict[str, Any]) -> None:
    """An indexed picture becomes a new RGB picture."""
    from gi.repository import Gimp

    image, layer = photo(24, 24, "RGB")
    image.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 8, False, True, "")
    ended = succeeded(image, layer, output="new-image")
    assert ended.image.get_base_type() == Gimp.ImageBaseType.RGB


def check_last_values(options: dict[str, Any]) -> None:
    """Run mode WITH_LAST_VALS works without a screen in both filters, also when defaults come from GIMP's cache."""
    from gi.repository import Gimp

    image, layer = photo(16, 16, "RGB")
    succeeded(image, layer, run_mode=Gimp.RunMode.WITH_LAST_VALS)
    ended = upscale(image, layer, output="same-size", run_mode=Gimp.RunMode.WITH_LAST_VALS)
    assert ended.status == "SUCCESS", ended.text


def check_refused(options: dict[str, Any], case: dict[str, Any]) -> dict[str, str]:
    """What is wrong leaves everything as it was."""
    from gi.repository import Gimp

    image, layer = photo(20, 20, "RGB")
    before, images, dirty = fingerprint(image), len(Gimp.get_images()), image.is_dirty()
    ended = degrade(image, layer, **case)
    assert ended.status != "SUCCESS"
    assert fingerprint(image) == before
    assert len(Gimp.get_images()) == images
    assert image.is_dirty() == dirty
    return {"status": ended.status, "text": ended.text}
