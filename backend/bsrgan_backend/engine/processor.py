"""RRDBNet on the processor: by rows with fast convolutions where they are faster, else by Paddle in tiles.

Paddle always loads the net: its result is what the rows are held to, it takes the pictures for which the rows have too
little memory, and it has the fast precision.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine import engine, host, paddle_engine, precision, predictors, saving, ways
from bsrgan_backend.engine.winograd import network, run
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.weights import Architecture, Weights

Array = npt.NDArray[np.float32]

ROWS, TILES = "winograd", "tiles"

LEAST_FEATURES = 32
"""Nets with fewer channels are left to Paddle: their products are too thin to be worth it."""

ASKED_GAIN = 1.5
"""How many times as fast as rows bfloat16 must be in the trial for those who ask for it. The trial's small picture
stays in the cache, which suits bfloat16 more: 1.26 in the trial was 0.92 at 512 x 512, file to file."""

_TRIAL_REPEAT = 2
"""The trial's picture, of 96 pixels a side, is repeated so often along each side."""

_log = logging.getLogger(__name__)


class ProcessorEngine:
    """A loaded model that runs by rows; an `engine.Engine`. Used by the thread that loaded it only.

    Args:
        tiled: the same model by Paddle.
        runner: the same by rows.
        folder: where the precision's trial is remembered.
        spool: folder for features that do not fit into memory; None for none.
    """

    def __init__(self, tiled: paddle_engine.PaddleEngine, runner: run.Runner, folder: Path, spool: Path | None) -> None:
        self._tiled = tiled
        self._runner = runner
        self._folder = folder
        self._spool = spool
        self._notes: tuple[str, ...] = ()
        self._can_be_fast: bool | None = None
        version = f"NumPy {np.__version__} and {tiled.facts.engine_version}"
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
    def tiled(self) -> paddle_engine.PaddleEngine:
        """The same model by Paddle, for what does not run by rows."""
        return self._tiled

    def add_notes(self, notes: tuple[str, ...]) -> None:
        """Add sentences about how it came to be loaded."""
        self._notes += tuple(note for note in notes if note not in self._notes)

    def settle(self, asked: str) -> None:
        """Choose between exact and fast for runs that do not ask for either, as `PaddleEngine.settle`."""
        verdict = self._verdict(asked)
        if verdict.is_fast:
            self._facts = replace(self._facts, precision="bf16")
            self._tiled.settle("fast")
        self.add_notes((verdict.note,) if verdict.note else ())

    def one_pass(self, image: Array, which: str) -> Array:
        """A small picture in a precision: (1, C·u², H, W) unshuffled → (1, C_out, fH, fW)."""
        if which == "fast":
            return precision.Staged(self._tiled).one_pass(image, which)
        strips: list[Array] = []
        plan = _plan_for(image, self._tiled)
        # The picture's own size: with pixel-unshuffle it is `unshuffle` times that of the features.
        size = tuple(side * self.architecture.unshuffle for side in image.shape[2:])
        self._runner.run(plan, image, size, lambda _, rows: strips.append(rows), _ignore, lambda: False, None)
        return np.ascontiguousarray(np.concatenate(strips).transpose(2, 0, 1)[np.newaxis])

    def sample(self, image: Array, which: str) -> Callable[[], object]:
        """Work that takes as long as the blocks do in a precision, for comparisons; image as for `one_pass`."""
        if which == "fast":
            return precision.Staged(self._tiled).sample(image, which)
        return self.first_blocks(image, saving.GROUP)

    def first_blocks(self, image: Array, count: int) -> Callable[[], Array]:
        """The trunk of the first RRDBs only, for measurements: (1, C·u², H, W) unshuffled → (1, nf, H, W)."""
        plan, few = _plan_for(image, self._tiled), self._runner.shortened(count)
        return lambda: few.features(plan, image)

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

        In the exact precision `tile` is the widest piece of a row that is worked on at once; no result depends on it.
        """
        budget = memory_budget_bytes or int(host.available_memory_bytes() * engine.MEMORY_SHARE)
        for plan in self.plans(image, budget, tile) if self._is_exact(precision) else ():
            try:
                values = engine.unshuffled(image, self.architecture.unshuffle)
                size = image.shape[:2]
                is_short = self._runner.run(plan, values, size, sink, on_progress, should_stop, self._spool)
            except MemoryError as error:
                _log.warning("memory ran short with %d threads: %s", plan.threads, error)
                self.add_notes((engine.SMALLER_PIECES,))
            else:
                self.add_notes((engine.SMALLER_PIECES,) if is_short else ())
                return
        self._tiled.upscale(
            image,
            sink,
            on_progress,
            should_stop,
            # No more than there is: a budget beyond that may be what the rows have failed with.
            memory_budget_bytes=min(budget, int(host.available_memory_bytes() * engine.MEMORY_SHARE)),
            tile=tile,
            precision="exact" if self._is_exact(precision) else "fast",
        )

    def plans(self, image: Array, budget_bytes: int, tile: int | None = None) -> list[run.Plan]:
        """How a picture can run by rows within a budget, the fastest way first; empty when it must be tiled.

        Raises:
            BackendError: BAD_SHAPE.
        """
        engine.check_image(image, self.architecture)
        factor = self.architecture.unshuffle
        height, width = (math.ceil(side / factor) for side in image.shape[:2])
        found = self._plans(height, width, None if tile is None else max(1, tile // factor))
        return [plan for plan in found if plan.need_bytes <= budget_bytes]

    def _plans(self, height: int, width: int, tile: int | None) -> list[run.Plan]:
        can_spool = self._spool is not None
        return run.plans((height, width), self.architecture, self._facts.threads, tile=tile, can_spool=can_spool)

    def _is_exact(self, asked: str | None) -> bool:
        if asked in (None, "auto"):
            return self._facts.precision == "fp32"
        return asked == "exact" or not self._has_fast()

    def _has_fast(self) -> bool:
        """Whether the fast precision is there and is the faster one."""
        if self._can_be_fast is None:
            self._can_be_fast = self._verdict("fast").is_fast
        return self._can_be_fast

    def _verdict(self, asked: str) -> precision.Verdict:
        return precision.choose(self, asked, self._folder, self._tiled.facts.engine, ASKED_GAIN)


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
    tiled = paddle_engine.load(weights, cache, threads=threads, spool=spool)
    try:
        loaded = _faster(weights, tiled, saving.prepare(weights, cache), spool)
    except (predictors.EngineUnusable, BackendError, MemoryError) as error:
        _log.warning("the rows are left out: %s", error)
        loaded = tiled
    loaded.settle(precision)
    return loaded


def by_rows(
    weights: Weights, tiled: paddle_engine.PaddleEngine, folder: Path, spool: Path | None = None
) -> ProcessorEngine:
    """The model by rows, held to the reference.

    Args:
        weights: the net.
        tiled: the same by Paddle.
        folder: its programs, as `saving.prepare` returned it.
        spool: folder for features that do not fit into memory; None for none.

    Raises:
        EngineUnusable: its numbers are wrong.
        MemoryError: the kernels do not fit.
    """
    runner = run.Runner(network.prepare(weights))
    image, features, _result = saving.reference(folder)
    predictors.check("trunk by rows", runner.features(_plan_for(image, tiled), image), features)
    return ProcessorEngine(tiled, runner, folder, spool)


def _faster(
    weights: Weights, tiled: paddle_engine.PaddleEngine, folder: Path, spool: Path | None
) -> paddle_engine.PaddleEngine | ProcessorEngine:
    """By rows or by Paddle, whichever takes less time for an RRDB; measured once for each processor and model."""
    if weights.architecture.features < LEAST_FEATURES:
        return tiled
    facts = tiled.facts
    words = f"{facts.device_name} {facts.threads} {facts.engine} {facts.engine_version} {np.__version__}"
    path = folder / f"rows-{hashlib.sha256(words.encode()).hexdigest()[:16]}.json"
    # The trial runs Paddle's single block; a picture that fits in one piece has its groups.
    grouped, single = (tiled.methods("exact")[place] for place in (0, -1))
    image = np.tile(precision.picture(tiled.architecture), (1, 1, _TRIAL_REPEAT, _TRIAL_REPEAT))
    loaded = functools.cache(lambda: by_rows(weights, tiled, folder, spool))

    def tiles() -> Array:
        return tiled.join(image, tiled.blocks(single, 0, tiled.head(image), "exact"))

    def prepared(way: str) -> Callable[[], Array]:
        return tiles if way == TILES else loaded().first_blocks(image, 1)

    def handicap(way: str) -> float:
        return grouped.slowness / single.slowness if way == TILES else 1.0

    way = ways.choose(path, (TILES, ROWS), prepared, lambda found: found, lambda: None, handicap)
    return loaded() if way == ROWS else tiled


def _plan_for(image: Array, tiled: paddle_engine.PaddleEngine) -> run.Plan:
    """For a small picture, (1, C·u², H, W) unshuffled."""
    size = (image.shape[2], image.shape[3])
    return run.plans(size, tiled.architecture, tiled.facts.threads, tile=None, can_spool=False)[0]


def _ignore(*_: int) -> None:
    """Progress of a picture that nobody waits for."""
