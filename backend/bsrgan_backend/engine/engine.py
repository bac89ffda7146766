"""The seam: what any runtime of an RRDBNet offers, and the driver that runs an image of any size through it.

A runtime is small: the trunk's stages and the tail. Everything about size (memory, tiles, margins, strips, stopping)
is done here once, over numpy arrays, and tested with doubles.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine import host, planning, staging
from bsrgan_backend.engine.grids import Span
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.weights import Architecture

Array = npt.NDArray[np.float32]
Sink = Callable[[int, Array], None]
"""Takes a result's rows: the first row's number, and (rows, sW, C_out) float32, not clamped. Rows come in order;
the array may be kept."""

MEMORY_SHARE = 0.85
"""Part of the memory free now that a run may take unless it is told: others want some too."""

TOO_LITTLE_MEMORY = "There is too little free memory for this picture; close other programs or select a smaller area."
NO_NUMBERS = "The model gave values that are no numbers for this picture; try another model."
SMALLER_PIECES = "Memory ran short, so the picture was worked on in smaller pieces."

OnProgress = Callable[[int, int, int, int], None]
"""Takes (done, total, tile, tiles): work in units that take equal time, and how many tiles are done of how many."""


class Stopped(Exception):
    """The run ended because `should_stop` said so."""


@dataclass(frozen=True)
class Facts:
    """What runs the network, for people and logs.

    Attributes:
        device: `cpu`.
        device_name: the processor's name.
        engine: `openvino`, `onednn` or `native`.
        engine_version: of the library that does the arithmetic.
        precision: `fp32`, or `bf16` when the blocks and the tail multiply in bfloat16.
        threads: that compute at once.
    """

    device: str
    device_name: str
    engine: str
    engine_version: str
    precision: str
    threads: int


class Network(Protocol):
    """A loaded network in one runtime; every array is (1, channels, height, width) C-contiguous float32.

    Images are already unshuffled: channels C·u², sides divided by u. Only the thread that loaded it may call it.
    """

    @property
    def facts(self) -> Facts:
        """What runs it."""

    @property
    def architecture(self) -> Architecture:
        """What it is."""

    def methods(self, precision: str) -> tuple[planning.Method, ...]:
        """The ways in which it can run the blocks in a precision, with what they cost."""

    def footprint(self, precision: str) -> planning.Footprint:
        """Memory that it takes for the rest."""

    def head(self, image: Array) -> Array:
        """The trunk's first convolution: image → features (1, nf, H, W)."""

    def blocks(self, method: planning.Method, first: int, features: Array, precision: str) -> Array:
        """`method.group` blocks from number `first` on, or as many as there are: features → features."""

    def join(self, image: Array, features: Array) -> Array:
        """The trunk's last convolution, with the long skip: image and last features → features."""

    def tail(self, features: Array, precision: str) -> Array:
        """Features → (1, C_out, fH, fW), f = 2 ** doublings; not clamped."""


class Engine(Protocol):
    """What the worker holds: a loaded model that takes images. Only the thread that loaded it may call it."""

    @property
    def facts(self) -> Facts:
        """What runs it."""

    @property
    def architecture(self) -> Architecture:
        """What it is: in_channels, out_channels, scale."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about how it was loaded, such as an engine that was left out and why."""

    def add_notes(self, notes: tuple[str, ...]) -> None:
        """Add sentences about how it came to be loaded."""

    def upscale(
        self,
        image: Array,
        sink: Sink,
        on_progress: OnProgress,
        should_stop: Callable[[], bool],
        *,
        memory_budget_bytes: int | None = None,
        tile: int | None = None,
        precision: str | None = None,
    ) -> None:
        """As the function `upscale` below; `precision` None or "auto" is the one that it was loaded with."""


def upscale(
    network: Network,
    image: Array,
    sink: Sink,
    on_progress: OnProgress,
    should_stop: Callable[[], bool],
    *,
    memory_budget_bytes: int | None = None,
    tile: int | None = None,
    spool: Path | None = None,
    precision: str = "exact",
) -> tuple[str, ...]:
    """Run an image of any size through the network; the result is that of one pass over the whole image.

    Args:
        network: a loaded network.
        image: (H, W, C) float32, 0..1, finite; C is the network's `in_channels`.
        sink: gets the result, (sH, sW, C_out), row by row; nothing here holds all of it.
        on_progress: called at the start and after every tile.
        should_stop: asked before every tile and strip, so it works within one tile. It may run another, small image
            through the same network before it answers.
        memory_budget_bytes: memory that the run may take on top of what the process has; None for most of what
            is free.
        tile: longest side of a tile in pixels of the image, margin not counted; None to choose. A chosen tile is cut
            smaller when memory runs out; a given one never is.
        spool: folder for a file that takes the features of very large images; None to keep them in memory.
        precision: "exact" or "fast".

    Returns:
        Sentences about what was done differently than planned.

    Raises:
        Stopped: `should_stop` said so.
        BackendError: HOST_OOM, DISK_FULL; BAD_SHAPE for another number of channels; MODEL_LOAD when the result is
            not finite.
    """
    plan = plan_for(network, image, precision, memory_budget_bytes, tile, can_spool=spool is not None)
    run = _Run(network, plan, precision, on_progress, should_stop, may_shrink=tile is None)
    try:
        run.whole(unshuffled(image, network.architecture.unshuffle), image.shape[:2], sink, spool)
    except MemoryError as error:
        text = TOO_LITTLE_MEMORY
        if tile is not None:
            text = f"There is too little free memory for tiles of {tile} pixels; choose smaller ones or 'automatic'."
        raise BackendError("HOST_OOM", text, f"{error} (planned {plan.need_bytes} bytes)") from error
    return run.notes()


