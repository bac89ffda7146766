"""Any library on any device as `engine.Engine`: pictures that fit stay on the device, larger ones go in tiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine import engine, planning, resident
from bsrgan_backend.engine.arithmetic import Arithmetic
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.weights import Architecture

Array = npt.NDArray[np.float32]

MEMORY_SHARE = 0.85
"""Part of the device's free memory that a run may take: the desktop, GIMP and games want some too."""

KEPT_PX = 512 * 512
"""Up to this size of a picture, what it took is kept for the next one: getting it anew would slow previews down."""

MOST_VALUES = 2**31 - 1
"""Most values of one array on a card: kernels count them in 32 bits."""

GROUP = 3
"""Blocks between two copies to and from the device when a picture goes in tiles."""


@dataclass(frozen=True)
class _Run:
    """What `DeviceEngine.upscale` is asked for, with the precision that it will have."""

    image: Array
    sink: engine.Sink
    on_progress: engine.OnProgress
    should_stop: Callable[[], bool]
    budget: int | None
    tile: int | None
    precision: str


class DeviceEngine:
    """A loaded model; both `engine.Engine` and the `engine.Network` that takes what does not fit in one piece.

    Args:
        arithmetic: the network's parts on the device.
        threads: that compute at once on the processor.
        spool: folder for the features of images that do not fit into memory; None for none.
        notes: sentences about how it was loaded.
    """

    def __init__(self, arithmetic: Arithmetic, threads: int, spool: Path | None, notes: tuple[str, ...] = ()) -> None:
        self.arithmetic = arithmetic
        self._spool = spool
        self._notes = notes
        self._facts = engine.Facts(
            arithmetic.device,
            arithmetic.device_name,
            arithmetic.engine,
            arithmetic.engine_version,
            "fp32",
            threads,
        )

    @property
    def facts(self) -> engine.Facts:
        """What runs it."""
        return self._facts

    @property
    def architecture(self) -> Architecture:
        """What it is."""
        return self.arithmetic.architecture

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about how it was loaded and what its runs did differently."""
        return self._notes

    def prefer(self, precision: str, note: str = "") -> None:
        """Use "exact" or "fast" for runs that do not ask for either."""
        self._facts = replace(self._facts, precision=self.arithmetic.half if precision == "fast" else "fp32")
        self.add_notes((note,) if note else ())

    def add_notes(self, notes: tuple[str, ...]) -> None:
        """Add sentences that were not said before."""
        self._notes += tuple(note for note in notes if note not in self._notes)

    def methods(self, precision: str) -> tuple[planning.Method, ...]:
        """Groups of blocks, which stay on the device between two copies, and single ones for smaller tiles."""
        # A card's memory is not the process's: there, tiles that do not fit are cut when they are met.
        bytes_px = self.arithmetic.appetite(precision).trunk_px if self._is_on_host else 0
        return (
            planning.Method("groups", GROUP, bytes_px),
            planning.Method("singles", 1, bytes_px, 1.05 if self._is_on_host else 1.5),
        )

    def footprint(self, precision: str) -> planning.Footprint:
        """Memory for the rest."""
        if not self._is_on_host:
            return planning.Footprint(edge=0, tail=0)
        appetite = self.arithmetic.appetite(precision)
        return planning.Footprint(edge=appetite.feature_px * 3, tail=appetite.tail_px)

    def head(self, image: Array) -> Array:
        """The trunk's first convolution."""
        one = self.arithmetic
        return one.download(one.head(one.upload(image)))()

    def blocks(self, method: planning.Method, first: int, features: Array, precision: str) -> Array:
        """`method.group` RRDBs from number `first` on, or as many as there are."""
        values = self.arithmetic.upload(features)
        for index in range(first, min(first + method.group, self.architecture.blocks)):
            values = self.arithmetic.block(index, values, precision)
        return self.arithmetic.download(values)()

    def join(self, image: Array, features: Array) -> Array:
        """The trunk's last convolution."""
        one = self.arithmetic
        return one.download(one.join(one.upload(image), one.upload(features)))()

    def tail(self, features: Array, precision: str = "exact") -> Array:
        """Features → result."""
        one = self.arithmetic
        return one.download(one.tail(one.upload(features), precision))()

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
        run = _Run(image, sink, on_progress, should_stop, memory_budget_bytes, tile, self._possible(precision))
        try:
            notes = self._in_one_piece(run)
            if notes is None:
                notes = self._in_tiles(run)
        finally:
            if image.size > KEPT_PX * self.architecture.in_channels:
                # What the library's allocator keeps would be missing to others until the next picture.
                self.arithmetic.release()
        self.add_notes(notes)

    def _in_one_piece(self, run: _Run) -> tuple[str, ...] | None:
        """The notes of the run, or None when the picture is to go in tiles."""
        image = run.image
        # A shape that the network does not take is refused there, with the sentence for it.
        if run.tile is not None or image.ndim != 3 or image.shape[2] != self.architecture.in_channels or not image.size:
            return None
        pixels = engine.unshuffled(image, self.architecture.unshuffle)
        height, width = pixels.shape[2:]
        if self._is_on_host and height * width * planning.block_macs(self.architecture) > planning.CALL_MACS:
            return None  # one block would take longer than a cancel may
        if height * width * (self.architecture.features + 4 * self.architecture.growth) > MOST_VALUES:
            return None
        free = int(self.arithmetic.free_bytes() * MEMORY_SHARE)
        need = resident.need_bytes(self.arithmetic, height, width, run.precision)
        if need > (min(run.budget, free) if run.budget else free):
            return None
        size = image.shape[:2]
        return resident.run(self.arithmetic, pixels, size, run.sink, run.on_progress, run.should_stop, run.precision)

    def _in_tiles(self, run: _Run) -> tuple[str, ...]:
        network = self if self._is_on_host else _Releasing(self)
        try:
            return engine.upscale(
                network,
                run.image,
                run.sink,
                run.on_progress,
                run.should_stop,
                memory_budget_bytes=run.budget,
                tile=run.tile,
                spool=self._spool,
                precision=run.precision,
            )
        except BackendError as error:
            if error.code != "HOST_OOM" or not isinstance(error.__cause__, MemoryError) or self._is_on_host:
                raise
            text = "The graphics card has too little free memory; close other programs or use the CPU."
            raise BackendError("GPU_OOM", text, error.detail) from error

    @property
    def _is_on_host(self) -> bool:
        return self.arithmetic.device == "cpu"

    def _possible(self, asked: str | None) -> str:
        if asked in (None, "auto"):
            return "exact" if self._facts.precision == "fp32" else "fast"
        return "fast" if asked == "fast" and self.arithmetic.half else "exact"


class _Releasing:
    """The network whose calls, when memory was short, leave none behind: the smaller pieces need all there is."""

    def __init__(self, network: DeviceEngine) -> None:
        self._network = network
        self.facts = network.facts
        self.architecture = network.architecture
        self.methods = network.methods
        self.footprint = network.footprint

    def head(self, image: Array) -> Array:
        """As the network's."""
        return self._releasing(lambda: self._network.head(image))

    def blocks(self, method: planning.Method, first: int, features: Array, precision: str) -> Array:
        """As the network's."""
        return self._releasing(lambda: self._network.blocks(method, first, features, precision))

    def join(self, image: Array, features: Array) -> Array:
        """As the network's."""
        return self._releasing(lambda: self._network.join(image, features))

    def tail(self, features: Array, precision: str) -> Array:
        """As the network's."""
        return self._releasing(lambda: self._network.tail(features, precision))

    def _releasing(self, call: Callable[[], Array]) -> Array:
        try:
            return call()
        except MemoryError as error:
            told = f"{error}"
        # A new error: the old one's traceback holds the tensors that did not find room.
        self._network.arithmetic.release()
        raise MemoryError(told)
