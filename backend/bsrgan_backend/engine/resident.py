"""A picture run with its features on the device from the first convolution to the last, so that only pixels travel.

The trunk sees the whole picture, the tail runs in strips with the few pixels around them that it reaches: the result
is that of one pass. It serves what fits into the device's memory; `device_engine` has the other way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine import planning
from bsrgan_backend.engine.arithmetic import Arithmetic, Tensor
from bsrgan_backend.engine.engine import NO_NUMBERS, OnProgress, Sink, Stopped, is_finite
from bsrgan_backend.engine.grids import Span, spans
from bsrgan_backend.engine.planning import TAIL_MARGIN
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.weights import Architecture

Array = npt.NDArray[np.float32]

STRIP_PX = 96 * 1024
"""Pixels of the features in a strip of the tail: enough to keep a large card busy, and less memory than the trunk."""

REDONE = "A part had no finite values in the fast precision and was done again in the exact one."
SHORT = "The device's memory ran short, so the picture was worked on in smaller pieces."


def strips(height: int, width: int) -> tuple[Span, ...]:
    """The tail's strips over the features' rows."""
    own = max(1, STRIP_PX // width - 2 * TAIL_MARGIN)
    return spans(height, math.ceil(height / own), TAIL_MARGIN)


def need_bytes(arithmetic: Arithmetic, height: int, width: int, precision: str) -> int:
    """The device's memory that features of a size take at most."""
    appetite = arithmetic.appetite(precision)
    strip = max(rows.high - rows.low for rows in strips(height, width)) * width
    tail = height * width * appetite.feature_px + 2 * strip * appetite.tail_px
    return max(height * width * appetite.trunk_px, tail) + appetite.base


class Resident:
    """One picture on its way through a device.

    Attributes:
        is_redone: a part was computed again in the exact precision.
        has_shrunk: a strip had to be cut.
    """

    def __init__(
        self, arithmetic: Arithmetic, precision: str, on_progress: OnProgress, should_stop: Callable[[], bool]
    ) -> None:
        self.is_redone = False
        self.has_shrunk = False
        self._arithmetic = arithmetic
        self._precision = precision
        self._on_progress = on_progress
        self._should_stop = should_stop
        self._done = self._total = 0.0
        self._tile = self._tiles = 0

    def trunk(self, image: Array) -> Tensor:
        """(1, C·u², H, W) unshuffled → features on the device.

        Raises:
            MemoryError: it does not fit; nothing has been given to a sink.
            Stopped: `should_stop` said so.
        """
        architecture = self._arithmetic.architecture
        height, width = image.shape[2:]
        self._tiles = architecture.blocks + len(strips(height, width))
        self._total = float(height * width) * _macs(architecture)
        self._stop_here()
        self._on_progress(0, self._units(self._total), 0, self._tiles)
        pixels = self._arithmetic.upload(image)
        features = self._arithmetic.head(pixels)
        for index in range(architecture.blocks):
            self._stop_here()
            features = self._block(index, features)
            self._advance(height * width * planning.block_macs(architecture))
        features = self._arithmetic.join(pixels, features)
        self._done += height * width * planning.join_macs(architecture)
        return features

    def _block(self, index: int, features: Tensor) -> Tensor:
        result = self._arithmetic.block(index, features, self._precision)
        # Both ways wait for the result: progress is then true, and a stop is met within one block.
        if self._precision == "exact":
            self._arithmetic.finish()
        elif not self._arithmetic.is_finite(result):
            self.is_redone = True
            del result
            result = self._arithmetic.block(index, features, "exact")
        return result

    def tail(self, features: Tensor, size: tuple[int, ...], feature_size: tuple[int, int], sink: Sink) -> None:
        """Give the result to a sink, strip by strip; one is computed while the one before is copied and taken.

        Args:
            features: of the whole picture.
            size: (height, width) of the picture that was given.
            feature_size: (height, width) of the features.
            sink: as `engine.upscale` takes it.

        Raises:
            MemoryError: not even one row fits.
        """
        architecture = self._arithmetic.architecture
        waiting: Callable[[], None] | None = None
        for rows in strips(*feature_size):
            self._stop_here()
            arriving = self._strip(features, rows, feature_size[0], size, sink)
            if waiting is not None:
                waiting()
            waiting = arriving
            self._advance(feature_size[1] * (rows.stop - rows.start) * planning.tail_macs(architecture))
        if waiting is not None:
            waiting()

    def _strip(
        self, features: Tensor, rows: Span, height: int, size: tuple[int, ...], sink: Sink
    ) -> Callable[[], None]:
        """Start a strip; the function that comes back waits for it, looks at its values and hands it over."""
        try:
            arriving = self._start(features, rows, self._precision)
        except MemoryError:
            if rows.stop - rows.start == 1:
                raise
        else:
            return lambda: self._hand_over(self._finite(arriving(), features, rows), rows, size, sink)
        # Outside of the handler, whose traceback would keep the failed strip's tensors.
        self._arithmetic.release()
        self.has_shrunk = True
        middle = (rows.start + rows.stop) // 2
        halves = [_seen(rows.start, middle, height), _seen(middle, rows.stop, height)]
        parts = [part for half in halves for part in self._finished(features, half, height, size)]

        def hand_over() -> None:
            for first, part in parts:
                sink(first, part)

        return hand_over

    def _finished(self, features: Tensor, rows: Span, height: int, size: tuple[int, ...]) -> list[tuple[int, Array]]:
        """A smaller strip, waited for at once: memory is short."""
        parts: list[tuple[int, Array]] = []
        self._strip(features, rows, height, size, lambda first, part: parts.append((first, part)))()
        return parts

    def _start(self, features: Tensor, rows: Span, precision: str) -> Callable[[], Array]:
        """The result's rows that belong to a strip, on their way."""
        factor = 2**self._arithmetic.architecture.doublings
        seen = self._arithmetic.rows(features, rows.low, rows.high)
        result = self._arithmetic.tail(seen, precision)
        own = self._arithmetic.rows(result, (rows.start - rows.low) * factor, (rows.stop - rows.low) * factor)
        return self._arithmetic.download_pixels(own)

    def _finite(self, strip: Array, features: Tensor, rows: Span) -> Array:
        """The strip, or what the exact precision makes of it where it holds values that are no numbers.

        It is looked at here and not on the device, which computes the next strip meanwhile.
        """
        if is_finite(strip):
            return strip
        if self._precision != "exact":
            self.is_redone = True
            strip = self._start(features, rows, "exact")()
            if is_finite(strip):
                return strip
        raise BackendError("MODEL_LOAD", NO_NUMBERS)

    def _hand_over(self, strip: Array, rows: Span, size: tuple[int, ...], sink: Sink) -> None:
        architecture = self._arithmetic.architecture
        first = rows.start * 2**architecture.doublings
        height, width = (side * architecture.scale for side in size)
        own = strip[: max(0, height - first), :width]
        if own.size:
            sink(first, np.ascontiguousarray(own))

    def _stop_here(self) -> None:
        if self._should_stop():
            raise Stopped

    def _advance(self, macs: float) -> None:
        self._done = min(self._total, self._done + macs)
        self._tile = min(self._tiles, self._tile + 1)
        self._on_progress(self._units(self._done), self._units(self._total), self._tile, self._tiles)

    def _units(self, macs: float) -> int:
        return max(1, round(self._total / 1e6)) if macs >= self._total else int(macs / 1e6)


