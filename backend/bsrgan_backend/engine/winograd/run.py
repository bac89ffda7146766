"""A picture run through the net by rows: memory, its crew, progress, and the result handed over in order."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine import host, planning
from bsrgan_backend.engine.engine import NO_NUMBERS, TOO_LITTLE_MEMORY, OnProgress, Sink, Stopped, is_finite
from bsrgan_backend.engine.winograd import blas
from bsrgan_backend.engine.winograd.bands import Bands
from bsrgan_backend.engine.winograd.convolution import source_rows
from bsrgan_backend.engine.winograd.crew import Crew, Threads
from bsrgan_backend.engine.winograd.helpers import Helpers
from bsrgan_backend.engine.winograd.layout import Layout
from bsrgan_backend.engine.winograd.network import CONVOLUTIONS, DENSE_BLOCKS, LEAST_CHANNELS, Network
from bsrgan_backend.engine.winograd.tail import BAND_UNITS, Range
from bsrgan_backend.engine.winograd.transforms import Scheme
from bsrgan_backend.engine.winograd.trunk import Trunk
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.weights import Architecture

Array = npt.NDArray[np.float32]

_FLOAT = 4

_AHEAD = 1
"""Bands of the result that may wait for the sink besides those that are worked on."""

KEPT_BYTES = 256_000_000
"""What a preview took is kept: what its pixels go through afterwards would wait for memory otherwise."""


class SpoolFull(BackendError):
    """The features find no room in a file; nothing has been computed."""


@dataclass(frozen=True)
class Plan:
    """How a picture runs.

    Attributes:
        layout: of its features.
        threads: that work on it, each in a process of its own where that can be had.
        band_units: units of the features in a band of the tail.
        spooled: the features lie in a file instead of in memory.
        need_bytes: memory that the run is expected to take at most, without the features if they are spooled.
    """

    layout: Layout
    threads: int
    band_units: int
    spooled: bool
    need_bytes: int

    @property
    def slowness(self) -> float:
        """Time relative to one thread in memory."""
        return (planning.DISK_SLOWNESS if self.spooled else 1.0) / self.threads


def plans(
    size: tuple[int, int],
    architecture: Architecture,
    threads: int,
    scheme: Scheme,
    *,
    can_spool: bool,
) -> list[Plan]:
    """Ways to run a picture, the fastest first.

    Args:
        size: (height, width) of the features, 1 or more each.
        architecture: of the net.
        threads: most that work.
        scheme: of the net's kernels.
        can_spool: the features may be put into a file.
    """
    layout = Layout.of(*size, scheme)
    counts = sorted({max(1, threads // part) for part in (1, 2, 4, 8, threads)})
    places = (False, True) if can_spool else (False,)
    ways = [_plan(layout, architecture, count, spooled) for count in counts for spooled in places]
    return sorted(ways, key=lambda plan: plan.slowness)


def _plan(layout: Layout, architecture: Architecture, threads: int, spooled: bool) -> Plan:
    band_units = max(4, min(BAND_UNITS, math.ceil(layout.units / threads)))
    features = 0 if spooled else layout.units * math.prod(layout.shape(architecture.features)) * _FLOAT
    image = layout.height * layout.width * architecture.in_channels * architecture.unshuffle**2 * _FLOAT
    # The crew has a copy of the image.
    in_trunk = image + 2 * features + threads * trunk_room_bytes(layout, architecture)
    strip = band_units * math.prod(layout.shape(architecture.out_channels)) * 4**architecture.doublings * _FLOAT
    # One more is on its way to the sink.
    strips = _strips(layout, threads, band_units) + 1
    in_tail = features + threads * tail_room_bytes(layout, architecture) + strips * strip
    return Plan(layout, threads, band_units, spooled, image + max(in_trunk, in_tail))


def _strips(layout: Layout, threads: int, band_units: int) -> int:
    """Bands for which there is room at once."""
    return min(math.ceil(layout.units / band_units), threads + _AHEAD)


def trunk_room_bytes(layout: Layout, architecture: Architecture) -> int:
    """Memory of a thread in the trunk."""
    nf, gc = architecture.features, architecture.growth
    tile, seen = layout.tile, layout.scheme.seen
    joined = nf + (CONVOLUTIONS - 1) * gc
    dense = joined * (seen * source_rows(layout.scheme) + seen**2 * CONVOLUTIONS) + (nf + gc) * tile**2
    return layout.tiles * dense * _FLOAT + _workspace_bytes(layout, architecture)


def tail_room_bytes(layout: Layout, architecture: Architecture) -> int:
    """Memory of a thread in the tail: every convolution's rows, factors and result, and what doublings give."""
    nf, tile, seen = architecture.features, layout.tile, layout.scheme.seen
    stage = nf * (seen * source_rows(layout.scheme) + seen**2 + tile**2)
    enlarged = layout.tiles
    total = 0
    for _doubling in range(architecture.doublings):
        enlarged *= 2
        total += enlarged * (stage + nf * tile**2)
    return (total + enlarged * (2 * stage - nf * tile**2)) * _FLOAT + _workspace_bytes(layout, architecture)


