"""RRDBNet on the processor by Paddle Inference: the runtime behind `engine.Engine`."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine import engine, grids, host, planning, precision, predictors, rrdbnet, saving, trials
from bsrgan_backend.engine.runtime import VERSION, check_version
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.weights import Architecture, Weights

Array = npt.NDArray[np.float32]

BLOCK = "block"
"""The program whose weights are inputs; the others that run blocks are `saving.GROUPED`."""

FAST_CALL_MACS = 2 * planning.CALL_MACS
"""Most work of one call in the fast precision, which is used only where a trial shows it to be faster."""

AMX_CALL_MACS = 4.5 * planning.CALL_MACS
"""Likewise with AMX: about five seconds on two busy cores."""

AMX_ARITHMETIC = 1.45
"""Most work of such long calls, over that without margins: from there on single blocks are about as fast."""

_AMX_WIDTHS = grids.Widths(16, 1.15, 1.45)
"""Of 480 widths from 300 on, with AMX: OpenVINO cuts a row into pieces that suit it, and for many odd widths it finds
none (up to 3.5 times the time). Without AMX, and in float32, no width stands out."""

EXACT_TAKES_LESS = "Memory was short for the fast precision, so the exact one was used."

_PACKED = 5.8
"""Times the size of the weights that a predictor with the blocks inside takes: read, converted and packed."""

SHAPES_BYTES = 120_000_000
"""What tiles of several sizes leave behind, measured with the full net at 0.4 and 1 GB (docs/benchmarks.md)."""

_log = logging.getLogger(__name__)


class PaddleEngine:
    """A loaded model; both `engine.Engine` and the `engine.Network` that it drives.

    Made by `load`, and used by the thread that called it only. Its memory comes back when the process ends.
    """

    def __init__(
        self, weights: Weights, folder: Path, choice: predictors.Choice, threads: int, spool: Path | None
    ) -> None:
        self._weights = weights
        self._architecture = weights.architecture
        self._blocks = block_weights(weights)
        self._weight_bytes = int(_PACKED * sum(array.nbytes for array in weights.tensors.values()))
        self._folder = folder
        self._engine = choice.engine
        self._predictors = {(name, "exact"): one for name, one in choice.predictors.items()}
        self._threads = threads
        self._spool = spool
        self._notes = choice.notes
        self._facts = engine.Facts("cpu", host.processor_name(), choice.engine, f"Paddle {VERSION}", "fp32", threads)

    @property
    def facts(self) -> engine.Facts:
        """What runs it."""
        return self._facts

    @property
    def architecture(self) -> Architecture:
        """What it is."""
        return self._architecture

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about how it was loaded and what its last run did differently."""
        return self._notes

    def add_notes(self, notes: tuple[str, ...]) -> None:
        """Add sentences about how it came to be loaded."""
        self._notes += notes

    def settle(self, asked: str) -> None:
        """Choose between exact and fast for runs that do not ask for either.

        Args:
            asked: "exact", "fast", or "auto" for what a trial on this processor shows to be better.
        """
        verdict = precision.choose(precision.Staged(self), asked, self._folder, self._engine)
        self._facts = replace(self._facts, precision="bf16" if verdict.is_fast else "fp32")
        self._notes += (verdict.note,) if verdict.note else ()
        if verdict.is_fast:
            # Made now: a job's time and memory are then its own.
            self._predictor("sixes", "fast")
            self._predictor("tail", "fast")
        elif self._engine == "openvino":
            self._take_threes()

    def methods(self, precision: str) -> tuple[planning.Method, ...]:
        """Groups with their weights inside, where they are there, for what fits in one piece; for tiles, single blocks.

        The tiles' blocks must give the same bits as the groups: in fp32 the block with weights as inputs does, and
        takes least memory; in bf16 its biases are rounded once more, so blocks with their weights inside are used.
        """
        ways = precision_methods(self._engine, self._architecture, precision)
        there = {method.name for method in ways if (method.name, precision) in self._predictors}
        return tuple(
            replace(method, new_bytes=0 if method.name in there else self._weight_bytes)
            for method in ways
            if method.name in there or method.name != "threes"
        )

    def footprint(self, precision: str) -> planning.Footprint:
        """Memory of its other predictors, from the sizes of the arrays inside and the engine's measured multiples."""
        architecture, multiples = self._architecture, _FOOTPRINTS[self._engine]
        tail = multiples.tail_fast if precision == "fast" else multiples.tail
        feature = 4 * architecture.features
        return planning.Footprint(
            int(feature * multiples.edge), int(feature * 4**architecture.doublings * tail), SHAPES_BYTES
        )

    def head(self, image: Array) -> Array:
        """The trunk's first convolution."""
        return self._predictor("head").run({"image": image}, (1, self._architecture.features, *image.shape[2:]))

    def blocks(self, method: planning.Method, first: int, features: Array, precision: str) -> Array:
        """`method.group` RRDBs from number `first` on."""
        predictor = self._predictor(method.name, precision)
        if method.name == BLOCK:
            return predictor.run({"features": features, **self._blocks[first]}, features.shape)
        return predictor.run({"features": features, "taken": self._taken(method.group, first)}, features.shape)

    def join(self, image: Array, features: Array) -> Array:
        """The trunk's last convolution."""
        return self._predictor("join").run({"image": image, "features": features}, features.shape)

    def tail(self, features: Array, precision: str = "exact") -> Array:
        """Features → result."""
        if self._engine == "onednn" and features.shape[2:] == (1, 1):
            # OneDNN's enlargement of a single pixel gives garbage: it takes the strides for another layout's.
            return self._predictor("tail", engine_name="native").run({"features": features})
        factor = 2**self._architecture.doublings
        shape = (1, self._architecture.out_channels, factor * features.shape[2], factor * features.shape[3])
        return self._predictor("tail", precision).run({"features": features}, shape)

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
        """As `engine.upscale`; `precision` None or "auto" is the one that the model was loaded with."""
        usual = "fast" if self._facts.precision == "bf16" else "exact"
        wanted = self._possible(usual if precision in (None, "auto") else str(precision))
        which = self.fitting(image, wanted, memory_budget_bytes, tile)
        notes = engine.upscale(
            self,
            image,
            sink,
            on_progress,
            should_stop,
            memory_budget_bytes=memory_budget_bytes,
            tile=tile,
            spool=self._spool,
            precision=which,
        )
        notes += (EXACT_TAKES_LESS,) if which != wanted else ()
        self._notes += tuple(note for note in notes if note not in self._notes)

    def fitting(self, image: Array, wanted: str, budget_bytes: int | None, tile: int | None = None) -> str:
        """The precision in which a picture runs: the wanted one, or exact where fast would be slower for its margins.

        Raises:
            BackendError: BAD_SHAPE.
        """

        def cost(which: str) -> float:
            try:
                return engine.plan_for(self, image, which, budget_bytes, tile, can_spool=self._spool is not None).cost
            except BackendError as error:
                if error.code != "HOST_OOM":
                    raise
                return math.inf

        return "exact" if wanted == "fast" and cost("fast") >= precision.LEAST_GAIN * cost("exact") else wanted

    def _possible(self, wanted: str) -> str:
        return wanted if precision.is_possible(self._engine) else "exact"

    def _predictor(self, name: str, precision: str = "exact", engine_name: str = "") -> predictors.Predictor:
        key = (f"{name} {engine_name}".strip(), precision)
        if key not in self._predictors:
            is_grouped = name in saving.GROUPED
            folder = saving.grouped(self._weights, self._folder, name) if is_grouped else self._folder
            engine_name = engine_name or self._engine
            self._predictors[key] = predictors.Predictor(folder, name, engine_name, self._threads, precision)
            # Often in the middle of a job: what writing and reading the program took must not stay beside the picture.
            host.return_memory()
        return self._predictors[key]

    def _taken(self, group: int, first: int) -> npt.NDArray[np.int32]:
        """The input of the programs with blocks inside that says which of the groups runs."""
        taken = np.zeros(-(-self._architecture.blocks // group), np.int32)
        taken[first // group] = 1
        return taken

    def _take_threes(self) -> None:
        """Use groups for pictures in one piece, a tenth faster, if they give the right numbers."""
        marker = predictors.marker_of(self._folder, "threes")
        if trials.crashed(marker):
            return
        try:
            with trials.guarded(marker):
                image, features, _result = saving.reference(self._folder)
                values, group = self.head(image), saving.GROUPED["threes"]
                for first in range(0, self._architecture.blocks, group):
                    given = {"features": values, "taken": self._taken(group, first)}
                    values = self._predictor("threes").run(given)
                predictors.check("trunk in groups", self.join(image, values), features)
        except (predictors.EngineUnusable, BackendError, MemoryError) as error:
            _log.warning("blocks run one at a time: %s", error)
            self._predictors.pop(("threes", "exact"), None)


def precision_methods(engine_name: str, architecture: Architecture, precision: str) -> tuple[planning.Method, ...]:
    """The ways in which an engine runs the blocks, the fastest for one piece first."""
    multiples = _FOOTPRINTS[engine_name]
    dense = 4 * (architecture.features + 4 * architecture.growth)
    block = planning.Method(BLOCK, 1, int(dense * multiples.block), 1.15)
    if engine_name != "openvino":
        return (block,)

    def inside(name: str, size: int, kept: float, each: float, slowness: float) -> planning.Method:
        group = saving.GROUPED[name]
        calls = -(-architecture.blocks // group)
        return planning.Method(name, group, int(size * (kept + each * calls)), slowness)

    if precision == "exact":
        return inside("threes", dense, multiples.kept, multiples.each, 1.03), block
    half, kept, each = dense // 2, multiples.kept_fast, multiples.each_fast
    sixes = replace(inside("sixes", half, kept, each, 1.03), call_macs=FAST_CALL_MACS)
    # What a call costs beside the products weighs less where they take longer: measured with AMX, estimated without.
    singles = inside("singles", half, kept, each, 1.65 if host.has_amx() else 1.33)
    if not host.has_amx():
        return sixes, singles
    long = replace(sixes, call_macs=AMX_CALL_MACS, most_arithmetic=AMX_ARITHMETIC)
    return tuple(replace(way, widths=_AMX_WIDTHS) for way in (long, sixes, singles))


@dataclass(frozen=True)
class _Multiples:
    """How many copies of an array each kind of predictor holds, measured with the full net (DESIGN.md).

    Attributes:
        block: of the dense block's widest array, one RRDB with its weights as inputs.
        tail: of the result's features.
        edge: of the features, by the first and the last convolution together.
        kept: as `block`, shared by all groups with their weights inside.
        each: what each group adds to that.
        kept_fast: as `kept`, for arrays of bfloat16, half the size.
        each_fast: as `each`, likewise.
        tail_fast: as `tail`.
    """

    block: float
    tail: float
    edge: float = 9.0
    kept: float = 0.0
    each: float = 0.0
    kept_fast: float = 0.0
    each_fast: float = 0.0
    tail_fast: float = 0.0


_FOOTPRINTS = {
    "openvino": _Multiples(
        block=3.25, tail=3.2, edge=6.5, kept=2.95, each=0.72, kept_fast=6.2, each_fast=0.67, tail_fast=1.85
    ),
    "onednn": _Multiples(block=13, tail=5),
    "native": _Multiples(block=12, tail=21),
}


def block_weights(weights: Weights) -> list[dict[str, Array]]:
    """The weights and biases of every block, named as the block program's inputs."""
    tensors, architecture = rrdbnet.prepared(weights.tensors), weights.architecture
    return [
        {name: np.ascontiguousarray(tensors[f"body.{index}.{name}"]) for name, _ in rrdbnet.block_inputs(architecture)}
        for index in range(architecture.blocks)
    ]


def load(
    weights: Weights,
    cache: Path,
    *,
    threads: int = 0,
    engines: tuple[str, ...] = tuple(predictors.ENGINES),
    spool: Path | None = None,
    precision: str | None = "exact",
) -> PaddleEngine:
    """Make a model ready in the calling thread, which is then the only one that may use it.

    Args:
        weights: the net.
        cache: folder for saved programs, `ROOT/cache`; may be deleted between runs.
        threads: for the arithmetic; 0 for as many as the machine gives to this process.
        engines: to try, in this order: keys of `predictors.ENGINES`.
        spool: folder for the features of images that do not fit into memory; None for none.
        precision: "exact", "fast", or "auto" for what a trial on this processor shows to be better; None
            when `settle` will be called later, if at all.

    Raises:
        BackendError: MODEL_LOAD for weights that give no numbers, DISK_FULL for the cache, INTERNAL when Paddle
            does not work here.
    """
    check_version()
    started = time.monotonic()
    threads = threads or host.usable_threads()
    folder = saving.prepare(weights, cache)
    choice = predictors.choose(folder, threads, engines, block_weights(weights))
    loaded = PaddleEngine(weights, folder, choice, threads, spool)
    if precision is not None:
        loaded.settle(precision)
    _log.info("engine %s with %d threads, ready after %.1f s", choice.engine, threads, time.monotonic() - started)
    return loaded