def run(
    arithmetic: Arithmetic,
    image: Array,
    size: tuple[int, ...],
    sink: Sink,
    on_progress: OnProgress,
    should_stop: Callable[[], bool],
    precision: str,
) -> tuple[str, ...] | None:
    """Run a picture whose features fit into the device's memory.

    Args:
        arithmetic: the loaded network.
        image: (1, C·u², H, W) unshuffled, float32, 0..1.
        size: (height, width) of the picture before that.
        sink: as for `engine.upscale`.
        on_progress: as there.
        should_stop: as there.
        precision: "exact" or "fast".

    Returns:
        Sentences about what was done differently; None when the trunk did not fit after all: nothing was given
        to the sink, and the memory is free again.

    Raises:
        Stopped: `should_stop` said so.
        BackendError: GPU_OOM when not even one row of the tail fits; MODEL_LOAD when the result is not finite.
    """
    one = Resident(arithmetic, precision, on_progress, should_stop)
    features = _trunk(one, image)
    if features is None:
        arithmetic.release()
        return None
    try:
        one.tail(features, size, (image.shape[2], image.shape[3]), sink)
    except MemoryError as error:
        text = "The graphics card has too little free memory; close other programs or use the CPU."
        raise BackendError("GPU_OOM", text, f"{error}") from error
    notes = ((REDONE, one.is_redone), (SHORT, one.has_shrunk))
    return tuple(note for note, is_so in notes if is_so)


def _trunk(one: Resident, image: Array) -> Any:
    try:
        return one.trunk(image)
    except MemoryError:
        return None


def _macs(architecture: Architecture) -> float:
    blocks = planning.block_macs(architecture) * architecture.blocks
    return float(blocks + planning.join_macs(architecture) + planning.tail_macs(architecture))


def _seen(start: int, stop: int, height: int) -> Span:
    return Span(start, stop, max(0, start - TAIL_MARGIN), min(height, stop + TAIL_MARGIN))
