"""RRDBNet on the processor: by rows with fast convolutions where they are faster, else by Paddle in tiles.

Paddle always loads the net: its result is what the rows are held to, it takes the pictures for which the rows have too
little memory, and it has bfloat16, which is fast where a trial says so. Elsewhere larger tiles of the rows are.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine import engine, host, paddle_engine, precision, predictors, saving, ways
from bsrgan_backend.engine.winograd import blas, network, run, transforms
from bsrgan_backend.engine.winograd.crew import Crew
from bsrgan_backend.engine.winograd.helpers import Helpers
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.weights import Architecture, Weights

Array = npt.NDArray[np.float32]

ROWS, TILES = "winograd", "tiles"

LEAST_FEATURES = 32
"""Nets with fewer channels are left to Paddle: their products are too thin to be worth it."""

ASKED_GAIN = 1.1
"""How many times as fast as rows bfloat16 must be in the trial for those who ask for fast. The trial leaves out its
calls and the tail, which take longer than those of rows."""

SCHEMES = {"exact": transforms.EXACT, "fast": transforms.FAST}
"""How rows run in a precision."""

_NARROW_PX, _HIGH_PX = 16, 256
"""Features so narrow are mostly padding by rows, which have panels of 64 or 48 pixels: tiles are 3 to 30 times as fast.
That counts where they are higher than this."""

_TRIAL_ROUNDS = 2

_log = logging.getLogger(__name__)


class ProcessorEngine:
    """A loaded model that runs by rows; an `engine.Engine`. Used by the thread that loaded it only.

    Args:
        weights: the net.
        tiled: the same by Paddle.
        folder: its programs, as `saving.prepare` returned it; the precisions' trial is remembered there too.
        spool: folder for features that do not fit into memory; None for none.
    """

    def __init__(
        self, weights: Weights, tiled: paddle_engine.PaddleEngine, folder: Path, spool: Path | None = None
    ) -> None:
        self._weights = weights
        self._tiled = tiled
        self._folder = folder
        self._spool = spool
        self._notes: tuple[str, ...] = ()
        self._usual = "exact"
        self._is_bfloat16: bool | None = None
        self._crews: list[Crew] = []
        self._helpers = Helpers(tiled.facts.threads)
        self._runners: dict[str, run.Runner] = {}
        version = f"NumPy {np.__version__} ({blas.kernels()}) and {tiled.facts.engine_version}"
        self._facts = replace(tiled.facts, engine=ROWS, engine_version=version)

    @property
    def facts(self) -> engine.Facts:
        """What runs it."""
        return self._facts

    @property
    def architecture(self) -> Architecture:
        """What it is."""
        return self._tiled.architecture

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about how it was loaded and what its runs did differently."""
        return self._tiled.notes + tuple(note for note in self._notes if note not in self._tiled.notes)

    @property
    def folder(self) -> Path:
        """Where its trials are remembered."""
        return self._folder

    @property
    def tiled(self) -> paddle_engine.PaddleEngine:
        """The same model by Paddle, for what does not run by rows."""
        return self._tiled

    @property
    def helper_pids(self) -> list[int]:
        """Processes that share its pictures, for those who count memory."""
        return self._helpers.pids

    def add_notes(self, notes: tuple[str, ...]) -> None:
        """Add sentences about how it came to be loaded."""
        self._notes += tuple(note for note in notes if note not in self._notes)

    def settle(self, asked: str) -> None:
        """Choose between exact and fast for runs that do not ask for either, as `PaddleEngine.settle`.

        Raises:
            EngineUnusable: the rows' numbers are wrong.
            MemoryError: the kernels do not fit.
        """
        if self._verdict(asked).is_fast:
            self._usual = "fast"
            self._facts = replace(self._facts, precision="bf16")
            self._tiled.settle("fast")
            wanted = {}
        else:
            self._usual = "fast" if asked == "fast" else "exact"
            wanted = {self._usual: self.runner(self._usual)}
        # Kernels of the other precision may have been made for a trial, and are large, in the helpers too.
        has_others = bool(self._runners.keys() - wanted.keys())
        self._runners = wanted
        if has_others:
            self._helpers.rest()

    def runner(self, which: str) -> run.Runner:
        """The rows in a precision, made and held to the reference when they are first asked for.

        Raises:
            EngineUnusable: their numbers are wrong.
            MemoryError: the kernels do not fit.
        """
        if which not in self._runners:
            kernels = network.prepare(self._weights, SCHEMES[which], self._helpers.allocate)
            made = run.Runner(kernels, self._crews, self._helpers)
            image, features, _result = saving.reference(self._folder)
            found = made.features(self._plans(image.shape[2:], which)[0], image)
            predictors.check(f"{which} trunk by rows", found, features)
            self._runners[which] = made
        return self._runners[which]

    def whole(self, image: Array, which: str) -> Array:
        """A small picture by rows: (1, C·u², H, W) unshuffled → (1, C_out, fH, fW)."""
        strips: list[Array] = []
        plan = self._plans(image.shape[2:], which)[0]
        # The picture's own size: with pixel-unshuffle it is `unshuffle` times that of the features.
        size = tuple(side * self.architecture.unshuffle for side in image.shape[2:])
        self.runner(which).run(plan, image, size, lambda _, rows: strips.append(rows), _ignore, lambda: False, None)
        return np.ascontiguousarray(np.concatenate(strips).transpose(2, 0, 1)[np.newaxis])

    def first_blocks(self, image: Array, which: str, count: int) -> Callable[[], Array]:
        """The trunk of the first RRDBs only, for measurements: (1, C·u², H, W) unshuffled → (1, nf, H, W)."""
        plan, few = self._plans(image.shape[2:], which)[0], self.runner(which).shortened(count)
        return lambda: few.features(plan, image)

    def even_blocks(self) -> int:
        """RRDBs whose dense blocks, three each, are shared evenly by the threads: one for each thread."""
        return min(self._facts.threads, self.architecture.blocks)

    def upscale(
        self,
        image: Array,
        sink: engine.Sink,
        on_progress: engine.OnProgress,
        should_stop: Callable[[], bool],
        *,
        memory_budget_bytes: int | None = None,
        tile: int | None = None,
        precision: str | None = None,
    ) -> None:
        """As `engine.upscale`; `precision` None or "auto" is the one that the model was loaded with.

        `tile` counts where the picture is tiled: rows are thinner than any tile.
        """
        wanted = self._asked(precision)
        which = self.fitting(image, wanted, memory_budget_bytes, tile)
        self.add_notes((paddle_engine.EXACT_TAKES_LESS,) if which != wanted else ())
        rows = self._rows(which)
        # The kernels are there by now, so what is free is what the picture may take.
        budget = memory_budget_bytes or int(host.available_memory_bytes() * engine.MEMORY_SHARE)
        full: run.SpoolFull | None = None
        for plan in self.plans(image, budget, which):
            if rows is None:
                break
            if full and plan.spooled:
                continue
            try:
                values = engine.unshuffled(image, self.architecture.unshuffle)
                size = image.shape[:2]
                is_short = rows.run(plan, values, size, sink, on_progress, should_stop, self._spool)
            except run.SpoolFull as error:
                # Fewer threads may do without a file.
                _log.warning("no room in the spool: %s", error)
                full = error
            except MemoryError as error:
                _log.warning("memory ran short with %d threads: %s", plan.threads, error)
                self.add_notes((engine.SMALLER_PIECES,))
            else:
                self.add_notes((engine.SMALLER_PIECES,) if is_short else ())
                return
        if full is not None:
            raise full
        with run.held(self._crews):
            self._tiled.upscale(
                image,
                sink,
                on_progress,
                should_stop,
                # No more than there is: a budget beyond that may be what the rows have failed with.
                memory_budget_bytes=min(budget, int(host.available_memory_bytes() * engine.MEMORY_SHARE)),
                tile=tile,
                precision=which,
            )

    def fitting(self, image: Array, wanted: str, budget_bytes: int | None, tile: int | None = None) -> str:
        """As `PaddleEngine.fitting`: exact rows need less than bfloat16 does.

        Raises:
            BackendError: BAD_SHAPE.
        """
        is_bfloat16 = wanted == "fast" and self._has_bfloat16()
        return self._tiled.fitting(image, wanted, budget_bytes, tile) if is_bfloat16 else wanted

    def plans(self, image: Array, budget_bytes: int, precision: str | None = None) -> list[run.Plan]:
        """How a picture can run by rows within a budget, the fastest way first; empty when it must be tiled.

        Raises:
            BackendError: BAD_SHAPE.
        """
        engine.check_image(image, self.architecture)
        which = self._asked(precision)
        if which == "fast" and self._has_bfloat16():
            return []
        factor = self.architecture.unshuffle
        height, width = (math.ceil(side / factor) for side in image.shape[:2])
        if self._is_better_tiled(image, height, width, budget_bytes):
            return []
        return [plan for plan in self._plans((height, width), which) if plan.need_bytes <= budget_bytes]

    def _is_better_tiled(self, image: Array, height: int, width: int, budget_bytes: int) -> bool:
        """Whether rows would work on little but padding, and tiles fit into the budget."""
        if width > _NARROW_PX or height <= _HIGH_PX:
            return False
        try:
            engine.plan_for(self._tiled, image, "exact", budget_bytes)
        except BackendError:
            return False
        return True

    def _plans(self, size: tuple[int, int], which: str) -> list[run.Plan]:
        can_spool = self._spool is not None
        return run.plans(size, self.architecture, self._facts.threads, SCHEMES[which], can_spool=can_spool)

    def _asked(self, precision: str | None) -> str:
        return self._usual if precision in (None, "auto") else str(precision)

    def _rows(self, which: str) -> run.Runner | None:
        """The rows in a precision, or None where Paddle has it."""
        try:
            return None if which == "fast" and self._has_bfloat16() else self.runner(which)
        except (predictors.EngineUnusable, MemoryError) as error:
            _log.warning("the rows are left out for %s: %s", which, error)
            return None

    def _has_bfloat16(self) -> bool:
        """Whether the fast precision is bfloat16 by Paddle, as it is clearly faster than rows."""
        if self._is_bfloat16 is None:
            self._is_bfloat16 = self._verdict("fast").is_fast
        return self._is_bfloat16

    def _verdict(self, asked: str) -> precision.Verdict:
        # A job may be the first one to ask, from within another picture.
        with run.held(self._crews):
            return precision.choose(_Contest(self), asked, self._folder, self._tiled.facts.engine, ASKED_GAIN)


