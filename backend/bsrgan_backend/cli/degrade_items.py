"""Which pictures are degraded with which seeds into which files: decided before anything is read.

Item k of a run (pictures in order, `--count` of each) has the seed S + k, modulo 2^53, whatever number of processes
works on it: so the results do not depend on the machine, and one of them can be made again alone with `--seed S+k`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bsrgan_backend.cli import batch
from bsrgan_backend.cli.batch import SUFFIXES, USAGE
from bsrgan_backend.cli.failure import Failure
from bsrgan_backend.degradation import Recipe, Request

LQ, HQ, PAIR, TRIP = "_LQ", "_HQ", "_pair", "_trip"
SHEET = "sheet.png"
LARGEST_SEED = 2**53 - 1
MOST_ITEMS = 100_000

Wanted = Request | Recipe


@dataclass(frozen=True)
class Item:
    """One result.

    Attributes:
        source: the picture.
        folder: where results go; it exists.
        stem: their name without mark and ending.
        wanted: a request with its own seed, or a recipe.
        patch: side of the patch that is cut out first, px; 0 for the whole picture.
        pair: whether result and clean picture are written side by side as well.
        cell: side of a thumbnail for the contact sheet, px; 0 for none.
    """

    source: Path
    folder: Path
    stem: str
    wanted: Wanted
    patch: int = 0
    pair: bool = False
    cell: int = 0

    def target(self, mark: str) -> Path:
        """The file of one kind of result."""
        return self.folder / f"{self.stem}{mark}.png"


def plan(sources: list[Path], wanted: list[Wanted], pattern: Item) -> list[Item]:
    """Every result of a run.

    Args:
        sources: the pictures, in order.
        wanted: what is done to each picture; of a request the seed is raised by the number of the item.
        pattern: what is the same for all.

    Raises:
        Failure: two pictures with one name, or too many results.
    """
    stems = batch.stems(sources)
    _require_different_names(sources, stems)
    if len(sources) * len(wanted) > MOST_ITEMS:
        raise Failure(f"At most {MOST_ITEMS} results are made in one run; ask for fewer.", USAGE)
    digits = len(str(len(wanted)))
    items: list[Item] = []
    for source, name in zip(sources, stems, strict=True):
        for number, one in enumerate(wanted, 1):
            stem = name if len(wanted) == 1 else f"{name}_{number:0{digits}}"
            items.append(replace(pattern, source=source, stem=stem, wanted=_seeded(one, len(items))))
    return items


def _seeded(wanted: Wanted, number: int) -> Wanted:
    if isinstance(wanted, Recipe):
        return wanted
    return replace(wanted, seed=(wanted.seed + number) % (LARGEST_SEED + 1))


def sources(inputs: list[Path]) -> list[Path]:
    """The pictures that are meant: files as they are, of folders their pictures without results of earlier runs.

    A picture that is named twice counts once.

    Raises:
        Failure: a folder without pictures.
    """
    return batch.distinct(path for entry in inputs for path in (_pictures(entry) if entry.is_dir() else [entry]))


def _pictures(folder: Path) -> Iterator[Path]:
    found = [path for path in sorted(folder.iterdir()) if _is_picture(path)]
    if not found:
        raise Failure(f"There are no pictures in {folder}.")
    yield from found


def _is_picture(path: Path) -> bool:
    is_result = path.name == SHEET or path.stem.endswith((LQ, HQ, PAIR, TRIP, batch.MARK))
    return path.is_file() and path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and not is_result


def _require_different_names(pictures: list[Path], stems: list[str]) -> None:
    seen: dict[str, Path] = {}
    for path, stem in zip(pictures, stems, strict=True):
        other = seen.setdefault(stem, path)
        if other is not path:
            raise Failure(
                f"{other} and {path} would both become {stem}{LQ}.png; do them into different folders.", USAGE
            )
