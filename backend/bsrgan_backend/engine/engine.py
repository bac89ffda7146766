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
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.weights import Architecture

Array = npt.NDArray[np.float32]
Sink = Callable[[int, Array], None]
"""Takes a result's rows: the first row's number, and (rows, sW, C_out) float32, not clamped. Rows come in order;
the array may be kept."""

MEMORY_SHARE = 0.85
"""Part of the memory free now that a run may take unless it is told: others want some too."""


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
        precision: `fp32`.
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

    @property
    def footprint(self) -> planning.Footprint:
        """Memory it takes for each pixel."""

    def head(self, image: Array) -> Array:
        """The trunk's first stage: image → features (1, nf, H, W)."""

    def block(self, index: int, features: Array) -> Array:
        """The trunk's stage `index` of 0..nb-1: features → features."""

    def join(self, image: Array, features: Array) -> Array:
        """The trunk's last stage, with the long skip: image and last features → features."""

    def tail(self, features: Array) -> Array:
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

    def upscale(
        self,
        image: Array,
        sink: Sink,
        on_progress: OnProgress,
        should_stop: Callable[[], bool],
        *,
        memory_budget_bytes: int | None = None,
        tile: int | None = None,
    ) -> None:
        """As the function `upscale` below, with this model."""


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
) -> None:
    """Run an image of any size through the network; the result is that of one pass over the whole image.

    Args:
        network: a loaded network.
        image: (H, W, C) float32, 0..1, finite; C is the network's `in_channels`.
        sink: gets the result, (sH, sW, C_out), row by row; nothing here holds all of it.
        on_progress: called at the start and after every tile.
        should_stop: asked before every tile and strip, so it works within one tile.
        memory_budget_bytes: memory that the run may take on top of what the process has; None for most of what
            is free.
        tile: longest side of a tile in pixels of the image, margin not counted; None to choose.
        spool: folder for a file that takes the features of very large images; None to keep them in memory.

    Raises:
        Stopped: `should_stop` said so.
        BackendError: HOST_OOM, DISK_FULL; BAD_SHAPE for another number of channels; MODEL_LOAD when the result is
            not finite.
    """
    architecture = network.architecture
    if image.ndim != 3 or min(image.shape) < 1 or image.shape[2] != architecture.in_channels:
        text = f"The model takes pictures of {architecture.in_channels} channel(s); convert the picture and try again."
        raise BackendError("BAD_SHAPE", text, f"shape {image.shape}")
    budget = memory_budget_bytes or int(host.available_memory_bytes() * MEMORY_SHARE)
    factor = architecture.unshuffle
    plan = planning.make_plan(
        math.ceil(image.shape[0] / factor),
        math.ceil(image.shape[1] / factor),
        architecture,
        network.footprint,
        budget,
        tile=None if tile is None else max(1, tile // factor),
        can_spool=spool is not None,
    )
    try:
        run = _Run(network, plan, on_progress, should_stop)
        run.whole(unshuffled(image, factor), image.shape[:2], sink, spool)
    except MemoryError as error:
        text = "There is too little free memory for this picture; close other programs or select a smaller area."
        raise BackendError("HOST_OOM", text, f"{error} (planned {plan.need_bytes} of {budget} bytes)") from error


def trunk(network: Network, image: Array) -> Array:
    """All stages of the trunk over a whole image in one piece: (1, C·u², H, W) unshuffled → (1, nf, H, W) features."""
    features = network.head(image)
    for index in range(network.architecture.blocks):
        features = network.block(index, features)
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
        on_progress: OnProgress,
        should_stop: Callable[[], bool],
    ) -> None:
        self._network = network
        self._plan = plan
        self._on_progress = on_progress
        self._should_stop = should_stop
        self._done = 0.0
        self._total = self._work()
        self._tile = 0
        self._tiles = plan.trunk.tiles * (network.architecture.blocks + 1) + plan.tail.tiles

    def whole(self, image: Array, size: tuple[int, ...], sink: Sink, spool: Path | None) -> None:
        """Trunk, then tail; `image` is unshuffled, `size` the (height, width) that was given."""
        self._stop_here()
        self._on_progress(0, self._units(self._total), 0, self._tiles)
        features = self._trunk(image, spool)
        self._tail(features, size, sink)

    def _trunk(self, image: Array, spool: Path | None) -> Array:
        network, architecture, grid = self._network, self._network.architecture, self._plan.trunk
        shape = (architecture.features, *image.shape[2:])
        features = staging.allocate(shape, spool if self._plan.spooled else None)
        thin = staging.regrid(grid, planning.JOIN_MARGIN)
        staging.fill(features, image, thin, network.head, self._stop_here)
        for index in range(architecture.blocks):
            stage = functools.partial(_block, network, index)
            staging.apply(features, grid, stage, self._stop_here, self._advancing(planning.block_macs(architecture)))
        stage = functools.partial(_join, network, image)
        staging.apply(features, thin, stage, self._stop_here, self._advancing(planning.join_macs(architecture)))
        return features

    def _tail(self, features: Array, size: tuple[int, ...], sink: Sink) -> None:
        architecture = self._network.architecture
        factor = 2**architecture.doublings
        height, width = (side * architecture.scale for side in size)
        for rows in self._plan.tail.rows:
            first = rows.start * factor
            strip = np.empty(
                (min(height, rows.stop * factor) - first, width, architecture.out_channels), dtype=np.float32
            )
            for columns in self._plan.tail.columns:
                self._stop_here()
                seen = staging.cut(features[np.newaxis], rows, columns)
                result = self._network.tail(seen)[0]
                staging.place(result, strip, rows, columns, factor)
                self._advance(seen[0, 0].size * planning.tail_macs(architecture))
            if not np.isfinite(strip).all():
                text = "The model gave values that are no numbers for this picture; try another model."
                raise BackendError("MODEL_LOAD", text)
            sink(first, strip)

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
        tail = plan.tail.total_px * planning.tail_macs(architecture)
        thin = staging.regrid(plan.trunk, planning.JOIN_MARGIN)
        return float(
            tail
            + plan.trunk.total_px * planning.block_macs(architecture) * architecture.blocks
            + thin.total_px * planning.join_macs(architecture)
        )


def _block(network: Network, index: int, tile: Array, _rows: planning.Span, _columns: planning.Span) -> Array:
    return network.block(index, tile)


def _join(network: Network, image: Array, tile: Array, rows: planning.Span, columns: planning.Span) -> Array:
    return network.join(staging.cut(image, rows, columns), tile)
