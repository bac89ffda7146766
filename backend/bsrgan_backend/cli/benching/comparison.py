"""One whole measurement: what is asked for, in which order things are measured, and all that came out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

from bsrgan_backend.cli.benching import (
    contestants,
    daemon_run,
    degradations,
    fidelity,
    judging,
    memories,
    overheads,
    peer_environment,
    pictures,
    previews,
    race,
    starting,
)
from bsrgan_backend.cli.benching.claims import Claim
from bsrgan_backend.cli.benching.own_daemon import chosen_model, own_daemon, own_root
from bsrgan_backend.cli.benching.rows import Row
from bsrgan_backend.engine import host
from bsrgan_backend.models.store import ModelStore
from bsrgan_wire import places
from bsrgan_wire.client import Client

PRECISIONS = ("exact", "fast")
PROBE_PX = 128
"""Side of a picture that tells each contestant's memory before a large one is tried."""

SHORT_RUNS = 5
"""Short measurements are repeated so many times as often as long ones."""

Show = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What is asked for.

    Attributes:
        model: id; empty for the default.
        sizes: sides of the pictures, ascending.
        runs: warm runs of each contestant and size.
        with_peers: whether the other runtimes take part.
        photo: file to cut the pictures from; None for the bundled one.
        photos: folder of photos to compare the precisions on; None for none.
        memory: cases whose memory is held against what the plan expects.
        with_degradation: whether degradations are timed too.
        gimp: the words that call a gimp-console; empty for none.
    """

    model: str
    sizes: tuple[int, ...]
    runs: int
    with_peers: bool
    photo: Path | None
    photos: Path | None
    memory: tuple[memories.Case, ...]
    with_degradation: bool
    gimp: list[str]


@dataclass
class Report:
    """All that was measured.

    Attributes:
        conditions: name to text: model, threads, picture, order of the runs.
        rows: side to its networks and matrix products.
        claims: in the order of the table.
        photos: of a folder, if one was given.
        memory: one for each case that ran.
    """

    conditions: dict[str, str]
    rows: dict[int, list[Row]] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    photos: list[fidelity.Fidelity] = field(default_factory=list)
    memory: list[memories.Use] = field(default_factory=list)


def measure(options: Options, show: Show) -> Report:
    """Measure everything.

    Args:
        options: what is asked for.
        show: given a line of progress.

    Raises:
        Failure: the model is not installed, pip failed, there are no photos.
        BackendError: the photo cannot be read.
        DaemonUnreachable: a measured daemon did not start.
    """
    with own_root() as root, tempfile.TemporaryDirectory(prefix="gimp-bsrgan-bench-") as folder:
        return _Measurement(options, root, Path(folder), show).run()


class _Measurement:
    """The steps, with what they share."""

    def __init__(self, options: Options, root: Path, folder: Path, show: Show) -> None:
        self._options = options
        self._root = root
        self._folder = folder
        self._show = show
        self._photo = pictures.photo(options.photo)
        self._model = chosen_model(root, options.model)
        self._python = peer_environment.ensure(places.prefix(), show) if options.with_peers else None
        self._course = _course(root, self._model)
        self._report = Report(self._conditions())

    def run(self) -> Report:
        """All of them."""
        with own_daemon(self._root) as client:
            costs = self._costs(client)
            self._show("measuring the plug-in in GIMP")
            costs.append(overheads.plugin(self._options.gimp, self._root))
        costs.append(overheads.plugin_writing(self._options.gimp))
        self._races()
        self._report.claims = [
            *self._speeds(),
            *self._photos(),
            *self._memory(),
            *costs,
            *starting.measure(self._model, self._show),
            *(degradations.measure(self._show) if self._options.with_degradation else ()),
        ]
        return self._report

    def _costs(self, client: Client) -> list[Claim]:
        # The daemon's memory counts before it has had anything to do.
        memory = overheads.daemon_memory(client)
        runs = self._options.runs * SHORT_RUNS
        picture = pictures.square(self._photo.pixels, previews.PICTURE_PX)[0]
        scale = self._course.architecture.scale
        return [
            *previews.measure(client, self._model, scale, picture, self._options.runs, self._show),
            overheads.overhead(client, self._model, runs, self._show),
            memory,
        ]

    def _races(self) -> None:
        memory = race.Memory()
        entrants = self._entrants()
        for side in _sides(self._options.sizes):
            picture = pictures.square(self._photo.pixels, side)[0]
            ground = pictures.prepare(picture, self._course.architecture, self._folder / str(side))
            is_asked = side in self._options.sizes
            rows = race.run(entrants, ground, self._options.runs if is_asked else 0, memory, self._show)
            if is_asked:
                rows = _with_precision(rows)
                self._report.rows[side] = rows

    def _entrants(self) -> list[contestants.Contestant]:
        course, python = self._course, self._python
        return [
            *(contestants.engine(course, precision) for precision in PRECISIONS),
            *(daemon_run.contestant(course, self._root, self._model, precision) for precision in PRECISIONS),
            *(contestants.peers(course, python) if python else ()),
            *contestants.products(course.threads, python),
        ]

    def _speeds(self) -> list[Claim]:
        """Of the size that the requirements are for, or else of the largest."""
        rows = self._report.rows
        side = judging.SIDE_PX if judging.SIDE_PX in rows else max(rows)
        return judging.claims(rows[side], side, self._course.architecture)

    def _photos(self) -> list[Claim]:
        if self._options.photos is None:
            return []
        self._report.photos = fidelity.compare(self._course, self._options.photos, self._folder, self._show)
        return [judging.photos_claim(self._report.photos)]

    def _memory(self) -> list[Claim]:
        self._report.memory = memories.measure(self._course, self._options.memory, self._show)
        return memories.claims(self._report.memory)

    def _conditions(self) -> dict[str, str]:
        architecture, photo = self._course.architecture, self._photo
        ways = (f"{side} x {side} {pictures.square(photo.pixels, side)[1]}" for side in self._options.sizes)
        return {
            "date": datetime.now(timezone.utc).date().isoformat(),
            "model": f"{self._model}, {architecture.blocks} blocks, x{architecture.scale}",
            "threads": str(self._course.threads),
            "picture": f"{photo.source}; {'; '.join(ways)}",
            "order": f"in turns, median of {self._options.runs} warm runs each",
        }


def _course(root: Path, model: str) -> contestants.Course:
    store = ModelStore(root / "models")
    return contestants.Course(store.load(model).architecture, store.path(model), root / "cache", host.usable_threads())


def _sides(sizes: tuple[int, ...]) -> list[int]:
    """The sides, smallest first, with a small one before them where only large ones are asked for."""
    sides = sorted(sizes)
    return sides if sides[0] <= 2 * PROBE_PX else [PROBE_PX, *sides]


def _with_precision(rows: list[Row]) -> list[Row]:
    """The rows of the daemon with the arithmetic that the engine alone tells for the same precision."""
    told = {row.asked: row.precision for row in rows if row.name == contestants.ENGINE}
    return [replace(row, precision=told[row.asked]) if row.name == contestants.DAEMON else row for row in rows]
