"""What `gimp-bsrgan degrade` was asked for, as items; and the run over them, from first file to last report."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bsrgan_backend.cli import (
    batch,
    connection,
    degrade_items,
    degrade_pool,
    degrade_recipes,
    degrade_trip,
    degrade_work,
)
from bsrgan_backend.cli.batch import USAGE
from bsrgan_backend.cli.degrade_items import HQ, LQ, PAIR, SHEET, TRIP, Item, Wanted
from bsrgan_backend.cli.degrade_work import Done
from bsrgan_backend.cli.failure import Failure, code_of, sentence_of
from bsrgan_backend.cli.language import _, printable
from bsrgan_backend.cli.progress import ProgressBar, bar
from bsrgan_backend.degradation import read_request
from bsrgan_backend.degradation.contact_sheet import cell_px, contact_sheet
from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging.pictures import Picture, write_picture, writing
from bsrgan_wire.client import Client
from bsrgan_wire.errors import WireError
from bsrgan_wire.language import translated

_OPTIONS = ("mode", "preset", "scale", "seed", "profile", "strength", "variation", "same_size", "off")
"""Command-line options that are options of a request, under the same names."""

_GENERAL = {"DEVICE", "MODEL_MISSING", "MODEL_LOAD", "MODEL_HASH", "SHUTTING_DOWN", "DISK_FULL", "AUTH", "VERSION"}
"""Failures that the next picture would meet as well."""


def items(asked: argparse.Namespace) -> list[Item]:
    """Every result that is wanted.

    Raises:
        Failure: wrong usage.
        BackendError: an option is out of bounds, or the recipe cannot be used.
    """
    folder: Path = asked.directory
    if folder.exists() and not folder.is_dir():
        raise Failure(f"{folder} is a file; -d takes a folder.", USAGE)
    wanted = _wanted(asked)
    sources = degrade_items.sources(asked.inputs)
    cell = cell_px(len(sources) * len(wanted)) if asked.sheet else 0
    pattern = Item(Path(), folder, "", wanted[0], asked.patch, asked.pairs, cell)
    planned = degrade_items.plan(sources, wanted, pattern)
    targets = [item.target(mark) for item in planned for mark in (LQ, HQ, PAIR, TRIP)]
    read = [*sources, *(path for path in (asked.recipe, asked.steps) if path is not None)]
    batch.require_no_input_among([*targets, folder / SHEET], read)
    return planned


def _wanted(asked: argparse.Namespace) -> list[Wanted]:
    """What is done to each picture: recipes as they are, or one request as often as `--count` says."""
    given = {name: value for name in _OPTIONS if (value := getattr(asked, name)) is not None}
    if asked.recipe is not None:
        drawn = [*given, *(name for name in ("steps", "count") if getattr(asked, name) is not None)]
        if drawn:
            option = drawn[0].replace("_", "-")
            raise Failure(f"A recipe holds every number already; leave out --{option} or --recipe.", USAGE)
        return list(degrade_recipes.read(asked.recipe))
    for name, implied in (("preset", "preset"), ("steps", "manual")):
        if getattr(asked, name) is not None and given.setdefault("mode", implied) != implied:
            raise Failure(f"--{name} needs the mode {implied}; leave out one of the two.", USAGE)
    if asked.steps is not None:
        given["steps"] = _steps(asked.steps)
    return [read_request(given)] * (asked.count or 1)


def _steps(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise Failure(f"{path.name}: The steps cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError):
        raise Failure(f'{path.name}: This is no JSON; write a list like [{{"step": "jpeg", "quality": 40}}].') from None


class Run:
    """One run over the items."""

    def __init__(self, asked: argparse.Namespace, planned: list[Item], shown: ProgressBar) -> None:
        self._asked = asked
        self._items = planned
        self._shown = shown
        self._done: list[Done] = []
        self._trips: dict[str, dict[str, Any]] = {}
        self._failed: list[str] = []

    def run(self) -> int:
        """Degrade, list the recipes, then what else was asked for; returns the exit status."""
        folder = self._items[0].folder
        writing.require_place(folder / degrade_recipes.FILE_NAME)
        try:
            degrade_pool.run(self._items, self._asked.processes, self._take)
        except BaseException:
            # What ended the run is told, not what it meant for the list.
            with contextlib.suppress(BackendError):
                self._list(folder, self._untold())
            raise
        self._list(folder, ())
        good = [(item, done) for item, done in zip(self._items, self._done, strict=True) if not done.error]
        if self._asked.sheet and good:
            self._write_sheet(folder / SHEET)
        if self._asked.then_upscale and good:
            self._go_back(good)
        self._report([done for _item, done in good])
        return 1 if self._failed else 0

    def _list(self, folder: Path, more: Iterable[str]) -> None:
        degrade_recipes.save(folder, [*(done.line for done in self._done if done.line), *more])

    def _untold(self) -> Iterator[str]:
        """Lines of results that were written before the run ended, but not told about any more."""
        told = {done.stem for done in self._done}
        for item in self._items:
            if item.stem not in told and (line := degrade_recipes.line_in(item.target(LQ))):
                yield line

    def _take(self, done: Done) -> None:
        if done.code in _GENERAL:
            raise BackendError(done.code, done.error)
        self._done.append(done)
        if done.error:
            self._fail(done.error)
        for note in done.notes:
            self._tell(f"{done.stem}: {note}")
        number, total = len(self._done), len(self._items)
        self._shown.show(f"{bar(number, total)}  {number}/{total}")

    def _write_sheet(self, path: Path) -> None:
        cells = [(done.thumbnail, f"seed {done.facts['seed']}") for done in self._done if done.thumbnail is not None]
        write_picture(path, Picture(contact_sheet(cells, self._items[0].cell)))

    def _go_back(self, good: list[tuple[Item, Done]]) -> None:
        with connection.connect(lambda: self._shown.show(_("starting the daemon"))) as client:
            for number, (item, done) in enumerate(good, 1):
                try:
                    self._trip(item, done, client, f"{number}/{len(good)} {item.stem}")
                except (BackendError, WireError, OSError, MemoryError) as error:
                    # One picture's failure is its own; what is wrong with the daemon ends the run.
                    if code_of(error) in _GENERAL:
                        raise
                    self._fail(f"{item.stem}: {sentence_of(error)}")

    def _trip(self, item: Item, done: Done, client: Client, label: str) -> None:
        trip = degrade_trip.run(item, done, client, self._asked.model, lambda text: self._shown.show(text, label))
        self._trips[item.stem] = trip.facts()
        for note in trip.notes:
            self._tell(f"{item.stem}: {note}")
        if not self._asked.json:
            self._shown.clear()
            print(printable(trip.sentence(item.stem)), flush=True)

    def _report(self, good: list[Done]) -> None:
        self._shown.clear()
        if self._asked.json:
            print(json.dumps({"results": [self._facts(done) for done in good], "failed": self._failed}, indent=1))
        elif sys.stderr.isatty():
            written = _("{count} of {total} written to {folder}")
            self._tell(written.format(count=len(good), total=len(self._items), folder=self._asked.directory))

    def _facts(self, done: Done) -> dict[str, Any]:
        trip = self._trips.get(done.stem, {})
        return {**done.facts, **trip, "notes": list(done.notes), "recipe": degrade_work.recipe_of(done)}

    def _fail(self, sentence: str) -> None:
        # What a picture meets is the same for each of its results, which follow each other.
        if self._failed[-1:] != [sentence]:
            self._tell(sentence)
        self._failed.append(sentence)

    def _tell(self, text: str) -> None:
        self._shown.clear()
        print(printable(translated(text)), file=sys.stderr)