def plan_for(
    network: Network,
    image: Array,
    precision: str,
    memory_budget_bytes: int | None = None,
    tile: int | None = None,
    *,
    can_spool: bool = False,
) -> planning.Plan:
    """What `upscale` will do with an image, and the memory that it will take; arguments as there.

    Raises:
        BackendError: BAD_SHAPE or HOST_OOM.
    """
    architecture = network.architecture
    check_image(image, architecture)
    factor = architecture.unshuffle
    return planning.make_plan(
        math.ceil(image.shape[0] / factor),
        math.ceil(image.shape[1] / factor),
        architecture,
        network.methods(precision),
        network.footprint(precision),
        memory_budget_bytes or int(host.available_memory_bytes() * MEMORY_SHARE),
        tile=None if tile is None else max(1, tile // factor),
        can_spool=can_spool,
    )


def check_image(image: Array, architecture: Architecture) -> None:
    """Refuse a picture that is none, or has other channels than the network takes.

    Raises:
        BackendError: BAD_SHAPE.
    """
    if image.ndim != 3 or min(image.shape) < 1 or image.shape[2] != architecture.in_channels:
        text = f"The model takes pictures of {architecture.in_channels} channel(s); convert the picture and try again."
        raise BackendError("BAD_SHAPE", text, f"shape {image.shape}")


def trunk(network: Network, image: Array, precision: str = "exact") -> Array:
    """All stages of the trunk over a whole image in one piece: (1, C·u², H, W) unshuffled → (1, nf, H, W) features."""
    method = network.methods(precision)[0]
    features = network.head(image)
    for first in range(0, network.architecture.blocks, method.group):
        features = network.blocks(method, first, features, precision)
    return network.join(image, features)


def unshuffled(image: Array, factor: int) -> Array:
    """(H, W, C) → (1, C·f², ⌈H/f⌉, ⌈W/f⌉), C-contiguous; missing rows and columns mirror the edge.

    Channel order is that of pixel-unshuffle: c·f² + row·f + column.
    """
    height, width, channels = image.shape
    if factor > 1:
        image = _padded(_padded(image, 0, -height % factor), 1, -width % factor)
    rows, columns = image.shape[0] // factor, image.shape[1] // factor
    parts = image.reshape(rows, factor, columns, factor, channels).transpose(4, 1, 3, 0, 2)
    return np.ascontiguousarray(parts.reshape(1, channels * factor * factor, rows, columns), dtype=np.float32)


def _padded(image: Array, axis: int, extra: int) -> Array:
    if not extra:
        return image
    pads = [(0, 0)] * image.ndim
    pads[axis] = (0, extra)
    # A side of one or two pixels has nothing to mirror.
    return np.pad(image, pads, mode="reflect" if image.shape[axis] > extra else "edge")


class _Run:
    """One image on its way through the network."""

    def __init__(
        self,
        network: Network,
        plan: planning.Plan,
        precision: str,
        on_progress: OnProgress,
        should_stop: Callable[[], bool],
        *,
        may_shrink: bool,
    ) -> None:
        self._network = network
        self._plan = plan
        self._precision = precision
        self._on_progress = on_progress
        self._should_stop = should_stop
        self._reserve = staging.Reserve(plan.need_bytes // 3)
        self._shrinking = [
            staging.Shrinking(margin, self._reserve, may_shrink=may_shrink)
            for margin in (plan.method.margin, planning.JOIN_MARGIN, planning.TAIL_MARGIN)
        ]
        self._is_redone = False
        self._done = 0.0
        self._total = self._work()
        self._tile = 0
        groups = math.ceil(network.architecture.blocks / plan.method.group)
        self._tiles = plan.trunk.tiles * groups + plan.edges.tiles + plan.tail.tiles

    def whole(self, image: Array, size: tuple[int, ...], sink: Sink, spool: Path | None) -> None:
        """Trunk, then tail; `image` is unshuffled, `size` the (height, width) that was given."""
        self._stop_here()
        self._on_progress(0, self._units(self._total), 0, self._tiles)
        self._tail(self._trunk(image, spool), size, sink)

    def notes(self) -> tuple[str, ...]:
        """What was done differently than planned, as sentences."""
        notes = []
        if any(one.has_shrunk for one in self._shrinking):
            notes.append(SMALLER_PIECES)
        if self._is_redone:
            notes.append("A part had no finite values in the fast precision and was done again in the exact one.")
        return tuple(notes)

    def _trunk(self, image: Array, spool: Path | None) -> Array:
        architecture, plan = self._network.architecture, self._plan
        blocks, edges, _tail = self._shrinking
        shape = (architecture.features, *image.shape[2:])
        features = staging.allocate(shape, spool if plan.spooled else None, spool)

        def head(tile: Array, rows: Span, columns: Span) -> Array:
            return edges.run(lambda seen, _rows, _columns: self._network.head(seen), tile, rows, columns)

        def join(tile: Array, rows: Span, columns: Span) -> Array:
            return edges.run(self._joining(image), tile, rows, columns)

        scratch = staging.Scratch()
        staging.fill(features, image, plan.edges, head, self._stop_here)
        for first in range(0, architecture.blocks, plan.method.group):
            count = min(plan.method.group, architecture.blocks - first)
            stage = functools.partial(blocks.run, functools.partial(self._blocks, first))
            done = self._advancing(planning.block_macs(architecture) * count)
            features = staging.apply(features, plan.trunk, stage, self._stop_here, done, scratch)
        done = self._advancing(planning.join_macs(architecture))
        # Its tiles are others, and the plan does not count both.
        scratch = staging.Scratch()
        return staging.apply(features, plan.edges, join, self._stop_here, done, scratch)

    def _joining(self, image: Array) -> staging.Stage:
        return lambda seen, rows, columns: self._network.join(staging.cut(image, rows, columns), seen)

    def _blocks(self, first: int, tile: Array, _rows: Span, _columns: Span) -> Array:
        network, method = self._network, self._plan.method
        result = network.blocks(method, first, tile, self._precision)
        if self._precision == "exact" or is_finite(result):
            return result
        self._is_redone = True
        exact = min(network.methods("exact"), key=lambda one: one.group)
        result = tile
        for index in range(first, min(first + method.group, network.architecture.blocks), exact.group):
            result = network.blocks(exact, index, result, "exact")
        return result

    def _tail(self, features: Array, size: tuple[int, ...], sink: Sink) -> None:
        architecture = self._network.architecture
        factor = 2**architecture.doublings
        height, width = (side * architecture.scale for side in size)
        self._reserve.renew()
        for rows in self._plan.tail.rows:
            first = rows.start * factor
            last = min(height, rows.stop * factor)
            strip = np.empty((last - first, width, architecture.out_channels), dtype=np.float32)
            own = Span(0, rows.stop - rows.start, rows.low - rows.start, rows.high - rows.start)
            for columns in self._plan.tail.columns:
                self._stop_here()
                seen = staging.cut(features[np.newaxis], rows, columns)
                result = self._shrinking[2].run(self._tail_tile, seen, rows, columns)
                staging.place(result[0], strip.transpose(2, 0, 1), own, columns, factor)
                self._advance(seen[0, 0].size * planning.tail_macs(architecture))
            sink(first, strip)

    def _tail_tile(self, tile: Array, _rows: Span, _columns: Span) -> Array:
        result = self._network.tail(tile, self._precision)
        if is_finite(result):
            return result
        if self._precision != "exact":
            self._is_redone = True
            result = self._network.tail(tile, "exact")
        if not np.isfinite(result).all():
            raise BackendError("MODEL_LOAD", NO_NUMBERS)
        return result

    def _stop_here(self) -> None:
        if self._should_stop():
            raise Stopped

    def _advancing(self, macs: int) -> Callable[[int], None]:
        return lambda pixels: self._advance(pixels * macs)

    def _advance(self, macs: float) -> None:
        self._done = min(self._total, self._done + macs)
        self._tile += 1
        self._on_progress(self._units(self._done), self._units(self._total), self._tile, self._tiles)

    def _units(self, macs: float) -> int:
        return max(1, round(self._total / 1e6)) if macs >= self._total else int(macs / 1e6)

    def _work(self) -> float:
        architecture, plan = self._network.architecture, self._plan
        return float(
            plan.tail.total_px * planning.tail_macs(architecture)
            + plan.trunk.total_px * planning.block_macs(architecture) * architecture.blocks
            + plan.edges.total_px * planning.join_macs(architecture)
        )


def is_finite(values: Array) -> bool:
    """Whether all values of an array of any shape are numbers."""
    # The sum of finite values is finite far cheaper than isfinite; only doubt is looked at closely.
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum())) or bool(np.isfinite(values).all())
