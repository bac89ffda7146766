"""What is known of installed models: the `ID.json` beside each one's weights. Reads small files and nothing else.

The daemon lists models by this module, so it imports no numpy.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from pathlib import Path

MODEL_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_FACTS_BYTES_MAX = 64 * 1024
_SCALE_MAX = 64
_NUMBER_MAX = 2**53
"""What every reader of a number takes, those of the wire included."""


@dataclass(frozen=True)
class InstalledModel:
    """What `ID.json` says of an installed model.

    Attributes:
        id: the name that users give.
        title: for lists and the dialog.
        description: one line: what pictures it is for, or where the file came from.
        licence: SPDX expression, or "unknown" for a file that the user added.
        credit: authors and paper, or "".
        source: where it came from: an address, package==version, or a file name.
        scale: factor from picture to result.
        in_channels: channels that it takes, 1 or 3.
        out_channels: channels that it gives, 1 or 3.
        features: channels of the trunk.
        blocks: residual-in-residual dense blocks.
        growth: channels that each dense convolution adds.
        unshuffle: pixel-unshuffle factor at its start.
        digest: SHA-256 of its tensors (`Weights.digest`).
        file_sha256: SHA-256 of `ID.safetensors`.
        source_sha256: SHA-256 of the file that it was read from (ncnn: of the `.bin`).
        bytes: length of `ID.safetensors`.
    """

    id: str
    title: str
    description: str
    licence: str
    credit: str
    source: str
    scale: int
    in_channels: int
    out_channels: int
    features: int
    blocks: int
    growth: int
    unshuffle: int
    digest: str
    file_sha256: str
    source_sha256: str
    bytes: int


def installed(folder: Path) -> list[InstalledModel]:
    """Every model with readable facts and its weights beside them, sorted by id; an unreadable folder has none."""
    try:
        names = sorted(path.stem for path in folder.glob("*.json") if MODEL_ID.fullmatch(path.stem))
    except OSError:
        return []
    return [facts for name in names if (facts := read(folder, name)) and (folder / f"{name}.safetensors").is_file()]


def read(folder: Path, model_id: str) -> InstalledModel | None:
    """The facts of a model; None when there are none or they are not readable, or are not those of any model."""
    value = json_of(folder / f"{model_id}.json")
    wanted = {field.name: str if field.type == "str" else int for field in fields(InstalledModel)}
    if any(type(value.get(name)) is not kind for name, kind in wanted.items()) or value["id"] != model_id:
        return None
    known = InstalledModel(**{name: value[name] for name in wanted})  # type: ignore[arg-type]
    numbers = [getattr(known, name) for name, kind in wanted.items() if kind is int]
    return known if known.scale <= _SCALE_MAX and all(1 <= number <= _NUMBER_MAX for number in numbers) else None


def file_of(folder: Path, model_id: str) -> str:
    """What tells the installed file of a model from any other, its SHA-256; "" where no such model is readable."""
    known = read(folder, model_id)
    return known.file_sha256 if known is not None else ""


def json_of(path: Path) -> dict[str, object]:
    """The object in a small JSON file; empty when there is none."""
    try:
        if path.stat().st_size > _FACTS_BYTES_MAX:
            return {}
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
