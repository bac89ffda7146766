"""What can be asked of the degradation, as tables for arguments and dialog, and as the daemon's parameters. Without gi.

The plug-in cannot import the backend, so names and titles are written down here; a test compares them with
`bsrgan_backend.degradation.describe()`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bsrgan_plugin.outcomes import Refusal
from bsrgan_plugin.outputs import OutputMode
from bsrgan_plugin.translation import _

TASK = "degrade"
RECIPE_FORMAT = "bsrgan-degradation"
MODES = {"bsrgan": "BSRGAN", "bsrgan-plus": "BSRGAN+", "preset": "Preset"}
PRESETS = {
    "bsrgan-x4": "BSRGAN random x4",
    "bsrgan-x2": "BSRGAN random x2",
    "old-phone-camera": "Old phone camera",
    "web-jpeg": "Web JPEG",
    "re-shared-image": "Re-shared image",
    "scanned-print": "Scanned print",
    "low-light": "Low light",
    "thumbnail-enlarged": "Thumbnail enlarged",
    "old-dvd-frame": "Old DVD frame",
    "clean-bicubic": "Clean bicubic",
}
FAMILIES = {
    "blur": "Blur",
    "resize": "Resize",
    "noise": "Noise",
    "jpeg": "JPEG",
    "camera": "Camera",
    "sharpen": "Sharpen",
}
ENLARGEMENTS = {"nearest": "Nearest", "bicubic": "Bicubic", "area": "Area"}
OUTPUTS = {OutputMode.SAME_SIZE.value: "New layer, same size", OutputMode.NEW_IMAGE.value: "New picture, small"}
OWN_SCALE = "auto"
SCALES = (OWN_SCALE, "2", "3", "4")
LARGEST_SEED = 2**31 - 1
"""The largest seed that an argument of GIMP can hold; a recipe may hold larger ones."""
LARGEST_VARIATION = 0.5
TEXT_BYTES = 48 * 1024
"""The longest text that the wire takes; its own number cannot be imported at query time, so a test compares them."""


@dataclass(frozen=True)
class Degradation:
    """What is asked for, as in the procedure.

    Attributes:
        mode: a key of `MODES`.
        preset: a key of `PRESETS`, for the mode "preset".
        scale: one of `SCALES`; "auto" leaves it to the mode or preset.
        seed: of everything that is drawn, 0 to `LARGEST_SEED`.
        strength: 0 is a plain change of size, 1 is as drawn.
        variation: how far the seed moves the numbers of a preset, 0 to `LARGEST_VARIATION`.
        off: families of steps that are left out, keys of `FAMILIES`.
        output: `SAME_SIZE`, a new layer brought back to the source's size, or `NEW_IMAGE`, a picture of the small
            size that the degradation ends with.
        enlarge: a key of `ENLARGEMENTS`: how the result gets back to the source's size.
        recipe: JSON text of a recipe or request, which then counts instead of everything above `output`; or empty.
    """

    mode: str = "bsrgan"
    preset: str = "old-phone-camera"
    scale: str = OWN_SCALE
    seed: int = 0
    strength: float = 1.0
    variation: float = 0.2
    off: tuple[str, ...] = ()
    output: OutputMode = OutputMode.SAME_SIZE
    enlarge: str = "nearest"
    recipe: str = ""


@dataclass(frozen=True)
class Options:
    """The arguments of a run, as in the procedure.

    Attributes:
        asked: the degradation.
        is_restored: the degraded picture is upscaled again, onto a third layer.
        model: for that; empty for the default one.
        endpoint: as in the procedure.
    """

    asked: Degradation
    is_restored: bool
    model: str
    endpoint: str


def scale_titles() -> dict[str, str]:
    """`SCALES` with their titles."""
    return {scale: _("Automatic") if scale == OWN_SCALE else f"1/{scale}" for scale in SCALES}


def parameters(asked: Degradation, output: OutputMode | None = None) -> dict[str, str]:
    """The parameters of the daemon's task `degrade`.

    Args:
        asked: what the user wants.
        output: instead of that of `asked`.

    Returns:
        Either `{"request": JSON}` or, for a recipe that is replayed, `{"recipe": JSON}`.

    Raises:
        Refusal: the recipe is no JSON object of a kind that is known, or too long.
    """
    way_back = asked.enlarge if (output or asked.output) is OutputMode.SAME_SIZE else "none"
    if not asked.recipe.strip():
        return {"request": _text({**_request(asked), "same_size": way_back})}
    told = read_recipe(asked.recipe)
    if told.get("format") != RECIPE_FORMAT:
        return {"request": _text({**told, "same_size": way_back})}
    return {"recipe": _text({**told, "request": {**told["request"], "same_size": way_back}})}


def read_recipe(text: str) -> dict[str, Any]:
    """A recipe, or a request such as `{"mode": "manual", "steps": [...]}`, from what a person pasted.

    The daemon checks the rest.

    Raises:
        Refusal: it is neither.
    """
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        raise Refusal(_("The recipe is no JSON text; copy all of it again, or leave it empty.")) from None
    if isinstance(told, dict):
        if told.get("format") == RECIPE_FORMAT and isinstance(told.get("request"), dict):
            return told
        if "format" not in told and isinstance(told.get("mode"), str):
            return told
    raise Refusal(_("This is no recipe of a degradation; copy one that was made with a result, or leave it empty."))


def compact(recipe: str) -> str:
    """A recipe of the daemon as one line of JSON, which is how it is kept with a layer."""
    return json.dumps(json.loads(recipe), separators=(",", ":"))


def _request(asked: Degradation) -> dict[str, Any]:
    values: dict[str, Any] = {
        "mode": asked.mode,
        "seed": asked.seed,
        "strength": asked.strength,
        "off": [family for family in FAMILIES if family in asked.off],
    }
    if asked.mode == "preset":
        values |= {"preset": asked.preset, "variation": asked.variation}
    if asked.scale != OWN_SCALE:
        values["scale"] = int(asked.scale)
    return values


def _text(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, separators=(",", ":"))
    if len(text.encode()) > TEXT_BYTES:
        raise Refusal(_("The recipe is longer than {limit} bytes; leave out steps.").format(limit=TEXT_BYTES))
    return text
