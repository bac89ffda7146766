"""One result: picture file to degraded file. It runs in this process or in one of many."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from bsrgan_backend.cli import batch, degrade_png, degrade_recipes
from bsrgan_backend.cli.degrade_items import HQ, LQ, PAIR, Item
from bsrgan_backend.cli.failure import code_of, sentence_of
from bsrgan_backend.degradation import DegradedLayer, Recipe, degrade_layer, layers, reference_layer
from bsrgan_backend.degradation.contact_sheet import Levels, thumbnail
from bsrgan_backend.degradation.patches import cut, patch_corner
from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging.pictures import Picture, read_picture
from bsrgan_backend.imaging.pixels import Pixels

_NOTE_BITS = "JPEG came last and works in 8 bits, so the result is an 8-bit PNG."
_NOTE_FLOAT = "PNG has no floating-point pixels, so the result is written in 16 bits."


@dataclass(frozen=True)
class Done:
    """What became of an item.

    Attributes:
        stem: of the item.
        line: the recipe with facts about the files, one line of JSON; empty when it failed.
        size: (height, width) of the result.
        notes: sentences about what could not be kept.
        thumbnail: for the contact sheet, or None.
        error: one sentence when it failed.
        code: of the wire for that, or empty.
        facts: for programs, see `--json`.
    """

    stem: str
    line: str = ""
    size: tuple[int, int] = (0, 0)
    notes: tuple[str, ...] = ()
    thumbnail: Levels | None = None
    error: str = ""
    code: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def run(item: Item) -> Done:
    """Degrade a picture and write what was asked for; a failure is an answer, so that the others go on."""
    try:
        return _run(item)
    except (BackendError, OSError, MemoryError) as error:
        sentence = sentence_of(error)
        names = (item.source.name, *(item.target(mark).name for mark in (LQ, HQ, PAIR)))
        named = sentence if sentence.startswith(names) else f"{item.source.name}: {sentence}"
        return Done(item.stem, error=named, code=code_of(error))


def _run(item: Item) -> Done:
    picture = _picture(item.source)
    source, corner = clean(item, picture)
    result = degrade_layer(source, item.wanted)
    written, notes = _narrowed(result)
    facts: dict[str, Any] = {"file": item.target(LQ).name, "picture": item.source.name}
    if item.patch:
        facts["patch"] = [*corner, item.patch]
    line = degrade_recipes.line_of(result.recipe, facts)
    files = {LQ: written, **_clean(item, source, result)}
    degrade_png.write({item.target(mark): replace(picture, pixels=pixels) for mark, pixels in files.items()}, line)
    return Done(
        item.stem,
        line,
        written.shape[:2],
        (*picture.notes, *notes),
        thumbnail(written, item.cell) if item.cell else None,
        facts={**facts, "width": written.shape[1], "height": written.shape[0], "seed": result.recipe.request.seed},
    )


def clean(item: Item, picture: Picture | None = None) -> tuple[Pixels, tuple[int, int]]:
    """The pixels that are degraded, and where in the picture they lie.

    Args:
        item: says which patch.
        picture: as read, or None to read it.

    Returns:
        (H, W, 1 to 4) as in the file, and (top, left).

    Raises:
        BackendError: the file cannot be read, or the patch does not fit.
    """
    pixels = (picture or _picture(item.source)).pixels
    if not item.patch:
        return pixels, (0, 0)
    seed = item.wanted.request.seed if isinstance(item.wanted, Recipe) else item.wanted.seed
    corner = patch_corner(pixels.shape[:2], item.patch, seed)
    return cut(pixels, corner, item.patch), corner


def _clean(item: Item, source: Pixels, result: DegradedLayer) -> dict[str, Pixels]:
    """What else is written, by the mark of the file: the clean patch, and both side by side."""
    if not item.pair and not item.patch:
        return {}
    wanted = reference_layer(source, result.recipe)
    if wanted.dtype == np.float32:
        wanted = layers.converted(wanted, "u16")
    files = {HQ: wanted} if item.patch else {}
    if item.pair:
        lq = layers.converted(layers.enlarged(result.pixels, result.recipe), layers.layout_of(wanted).dtype)
        files[PAIR] = np.concatenate([lq, wanted], axis=1)
    return files


def _narrowed(result: DegradedLayer) -> tuple[Pixels, list[str]]:
    """The result as PNG can hold it: 8 bits where it has no more, else 16, but alpha keeps its bits."""
    pixels, notes = result.pixels, []
    if pixels.dtype == np.uint8:
        return pixels, []
    if layers.is_eight_bit(result.recipe) and pixels.shape[2] in (1, 3):
        return layers.converted(pixels, "u8"), [_NOTE_BITS]
    if layers.is_eight_bit(result.recipe):
        notes.append(layers.EIGHT_BITS)
    if pixels.dtype == np.float32:
        pixels, notes = layers.converted(pixels, "u16"), [*notes, _NOTE_FLOAT]
    return pixels, notes


def _picture(path: Path) -> Picture:
    batch.require_file(path)
    return _read(path, path.stat().st_mtime_ns) if path.is_file() else read_picture(path)


@functools.lru_cache(maxsize=1)
def _read(path: Path, _changed: int) -> Picture:
    # One picture is degraded many times in a row.
    return read_picture(path)


def recipe_of(done: Done) -> dict[str, Any]:
    """The recipe of a result as plain JSON values."""
    values: dict[str, Any] = json.loads(done.line)
    return values