class _Contest(precision.Staged):
    """The trial of bfloat16 by Paddle, where what it has to beat is the fastest way of the rows."""

    def __init__(self, rows: ProcessorEngine) -> None:
        super().__init__(rows.tiled)
        self._rows = rows

    @property
    def facts(self) -> engine.Facts:
        """What runs the rows: the outcome is theirs."""
        return self._rows.facts

    def one_pass(self, image: Array, precision: str) -> Array:
        return super().one_pass(image, precision) if precision == "fast" else self._rows.whole(image, "fast")

    def sample(self, image: Array, precision: str) -> tuple[Callable[[], object], int]:
        if precision == "fast":
            return super().sample(image, precision)
        # A thread's first block waits for rows of the thread before, as few blocks of a whole net do.
        count = min(2 * self._rows.even_blocks(), self.architecture.blocks)
        return self._rows.first_blocks(image, "fast", count), count


def load(
    weights: Weights, cache: Path, *, threads: int = 0, spool: Path | None = None, precision: str = "exact"
) -> paddle_engine.PaddleEngine | ProcessorEngine:
    """Make a model ready in the calling thread, which is then the only one that may use it.

    Args:
        weights: the net.
        cache: folder for saved programs, `ROOT/cache`; may be deleted between runs.
        threads: for the arithmetic; 0 for as many as the machine gives to this process.
        spool: folder for features that do not fit into memory; None for none.
        precision: "exact", "fast", or "auto" for what a trial on this processor shows to be better.

    Raises:
        BackendError: as `paddle_engine.load`.
    """
    threads = threads or host.usable_threads()
    tiled = paddle_engine.load(weights, cache, threads=threads, spool=spool, precision=None)
    try:
        loaded = _faster(ProcessorEngine(weights, tiled, saving.prepare(weights, cache), spool))
        loaded.settle(precision)
    except (predictors.EngineUnusable, BackendError, MemoryError) as error:
        _log.warning("the rows are left out: %s", error)
        loaded = tiled
        loaded.settle(precision)
    return loaded


