"""One job: pixels from the spool through the network to the spool, in bands.

    spool -> split -> fill under alpha 0 -> crop to what is visible -> passes (engine, resample) -> sliders
          -> join with alpha -> spool; then alpha -> passes -> into the rows of the spool; last, what lies outside 0..1

The source is held as float32 (the network's trunk sees all of it); the result never is: the engine gives strips, and
each leaves as bytes before the next one comes.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bsrgan_backend.engine import host
from bsrgan_backend.engine.engine import Engine
from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging import alpha_edges, pixels, transparency
from bsrgan_backend.imaging.boxes import Box, Part
from bsrgan_backend.imaging.pixels import Floats, PixelFormat
from bsrgan_backend.imaging.resampling import covered
from bsrgan_backend.worker import alpha as alphas
from bsrgan_backend.worker import highlights, passes, sizes, spool
from bsrgan_backend.worker.finishing import Mixture, Result
from bsrgan_backend.worker.footprint import held_bytes, preparing_bytes
from bsrgan_backend.worker.options import Options
from bsrgan_backend.worker.reports import Progress
from bsrgan_backend.worker.work import Cancelled, ShouldStop
from bsrgan_wire import limits

_WORTH_CROPPING = 0.9
"""A crop that leaves more than this of the picture saves nothing that is felt."""


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
        options: everything else that can be asked.
    """

    job: str
    task: str
    size: tuple[int, int]
    out_size: tuple[int, int]
    layout: PixelFormat
    model: str
    options: Options = Options()

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
            Options.of(message.get("params")),
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
    scratch: Path | None = None,
) -> Outcome:
    """Do a job.

    Args:
        spec: what to do.
        engine: the loaded model.
        source: descriptor of the picture's pixels.
        target: descriptor of the file for the result; every byte of it is written, and some are read again.
        progress: told how far it is.
        should_stop: asked between bands, tiles and strips.
        rate: units of progress per second that the engine is known for, 0 for unknown.
        scratch: folder for intermediate pictures that are large; None to keep them in memory.

    Raises:
        Cancelled: `should_stop` said so.
        BackendError: NONFINITE, BAD_SHAPE, BAD_PARAM, DISK_FULL, HOST_OOM or what the engine raises.
    """
    sizes.check_factors(spec.size, spec.out_size)
    spool.require_length(source, spec.input_bytes)
    scale = engine.architecture.scale
    held = held_bytes(spec.size, spec.out_size, spec.layout, spec.options, scale, spooled=scratch is not None)
    _require_memory(max(held, preparing_bytes(spec.size, spec.layout)))
    spool.reserve(target, spec.output_bytes)
    colour, alpha = _read(spec, source, should_stop)
    flat = None if alpha is None else transparency.constant(alpha)
    part = _visible(colour, alpha if flat is None else None)
    del colour
    if flat == 0.0 or part.seen != Box.whole(spec.size):
        # What is not written below can not be seen: zeros, which the file is made of.
        os.ftruncate(target, spec.output_bytes)
    if flat == 0.0:
        return Outcome(spec.output_bytes, 0.0)
    progress.phase("running", rate)
    run = _Run(spec, engine, part, alpha if flat is None else flat, target)
    del part
    started = time.monotonic()
    others = run.run(progress, should_stop, held, scratch)
    engine_seconds = time.monotonic() - started - others
    del run
    highlights.add(spec.size, spec.out_size, spec.layout, source, target, should_stop)
    return Outcome(spec.output_bytes, engine_seconds)


def _require_memory(needed: int) -> None:
    """Refuse a picture whose numbers alone do not fit: being killed for it would look like a crash.

    Raises:
        BackendError: HOST_OOM.
    """
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


def _visible(colour: Floats, alpha: Floats | None) -> Part:
    """The picture with colour under alpha 0, without margins that are too far from what can be seen to matter."""
    whole = Part.whole(colour)
    if alpha is None:
        return whole
    transparency.fill(colour, alpha)
    seen = transparency.visible_box(alpha).grown(passes.CONTEXT_PX, whole.source, passes.ALIGN_PX)
    if seen.area > _WORTH_CROPPING * whole.seen.area:
        return whole
    return Part(colour[seen.slices].copy(), whole.source, seen)


class _Run:
    """The network over colour and alpha of one picture."""

    def __init__(self, spec: JobSpec, engine: Engine, part: Part, alpha: Floats | float | None, target: int) -> None:
        scale = engine.architecture.scale
        self._options = spec.options
        self._engine = engine
        self._image: Floats | None = part.image
        is_whole = part.seen.size == spec.size
        # The sliders resample the picture itself, whose pixels are larger than the network's: its reach decides.
        made = None if is_whole else covered(part.seen, spec.size, spec.out_size)
        self._passes = passes.plan(spec.size, spec.out_size, scale, part.seen, made)
        plane = None if alpha is None or isinstance(alpha, float) else alpha
        shown = None if plane is None else plane[part.seen.slices]
        mixture = Mixture.of(part, shown, spec.out_size, spec.options)
        self._result = Result(spec.layout, mixture, self._passes[-1].wanted, alpha, target)
        self._pieces: list[alphas.Piece] = []
        if plane is not None and spec.options.alpha == "network" and spec.options.strength > 0.0:
            weights = alpha_edges.edge_weights(plane)
            self._pieces = alphas.pieces(weights, spec.out_size, scale)
            self._rewriter = alphas.Rewriter(plane, weights, spec.out_size, spec.layout, spec.options.strength, target)

    def run(self, progress: Progress, should_stop: ShouldStop, held: int, scratch: Path | None) -> float:
        """Do all of it and return the seconds that were not the engine's."""
        if self._options.strength == 0.0:
            started = time.monotonic()
            self._result.resized(progress.advance, should_stop)
            return time.monotonic() - started
        areas = [step.seen.area for step in self._passes]
        areas += [area for piece in self._pieces for area in piece.areas]
        runner = passes.Runner(
            self._engine,
            self._options.engine_options(held),
            passes.Journey(areas, progress.advance),
            should_stop,
            scratch,
        )
        assert self._image is not None
        runner.run(self._image, self._passes, self._result.take)
        # Only the sliders may need it any longer.
        self._image = None
        for piece in self._pieces:
            self._rewriter.run(piece, runner)
        return runner.seconds