def _workspace_bytes(layout: Layout, architecture: Architecture) -> int:
    tile, seen = layout.tile, layout.scheme.seen
    in_panel = seen**2 + seen * tile + tile**2
    return layout.columns * in_panel * max(LEAST_CHANNELS, architecture.features, architecture.growth) * _FLOAT


class Runner:
    """A net that takes pictures; one runs at a time, but for a small one that `should_stop` lets in between.

    Args:
        network: the kernels.
        crews: those at work, which runners of one net share.
        helpers: processes for them, likewise; None for threads.
    """

    def __init__(self, network: Network, crews: list[Crew] | None = None, helpers: Helpers | None = None) -> None:
        self._network = network
        self._crews = [] if crews is None else crews
        self._helpers = helpers

    def shortened(self, blocks: int) -> Runner:
        """The same with the first RRDBs only, for measurements."""
        few = replace(self._network, dense=self._network.dense[: DENSE_BLOCKS * blocks])
        return Runner(few, self._crews, self._helpers)

    def run(
        self,
        plan: Plan,
        image: Array,
        size: tuple[int, ...],
        sink: Sink,
        on_progress: OnProgress,
        should_stop: Callable[[], bool],
        spool: Path | None,
    ) -> bool:
        """Run a picture.

        Args:
            plan: one of `plans` for it.
            image: (1, C·u², H, W) unshuffled, float32, 0..1.
            size: (height, width) of the picture before that.
            sink: as for `engine.upscale`.
            on_progress: as there.
            should_stop: as there, asked twenty times a second.
            spool: folder for features in a file.

        Returns:
            Whether memory ran short on the way, so that fewer threads came to the end.

        Raises:
            MemoryError: nothing has been given to the sink.
            Stopped: `should_stop` said so.
            SpoolFull: the disk has no room for a spooled plan.
            BackendError: MODEL_LOAD when the result is not finite; HOST_OOM when not even one thread has memory for the
                rest of the picture, or the sink has none.
        """
        one = _Picture(self._network, plan, size, sink, on_progress, should_stop)
        with held(self._crews), blas.one_thread(), _returned_memory(plan.need_bytes):
            with self._crew(plan.threads, one.look_at_trunk, plan) as crew:
                features = one.trunk(crew, image, spool)
            threads = plan.threads
            while True:
                # What the threads before had lies in their heaps, where the next ones would not find it.
                _return_memory(plan.need_bytes)
                try:
                    with self._crew(threads, one.look_at_tail, plan) as crew:
                        one.tail(crew, features)
                except MemoryError:
                    if threads == 1:
                        one.give_up()
                        raise
                    threads = max(1, threads // 2)
                else:
                    return threads < plan.threads

    def features(self, plan: Plan, image: Array) -> Array:
        """The trunk alone: (1, C·u², H, W) unshuffled → (1, nf, H, W)."""
        one = _Picture(self._network, plan, image.shape[2:], _no_sink, _no_progress, lambda: False)
        with held(self._crews), blas.one_thread(), self._crew(plan.threads, one.look_at_trunk, plan) as crew:
            units = one.trunk(crew, image, None)
        rows = np.concatenate([plan.layout.unpack(unit, number) for number, unit in enumerate(units)])
        return np.ascontiguousarray(rows.transpose(2, 0, 1)[np.newaxis])

    @contextlib.contextmanager
    def _crew(self, threads: int, check: Callable[[Crew], None], plan: Plan) -> Iterator[Crew]:
        crew: Crew | None = None
        if self._helpers is not None:
            is_large = plan.need_bytes > KEPT_BYTES
            crew = self._helpers.crew(threads, check, self._network, is_large=is_large)
        if crew is None:
            crew = Threads(threads, check)
        self._crews.append(crew)
        try:
            yield crew
        finally:
            self._crews.remove(crew)


@contextlib.contextmanager
def held(crews: list[Crew]) -> Iterator[None]:
    """Hold back the pictures in whose `should_stop` this one runs: somebody waits for this one.

    Meanwhile the list is empty: a picture within this one must not let go what is held already.
    """
    waiting = crews[:]
    crews.clear()
    try:
        with contextlib.ExitStack() as pauses:
            for crew in waiting:
                pauses.enter_context(crew.paused())
            yield
    finally:
        crews[:0] = waiting


@contextlib.contextmanager
def _returned_memory(size: int) -> Iterator[None]:
    """What a large picture took is free again afterwards: for other programs, and for the plan of the next one."""
    try:
        yield
    finally:
        _return_memory(size)


def _return_memory(size: int) -> None:
    if size > KEPT_BYTES:
        host.return_memory()


def _room(crew: Crew, shape: tuple[int, ...], folder: Path | None) -> tuple[Array, Array]:
    """For features, and for those that a stage keeps."""
    try:
        return crew.allocate(shape, folder), crew.allocate(shape, folder)
    except BackendError as error:
        raise SpoolFull(error.code, error.text, error.detail) from error


def _no_sink(_first: int, _rows: Array) -> None:
    """Of a run without a result."""


def _no_progress(*_: int) -> None:
    """Of a run that nobody watches."""


class _Picture:
    """One picture on its way."""

    def __init__(
        self,
        network: Network,
        plan: Plan,
        size: tuple[int, ...],
        sink: Sink,
        on_progress: OnProgress,
        should_stop: Callable[[], bool],
    ) -> None:
        self._network = network
        self._plan = plan
        self._size = size
        self._sink = sink
        self._on_progress = on_progress
        self._should_stop = should_stop
        units, step = plan.layout.units, plan.band_units
        self._bands = [Range(first, min(units, first + step)) for first in range(0, units, step)]
        self._in_work: Bands | None = None
        self._first = 0
        self._delivered = 0
        architecture = network.architecture
        self._trunk_share = planning.block_macs(architecture) * architecture.blocks + planning.join_macs(architecture)
        self._tail_share = planning.tail_macs(architecture)

    def trunk(self, crew: Crew, image: Array, spool: Path | None) -> Array:
        """The features of the whole picture, in units."""
        plan, architecture = self._plan, self._network.architecture
        self._stop_here()
        self._report(0.0, 0)
        shape = (plan.layout.units, *plan.layout.shape(architecture.features))
        features, kept = _room(crew, shape, spool if plan.spooled else None)
        crew.run(Trunk(self._network, plan.layout, image[0], features, kept))
        return features

    def tail(self, crew: Crew, features: Array) -> None:
        """Give the result to the sink."""
        architecture, layout = self._network.architecture, self._plan.layout
        factor = 2**architecture.doublings
        rows = self._plan.band_units * layout.tile * factor
        count = _strips(layout, crew.threads, self._plan.band_units)
        strips = crew.allocate((count, rows, layout.width * factor, architecture.out_channels), None)
        # An attempt with more threads may have come some way.
        self._first = self._delivered
        self._in_work = Bands(self._network, layout, self._bands[self._first :], features, strips)
        crew.run(self._in_work)
        self._deliver(crew)
        self._report_tail()

    def give_up(self) -> None:
        """Say that the memory is too little, if part of the result has been given away already."""
        if self._delivered:
            raise BackendError("HOST_OOM", TOO_LITTLE_MEMORY, f"at band {self._delivered} of {len(self._bands)}")

    def look_at_trunk(self, crew: Crew) -> None:
        """Tell how far the stages are, and ask whether to go on."""
        written = sum(crew.marked(stage) + 1 for stage in range(self._network.stages))
        part = written / (self._network.stages * self._plan.layout.units)
        self._stop_here()
        self._report(part * self._trunk_share, int(part * self._network.stages))

    def look_at_tail(self, crew: Crew) -> None:
        """The same in the tail, handing over what is ready."""
        self._deliver(crew)
        self._stop_here()
        self._report_tail()

    def _stop_here(self) -> None:
        if self._should_stop():
            raise Stopped

    def _report_tail(self) -> None:
        part = self._delivered / len(self._bands)
        self._report(self._trunk_share + part * self._tail_share, self._network.stages + self._delivered)

    def _report(self, macs_px: float, tile: int) -> None:
        scale = self._plan.layout.height * self._plan.layout.width / 1e6
        total = max(1, int((self._trunk_share + self._tail_share) * scale))
        done = total if self._delivered == len(self._bands) else min(total - 1, int(macs_px * scale))
        self._on_progress(done, total, tile, self._network.stages + len(self._bands))

    def _deliver(self, crew: Crew) -> None:
        """Give the strips that are next to the sink, without what the picture had been padded with."""
        architecture, work = self._network.architecture, self._in_work
        factor = 2**architecture.doublings * self._plan.layout.tile
        height, width = (side * architecture.scale for side in self._size)
        while work is not None and work.is_ready(self._delivered - self._first, crew):
            band = self._bands[self._delivered]
            first, last = (min(height, end * factor) for end in (band.first, band.stop))
            strip = work.take(self._delivered - self._first, last - first, width, crew)
            if not is_finite(strip):
                raise BackendError("MODEL_LOAD", NO_NUMBERS)
            if strip.size:
                self._give(first, strip)
            self._delivered += 1

    def _give(self, first: int, strip: Array) -> None:
        try:
            self._sink(first, strip)
        except MemoryError as error:
            # The sink may have taken a part: fewer threads would begin with the same strip again.
            raise BackendError("HOST_OOM", TOO_LITTLE_MEMORY, f"in the sink: {error}") from error
