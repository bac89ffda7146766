"""From a picture's size to any other with a network of one fixed scale: one pass or several, each resampled.

Up to the network's scale (and 5 % above it) one pass is enough: its result is reduced. Above, the last pass makes the
asked size from a picture of the asked size divided by the scale, which the pass before it makes, and so on. So the
intermediate picture is as small as the result allows, never larger than the network's own result.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bsrgan_backend.engine.engine import Engine, OnProgress, Stopped
from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging import pixels
from bsrgan_backend.imaging.boxes import Box, Size
from bsrgan_backend.imaging.pixels import Floats
from bsrgan_backend.imaging.resampling import StripResizer, covered
from bsrgan_backend.worker.work import Cancelled, ShouldStop

Take = Callable[[int, Floats], None]
"""Takes rows of the last pass's result: index in the whole result, and (n, wanted width, C) float32."""

CONTEXT_PX = 80
"""Pixels around a part that go through the network with it: leaving further ones out changed what is visible of a
photo by at most 0.2/255 (64 px: 1.0, 48 px: 3.9), measured with realesrgan-x4plus."""
ALIGN_PX = 8
"""Parts begin at multiples of it: the networks fold at most 4 x 4 pixels into channels."""

_TOLERANCE = 1.05
"""A pass more for less than this is not worth its time."""
BAND_PX = 1024 * 1024
"""Pixels of the result that are worked on at once, about."""
_FILE_BYTES = 256 * 1024 * 1024
"""A larger intermediate picture lies in a file."""


@dataclass(frozen=True)
class Pass:
    """One run of the network and the resize after it.

    Attributes:
        source: (height, width) of the picture that enters.
        seen: what of it goes through the network.
        target: (height, width) that the network's result is brought to.
        wanted: what of that is made.
    """

    source: Size
    seen: Box
    target: Size
    wanted: Box


