"""One job: pixels from the spool through the network to the spool, in bands.

    spool -> split -> fill under alpha 0 -> engine -> narrow -> resample -> join with alpha -> spool

The source is held as float32 (the network's trunk sees all of it); the result never is: the engine gives strips, and
each leaves as bytes before the next one comes.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from bsrgan_backend.engine import host
from bsrgan_backend.engine.engine import Engine, Stopped
from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging import pixels, transparency
from bsrgan_backend.imaging.pixels import Floats, PixelFormat
from bsrgan_backend.imaging.resampling import StripResizer
from bsrgan_backend.worker import spool
from bsrgan_backend.worker.reports import Progress
from bsrgan_backend.worker.work import Cancelled, ShouldStop
from bsrgan_wire import limits

_BAND_PX = 4 * 1024 * 1024


@dataclass(frozen=True)
class JobSpec:
    """A `run` message, checked.

    Attributes:
        job: its id.
        task: its name; `tasks.TASKS` says which there are.
        size: (height, width) of the picture.
        out_size: (height, width) of the result; any, independent of the model's scale.
        layout: type and channels of both.
        model: id, empty for the default.
    """

    job: str
    task: str
    size: tuple[int, int]
    out_size: tuple[int, int]
    layout: PixelFormat
    model: str

    @classmethod
    def of(cls, message: dict[str, Any]) -> JobSpec:
        """Read a `run` message.

        Raises:
            BackendError: BAD_SHAPE, ZERO_SIZE, BAD_DTYPE or BAD_PARAM.
        """
        spec = cls(
            str(message["job"]),
            str(message["task"]),
            (int(message["height"]), int(message["width"])),
            (int(message["out_height"]), int(message["out_width"])),
            PixelFormat(str(message["dtype"]), int(message["channels"])),
            str(message.get("model", "")),
        )
        if min(*spec.size, *spec.out_size) < 1:
            raise BackendError("ZERO_SIZE", "The picture is empty; choose a layer with at least one pixel.")
        if max(*spec.size, *spec.out_size) > limits.SIDE_PX:
            raise BackendError(
                "TOO_MANY_PIXELS", f"A side is longer than {limits.SIDE_PX} pixels; select a smaller area."
            )
        return spec

    @property
    def input_bytes(self) -> int:
        """Length of the picture in the spool."""
        return self.size[0] * self.size[1] * self.layout.pixel_bytes

    @property
    def output_bytes(self) -> int:
        """Length of the result in the spool."""
        return self.out_size[0] * self.out_size[1] * self.layout.pixel_bytes


@dataclass(frozen=True)
class Outcome:
    """A job that is done.

    Attributes:
        total: bytes of the result.
        engine_seconds: time in the network, without pixels and files.
    """

    total: int
    engine_seconds: float


def upscale(
    spec: JobSpec,
    engine: Engine,
    source: int,
    target: int,
    progress: Progress,
    should_stop: ShouldStop,
    rate: float = 0.0,
) -> Outcome:
    """Do a job.

    Args:
        spec: what to do.
        engine: the loaded model.
        source: descriptor of the picture's pixels.
        target: descriptor of the file for the result; every byte of it is written.
        progress: told how far it is.
        should_stop: asked between bands, tiles and strips.
        rate: units of progress per second that the engine is known for, 0 for unknown.

    Raises:
        Cancelled: `should_stop` said so.
        BackendError: NONFINITE, BAD_SHAPE, DISK_FULL, HOST_OOM or what the engine raises.
    """
    spool.require_length(source, spec.input_bytes)
    _require_memory(spec)
    spool.reserve(target, spec.output_bytes)
    colour, alpha = _read(spec, source, should_stop)
    flat = None if alpha is None else transparency.constant(alpha)
    if flat == 0.0:
        # Nothing of it can be seen: zeros, which the file is made of.
        os.ftruncate(target, spec.output_bytes)
        return Outcome(spec.output_bytes, 0.0)
    if alpha is not None and flat is None:
        colour = transparency.fill(colour, alpha)
    image = pixels.widen(colour, engine.architecture.in_channels)
    del colour
    result = _Result(spec, engine.architecture.scale, alpha if flat is None else flat, target)
    progress.phase("running", rate)
    started = time.monotonic()
    try:
        engine.upscale(image, result.take, on_progress=progress.advance, should_stop=should_stop)
    except Stopped:
        raise Cancelled from None
    elapsed = time.monotonic() - started
    result.require_complete()
    return Outcome(spec.output_bytes, elapsed - result.seconds)


def _require_memory(spec: JobSpec) -> None:
    """Refuse a picture whose numbers alone do not fit: being killed for it would look like a crash.

    Raises:
        BackendError: HOST_OOM.
    """
    planes = 2 * spec.layout.colours + int(spec.layout.has_alpha) if spec.layout.has_alpha else 3
    needed = 4 * planes * spec.size[0] * spec.size[1]
    available = host.available_memory_bytes()
    if needed > available:
        text = "There is too little free memory for this picture; close other programs or select a smaller area."
        raise BackendError("HOST_OOM", text, f"{needed} bytes for the picture, {available} available")


def _read(spec: JobSpec, source: int, should_stop: ShouldStop) -> tuple[Floats, Floats | None]:
    """Colour (H, W, 1 or 3) and alpha (H, W) or None of the picture in the spool."""
    height, width = spec.size
    colour = np.empty((height, width, spec.layout.colours), np.float32)
    alpha = np.empty((height, width), np.float32) if spec.layout.has_alpha else None
    for first, data in spool.read_bands(source, width * spec.layout.pixel_bytes, height):
        if should_stop():
            raise Cancelled
        band_colour, band_alpha = pixels.split(pixels.unpack(data, width, spec.layout))
        last = first + band_colour.shape[0]
        colour[first:last] = band_colour
        if alpha is not None and band_alpha is not None:
            alpha[first:last] = band_alpha
    return colour, alpha


class _Result:
    """Takes the engine's strips and leaves finished rows in the spool.

    `alpha` is the picture's alpha plane, or its one value, or None where the format has none.

    Attributes:
        seconds: time spent here, which is not the engine's.
    """

    def __init__(self, spec: JobSpec, scale: int, alpha: Floats | float | None, target: int) -> None:
        self._spec = spec
        self._alpha = alpha
        self._target = target
        self._resizer = StripResizer((spec.size[0] * scale, spec.size[1] * scale), spec.out_size)
        # Rows of a strip that become one band: a result far larger than the network's would be large at once.
        self._rows = max(1, _BAND_PX * spec.size[0] * scale // (spec.out_size[0] * spec.out_size[1]))
        self._next_row = 0
        self._written = 0
        self.seconds = 0.0

    def take(self, first_row: int, strip: Floats) -> None:
        """Take the next strip of the network's result, (n, W·scale, C) float32."""
        started = time.monotonic()
        if first_row != self._next_row:
            raise BackendError("INTERNAL", "The result came in the wrong order; try again.", f"row {first_row}")
        self._next_row += strip.shape[0]
        for row in range(0, strip.shape[0], self._rows):
            piece = pixels.narrow(strip[row : row + self._rows], self._spec.layout.colours)
            self._write(*self._resizer.push(piece))
        self.seconds += time.monotonic() - started

    def _write(self, first: int, band: Floats) -> None:
        if band.shape[0]:
            alpha = self._alpha_rows(first, band.shape[0])
            self._written += spool.write_rows(self._target, pixels.join(band, alpha, self._spec.layout), first)

    def _alpha_rows(self, first: int, rows: int) -> Floats | None:
        if self._alpha is None:
            return None
        if isinstance(self._alpha, float):
            return np.full((rows, self._spec.out_size[1]), self._alpha, np.float32)
        return transparency.enlarge_rows(self._alpha, self._spec.out_size, first, first + rows)

    def require_complete(self) -> None:
        """Refuse a result with missing rows: it would be someone's picture.

        Raises:
            BackendError: INTERNAL.
        """
        if self._written != self._spec.output_bytes:
            raise BackendError(
                "INTERNAL",
                "The result is not complete; try again.",
                f"{self._written} of {self._spec.output_bytes} bytes",
            )
