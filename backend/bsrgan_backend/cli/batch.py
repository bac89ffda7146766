"""Which files are upscaled into which: decided before anything is read, so that mistakes cost no time."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bsrgan_backend.cli.failure import Failure
from bsrgan_backend.errors import BackendError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".ppm", ".pgm", ".gif"})
"""What counts as a picture in a folder; a file that is named itself may be called anything."""

WRITTEN = frozenset({".png", ".tif", ".tiff", ".jpg", ".jpeg", ".webp"})
"""What a result may end with; spelt out here, so that no command waits for the writers' imports."""

MARK = "_BSRGAN"
USAGE = 2

_DESCRIPTOR = re.compile(r"/dev/(stdin|fd/\d+)|/proc/(self|\d+)/fd/\d+")
"""What a shell makes of `<(command)`, and what is piped in."""


@dataclass(frozen=True)
class Item:
    """One picture.

    Attributes:
        source: the file to read.
        target: the file to write; its folder exists or is made. With `-d` its suffix is decided after reading.
        is_named: the target was given by `-o`, so its suffix counts.
    """

    source: Path
    target: Path
    is_named: bool = False


def plan(inputs: list[Path], output: Path | None, folder: Path | None) -> list[Item]:
    """List what is to be done.

    Args:
        inputs: files and folders; of a folder its pictures, without results of earlier runs, not its subfolders.
        output: `-o`, for exactly one file.
        folder: `-d`; results are named by `stems`, as `NAME_BSRGAN.png`.

    Raises:
        Failure: wrong use of `-o`, wrong ending (status 2), a folder without pictures, two inputs with one result, or
            a result in an input's place (status 2).
    """
    if output is not None:
        return [_single(inputs, output)]
    if folder is None:
        raise Failure("Say where results go: -o FILE for one picture, -d FOLDER for any number.", USAGE)
    if folder.exists() and not folder.is_dir():
        raise Failure(f"{folder} is a file; -d takes a folder.", USAGE)
    sources = distinct(_sources(inputs))
    items = [Item(source, folder / f"{stem}{MARK}.png") for source, stem in zip(sources, stems(sources), strict=True)]
    _check_unique(items)
    # A picture of floating-point numbers, which only reading shows, becomes a TIFF.
    targets = [target for item in items for target in (item.target, item.target.with_suffix(".tif"))]
    require_no_input_among(targets, sources)
    return items


def _single(inputs: list[Path], output: Path) -> Item:
    if len(inputs) != 1 or inputs[0].is_dir():
        raise Failure("-o takes exactly one picture; use -d FOLDER for several or for a folder.", USAGE)
    if output.is_dir():
        raise Failure(f"{output} is a folder; use -d for folders, or name a file.", USAGE)
    if output.exists() and inputs[0].exists() and output.samefile(inputs[0]):
        raise Failure("The result would replace the picture itself; choose another name.", USAGE)
    if output.suffix.lower() not in WRITTEN:
        raise Failure(f"{output.name}: Pictures are written as .png, .tif, .jpg or .webp; choose one of these.", USAGE)
    return Item(inputs[0], output, is_named=True)


def _sources(inputs: list[Path]) -> Iterator[Path]:
    for entry in inputs:
        if not entry.is_dir():
            yield entry
            continue
        found = sorted(path for path in entry.iterdir() if _is_picture(path))
        if not found:
            raise Failure(f"There are no pictures in {entry}.")
        yield from found


def distinct(sources: Iterable[Path]) -> list[Path]:
    """Each picture once, at its first place.

    Args:
        sources: paths; several may lead to one file. A link under another name is a picture of its own.
    """
    first: dict[tuple[str, str], Path] = {}
    for path in sources:
        first.setdefault((os.path.realpath(path), path.name), path)
    return list(first.values())


def require_file(path: Path) -> None:
    """Refuse to open what may never end, such as a pipe that nobody writes to; the caller's own descriptors are fine.

    Raises:
        BackendError: it is there, and neither a file nor a folder, of which reading says what is wrong.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or _DESCRIPTOR.fullmatch(path.as_posix())):
        raise BackendError("BAD_PARAM", f"{path.name}: This is a pipe or a device, not a picture file.")


def stems(sources: list[Path]) -> list[str]:
    """What results are named after: the pictures' names, with the ending where pictures differ in that alone.

    Args:
        sources: the pictures of one run; their order does not matter.

    Returns:
        For each of them "anim", or "anim_gif" where there is an anim.png too.
    """
    names: dict[str, set[str]] = {}
    for path in sources:
        names.setdefault(path.stem, set()).add(path.name)
    return [path.stem if len(names[path.stem]) == 1 else _with_ending(path) for path in sources]


def _with_ending(path: Path) -> str:
    return path.stem + path.suffix.replace(".", "_")


def _is_picture(path: Path) -> bool:
    return (
        path.is_file()
        and path.suffix.lower() in SUFFIXES
        and not path.name.startswith(".")
        and not path.stem.endswith(MARK)
    )


def _check_unique(items: list[Item]) -> None:
    seen: dict[Path, Path] = {}
    for item in items:
        other = seen.setdefault(item.target, item.source)
        if other is not item.source:
            raise Failure(
                f"{other} and {item.source} would both become {item.target.name}; do them into different folders."
            )
        if item.target.exists() and item.source.exists() and item.target.samefile(item.source):
            raise Failure(f"The result of {item.source} would replace it; choose another folder.", USAGE)


def require_no_input_among(targets: list[Path], inputs: list[Path]) -> None:
    """Refuse a run that would write over what it reads.

    Raises:
        Failure: a result has the name of an input (status 2).
    """
    # Not `Path.resolve`, which fails at links in a circle.
    read = {os.path.realpath(path) for path in inputs}
    for target in targets:
        if os.path.realpath(target) in read:
            raise Failure(f"The result {target.name} would replace an input; choose another folder.", USAGE)