def sizes(size: Size, out_size: Size, scale: int) -> tuple[Size, ...]:
    """The picture's size before the first pass and after each.

    Args:
        size: (height, width) of the picture.
        out_size: of the result.
        scale: of the network.
    """
    steps = [out_size]
    while scale > 1 and any(_TOLERANCE * scale * side < out for side, out in zip(size, steps[0], strict=True)):
        # A side that does not grow is not made smaller for the pass than it is, or than it becomes.
        height, width = (max(-(-out // scale), min(side, out)) for side, out in zip(size, steps[0], strict=True))
        steps.insert(0, (height, width))
    return (size, *steps)


def plan(size: Size, out_size: Size, scale: int, seen: Box | None = None, wanted: Box | None = None) -> list[Pass]:
    """The passes for a picture or a part of one.

    Args:
        size: (height, width) of the whole picture.
        out_size: of the whole result.
        scale: of the network.
        seen: what of the picture there is; None for all.
        wanted: what of the result is made; None for all that `seen` covers.
    """
    steps = sizes(size, out_size, scale)
    seen = seen or Box.whole(size)
    passes = []
    for source, target in itertools.pairwise(steps):
        made = covered(seen.times(scale), (source[0] * scale, source[1] * scale), target)
        if target is steps[-1] and wanted is not None:
            made = made.within(wanted)
        passes.append(Pass(source, seen, target, made))
        seen = made
    return passes


class Journey:
    """One progress for several runs of the engine, whose units are in proportion to their pixels."""

    def __init__(self, areas: list[int], advance: OnProgress) -> None:
        self._areas = areas
        self._advance = advance
        self._run = -1
        self._unit = 0.0

    def begin(self) -> None:
        """The next run starts."""
        self._run += 1

    def advance(self, done: int, total: int, tile: int = 0, tiles: int = 0) -> None:
        """As the engine's `on_progress`, for the run that is on."""
        if len(self._areas) == 1:
            self._advance(done, total, tile, tiles)
            return
        self._unit = self._unit or total / self._areas[0]
        behind = sum(self._areas[: self._run]) + done / total * self._areas[self._run]
        # Tiles are counted anew in each run, so they say nothing here.
        self._advance(round(behind * self._unit), max(1, round(sum(self._areas) * self._unit)), 0, 0)


@dataclass
class Runner:
    """What all runs of a job share.

    Attributes:
        engine: the loaded model.
        options: keywords for it.
        journey: progress over all runs.
        should_stop: asked by the engine between pieces of work.
        scratch: folder for intermediate pictures that are large; None to keep them in memory.
        seconds: time spent on the network's results so far, which is not the engine's.
    """

    engine: Engine
    options: dict[str, Any]
    journey: Journey
    should_stop: ShouldStop
    scratch: Path | None = None
    seconds: float = field(default=0.0, init=False)

    def run(self, image: Floats, passes: list[Pass], take: Take) -> None:
        """Run a picture through its passes.

        Args:
            image: (H, W, 1 or 3) float32, what the first pass sees.
            passes: of `plan`.
            take: given the result's rows in order, with as many channels as `image`.

        Raises:
            Cancelled: `should_stop` said so.
            BackendError: DISK_FULL, or what the engine raises.
        """
        channels = image.shape[2]
        for step in passes[:-1]:
            between = _Between(step, channels, self.scratch)
            self._once(image, step, between.take)
            image = between.image
        self._once(image, passes[-1], take)

    def _once(self, image: Floats, step: Pass, take: Take) -> None:
        architecture = self.engine.architecture
        strips = _Strips(step, architecture.scale, image.shape[2], take)
        self.journey.begin()
        try:
            self.engine.upscale(
                pixels.widen(image, architecture.in_channels),
                strips.take,
                on_progress=self.journey.advance,
                should_stop=self.should_stop,
                **self.options,
            )
        except Stopped:
            raise Cancelled from None
        self.seconds += strips.seconds
        strips.require_complete()


class _Strips:
    """Takes the engine's strips of one pass and gives the rows of its target on.

    Attributes:
        seconds: time spent here and by whoever takes the rows.
    """

    def __init__(self, step: Pass, scale: int, channels: int, take: Take) -> None:
        self._channels = channels
        self._take = take
        height, width = step.source[0] * scale, step.source[1] * scale
        self._resizer = StripResizer((height, width), step.target, seen=step.seen.times(scale), wanted=step.wanted)
        # Rows of a strip that become one band: a result far larger than the network's would be large at once.
        self._rows = max(1, BAND_PX * height // max(1, step.target[0] * step.target[1]))
        self._next_row = 0
        self._missing = step.wanted.size[0]
        self.seconds = 0.0

    def take(self, first_row: int, strip: Floats) -> None:
        """Take the next strip of the network's result, (n, scale · seen width, C) float32."""
        started = time.monotonic()
        if first_row != self._next_row:
            raise BackendError("INTERNAL", "The result came in the wrong order; try again.", f"row {first_row}")
        self._next_row += strip.shape[0]
        for row in range(0, strip.shape[0], self._rows):
            first, band = self._resizer.push(pixels.narrow(strip[row : row + self._rows], self._channels))
            if band.shape[0]:
                self._missing -= band.shape[0]
                self._take(first, band)
        self.seconds += time.monotonic() - started

    def require_complete(self) -> None:
        """Refuse a result with missing rows: it would be someone's picture."""
        if self._missing:
            raise BackendError(
                "INTERNAL", "The result is not complete; try again.", f"{self._missing} rows are missing"
            )


class _Between:
    """The picture between two passes, as the network takes it: 0..1, in memory or, when large, in a file.

    Attributes:
        image: (wanted height, wanted width, C) float32.
    """

    def __init__(self, step: Pass, channels: int, scratch: Path | None) -> None:
        self._top = step.wanted.top
        self.image = _allocate((*step.wanted.size, channels), scratch)

    def take(self, first: int, band: Floats) -> None:
        """Keep rows of the pass's result."""
        np.clip(band, 0.0, 1.0, out=self.image[first - self._top : first - self._top + band.shape[0]])


def _allocate(shape: tuple[int, int, int], scratch: Path | None) -> Floats:
    total = 4 * shape[0] * shape[1] * shape[2]
    if scratch is None or total <= _FILE_BYTES:
        return np.empty(shape, np.float32)
    try:
        # Nameless: it is gone with the mapping, whatever happens to this process.
        with tempfile.TemporaryFile(dir=scratch) as file:
            file.truncate(total)
            mapped: Floats = np.memmap(file, np.float32, "r+", shape=shape)
            return mapped
    except OSError as error:
        text = "The disk is too full for this size; free some space or choose a smaller scale."
        raise BackendError("DISK_FULL", text, str(error)) from None


def held_between(total: int, spooled: bool) -> int:
    """Bytes of memory that a picture between two passes takes.

    Args:
        total: bytes of its values.
        spooled: there is a folder for large ones.
    """
    return 0 if spooled and total > _FILE_BYTES else total