def _faster(rows: ProcessorEngine) -> paddle_engine.PaddleEngine | ProcessorEngine:
    """By rows or by Paddle, whichever is faster for large pictures; measured once for each processor and model."""
    tiled = rows.tiled
    if tiled.architecture.features < LEAST_FEATURES:
        return tiled
    facts = tiled.facts
    words = f"{facts.device_name} {facts.threads} {facts.engine} {rows.facts.engine_version}"
    path = rows.folder / f"rows-{hashlib.sha256(words.encode()).hexdigest()[:16]}.json"
    image = precision.trial_picture(tiled.architecture, facts.threads)
    count = rows.even_blocks()
    single = tiled.methods("exact")[-1]

    def tiles() -> Array:
        values = tiled.head(image)
        for index in range(count):
            values = tiled.blocks(single, index, values, "exact")
        return tiled.join(image, values)

    def prepared(way: str) -> Callable[[], Array]:
        return tiles if way == TILES else rows.first_blocks(image, "exact", count)

    way = ways.choose(
        path, (TILES, ROWS), prepared, lambda found: found, lambda: None, rounds=_TRIAL_ROUNDS, is_shared=True
    )
    return rows if way == ROWS else tiled


def _ignore(*_: int) -> None:
    """Progress of a picture that nobody waits for."""
