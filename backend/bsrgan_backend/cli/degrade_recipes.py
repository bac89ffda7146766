"""Recipes in files: one JSON object a line in recipes.jsonl, a JSON file of one, or the text in a PNG."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bsrgan_backend.cli import degrade_png
from bsrgan_backend.cli.failure import Failure
from bsrgan_backend.degradation import Recipe, loads
from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging.pictures import writing

FILE_NAME = "recipes.jsonl"


def read(path: Path) -> list[Recipe]:
    """The recipes of a file, in its order.

    Args:
        path: a PNG of ours, a recipe as JSON, or one recipe a line.

    Raises:
        Failure: there is no such file, or no recipe in it; the sentence names the line.
        BackendError: a file with one recipe, and that is damaged or too new.
    """
    data = _bytes_of(path)
    if data.startswith(degrade_png.SIGNATURE):
        return [loads(degrade_png.read_recipe(data, path.name))]
    lines = [line for line in data.splitlines() if line.strip()]
    if not lines:
        raise Failure(f"{path.name}: The file is empty; choose a recipe that was saved with a result.")
    # A recipe that was written with line breaks is one object; its first line alone is not.
    if len(lines) == 1 or lines[0].strip() in (b"{", b"["):
        return [loads(data)]
    return [_line(line, number, path.name) for number, line in enumerate(lines, 1)]


def _line(line: bytes, number: int, name: str) -> Recipe:
    try:
        return loads(line)
    except BackendError as error:
        raise Failure(f"{name}, line {number}: {error.text}") from None


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Failure(f"{path.name}: The recipe cannot be read ({error.strerror}).") from None


def line_of(recipe: Recipe, facts: dict[str, Any]) -> str:
    """A recipe on one line of ASCII, with facts about its file behind it, which readers of recipes pass over."""
    return json.dumps(recipe.to_json() | facts, separators=(",", ":"))


def line_in(path: Path) -> str:
    """The line that a result carries inside, empty when there is no such result.

    Args:
        path: where it would be.
    """
    try:
        line = degrade_png.read_recipe(path.read_bytes(), path.name)
    except (OSError, Failure):
        return ""
    return line if _file_of(line) == path.name else ""


def save(folder: Path, lines: Iterable[str]) -> None:
    """Write recipes.jsonl; lines of other files from earlier runs stay, those of files written anew are replaced.

    Args:
        folder: where the results are.
        lines: of `line_of` with a fact "file".

    Raises:
        BackendError: the file cannot be written; it is as it was.
    """
    new = {str(json.loads(line)["file"]): line.encode("ascii") for line in lines}
    if not new:
        return
    path = folder / FILE_NAME
    # As bytes: what is no text, or no line of ours, stays as it is.
    earlier = path.read_bytes().splitlines() if path.exists() else []
    kept = [line for line in earlier if _file_of(line) not in new]
    part = path.with_name(f".{FILE_NAME}.part")
    try:
        part.write_bytes(b"\n".join([*kept, *new.values(), b""]))
        part.replace(path)
    except OSError as error:
        raise writing.failure(error, path) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _file_of(line: str | bytes) -> str | None:
    try:
        values = json.loads(line)
    except ValueError:
        return None
    return str(values.get("file")) if isinstance(values, dict) else None
