"""The task "preview": a rectangle of the result, the same as in the whole one, from the part of the picture around it.

    spool -> split -> fill under alpha 0 -> passes over what the rectangle needs -> + texture | base -> join -> spool

Everything is computed where it lies in the whole picture: phases of the resampling are those of the full sizes. Two
things know only what is around. The noise floor of the texture is that of the pixels that the network sees, so the
textured picture shows the kind of texture and only about its amount; all that was sent would take 8 ms more. And
colour under alpha 0 is filled from the part's own visible pixels, which changes partly transparent pixels beside large
holes a little.
"""

from __future__ import annotations

import functools
import itertools
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging import alpha_edges, pixels, strength, texture, transparency
from bsrgan_backend.imaging.boxes import Box, Part, Size
from bsrgan_backend.imaging.pixels import Floats, PixelFormat
from bsrgan_backend.imaging.resampling import covered, taps
from bsrgan_backend.models.weights import Architecture
from bsrgan_backend.worker import passes, sizes, spool
from bsrgan_backend.worker.options import Options
from bsrgan_backend.worker.work import Finished, Work
from bsrgan_wire import limits
from bsrgan_wire.preview import ALIGN_PX, Place, Rectangle

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")

_LANCZOS_REACH = 3.0
_ENLARGED, _TEXTURED, _BASE = range(3)
"""Order of the pictures in the answer."""

_ROWS = 64
"""Rows that are made ready at once: they stay in the processor's cache."""

_EDGE_REACH_PX = 16
"""Hard edges of alpha further away than this change nothing in a rectangle."""


@dataclass(frozen=True)
class Order:
    """A `run` message of this task, checked.

    Attributes:
        size: (height, width) of the whole picture.
        out_size: (height, width) that the whole result would have.
        seen: the part of the picture that there is: what was sent, or what of it counts.
        wanted: the rectangle of the result.
        layout: type and channels of both.
        options: as of an upscale job; strength and texture are not used.
    """

    size: Size
    out_size: Size
    seen: Box
    wanted: Box
    layout: PixelFormat
    options: Options

    @classmethod
    def of(cls, message: dict[str, Any]) -> Order:
        """Read a `run` message.

        Raises:
            BackendError: BAD_SHAPE, BAD_DTYPE or BAD_PARAM.
        """
        layout = PixelFormat(str(message["dtype"]), int(message["channels"]))
        params = message.get("params") or {}
        out_width, out_height = int(message["out_width"]), int(message["out_height"])
        try:
            place = Place.read(params, int(message["width"]), int(message["height"]), out_width, out_height)
        except ValueError as error:
            raise BackendError("BAD_PARAM", str(error)) from None
        size, out_size = place.picture[::-1], place.result[::-1]
        sizes.check_factors(size, out_size)
        return cls(size, out_size, _box(place.part), _box(place.rectangle), layout, Options.of(params))


def _box(rectangle: Rectangle) -> Box:
    return Box(rectangle.top, rectangle.left, rectangle.bottom, rectangle.right)


def preview(order: Order, work: Work) -> Finished:
    """Do a job.

    Args:
        order: what to do.
        work: open files, progress, cancel, and the loaded model.

    Raises:
        Cancelled: `work.should_stop` said so.
        BackendError: BAD_SHAPE, BAD_PARAM, NONFINITE, HOST_OOM, DISK_FULL or what the engine raises.
    """
    log.info("job: preview %d x %d of %d x %d", *order.wanted.size[::-1], *order.out_size[::-1])
    steps = plan(order, work.resident.engine.architecture)
    # Without alpha nothing counts but what the network sees; colour under alpha 0 is filled from all that was sent.
    kept = order.seen if order.layout.has_alpha else steps[0].seen
    colour, alpha = _read(order, work.source, kept)
    order = replace(order, seen=kept)
    if alpha is not None:
        transparency.fill(colour, alpha)
    work.progress.phase("running")
    network = _Network(order, work, steps, _hard_edges(order, alpha))
    # What can be is made while the network works, and the last rows in two threads: a person waits for every
    # millisecond.
    with _Beside() as beside:
        sliders = beside.begin(lambda: _for_sliders(order, work, colour, alpha, network.seen))
        writing: list[Future[int]] = []

        def write(first: int, enlarged: Floats, shape: Floats | None) -> None:
            for number, fine in ((_ENLARGED, None), (_TEXTURED, sliders.result().fine)):
                writing.append(
                    beside.begin(functools.partial(_write, order, work, number, first, enlarged, fine, shape))
                )

        if alpha is None or network.edges is None:
            network.run(colour, lambda first, enlarged: write(first, enlarged, sliders.result().alpha))
        else:
            enlarged = network.whole(colour)
            write(0, enlarged, _alpha(order, alpha, sliders.result().alpha, network))
        written = sliders.result().written + sum(one.result() for one in writing)
    return Finished(written, network.seconds)


class _Beside:
    """Two threads for the body of a `with` block, at whose end all that was begun is over: files may be closed then.

    They are kept for the next preview, because a thread's start and end cost a person's milliseconds too.
    """

    _threads = ThreadPoolExecutor(2, "beside")

    def __init__(self) -> None:
        self._begun: list[Future[Any]] = []

    def begin(self, work: Callable[[], _Result]) -> Future[_Result]:
        """Have something done."""
        future = self._threads.submit(work)
        self._begun.append(future)
        return future

    def __enter__(self) -> _Beside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        wait(self._begun)


@dataclass(frozen=True)
class _Sliders:
    """What needs no network.

    Attributes:
        fine: the rectangle's texture, (height, width, 1).
        alpha: its alpha by the kernel, (height, width), or None.
        written: bytes of the resized source, which is in its place.
    """

    fine: Floats
    alpha: Floats | None
    written: int


def _for_sliders(order: Order, work: Work, colour: Floats, alpha: Floats | None, seen: Box) -> _Sliders:
    """Make what needs no network, but for the noise of the part that is `seen` by it."""
    source = Part(colour, order.size, order.seen)
    near = None if alpha is None else _cut(alpha, order.seen, seen)
    floor = texture.noise_floor(_cut(colour, order.seen, seen), near)
    fine = texture.texture_box(source, floor, order.out_size, order.wanted)
    base = strength.base_box(source, order.out_size, order.wanted)
    shape = None if alpha is None else transparency.enlarge_box(_spread(alpha, order), order.out_size, order.wanted)
    return _Sliders(fine, shape, _write(order, work, _BASE, 0, base, None, shape))


def _write(
    order: Order,
    work: Work,
    number: int,
    top: int,
    colour: Floats,
    fine: Floats | None,
    alpha: Floats | None,
) -> int:
    """Write rows of one of the pictures that the answer holds, one below the other; returns their bytes.

    `colour` are the rectangle's rows from `top` on; `fine` and `alpha` are those of all of it.
    """
    written = 0
    for begin in range(0, colour.shape[0], _ROWS):
        values = colour[begin : begin + _ROWS]
        first = top + begin
        rows = slice(first, first + values.shape[0])
        if fine is not None:
            values = values + fine[rows]
        block = pixels.join(values, None if alpha is None else alpha[rows], order.layout)
        written += spool.write_rows(work.target, block, number * order.wanted.size[0] + first)
    return written


def _read(order: Order, source: int, kept: Box) -> tuple[Floats, Floats | None]:
    """Colour (H, W, 1 or 3) and alpha (H, W) or None of a box of the part that was sent."""
    height, width = order.seen.size
    row_bytes = width * order.layout.pixel_bytes
    spool.require_length(source, height * row_bytes)
    top, left = order.seen.top, order.seen.left
    data = spool.read_rows(source, row_bytes, kept.top - top, kept.bottom - top)
    block = pixels.unpack(data, width, order.layout)
    return pixels.split(block[:, kept.left - left : kept.right - left])


def plan(order: Order, architecture: Architecture) -> list[passes.Pass]:
    """The passes that make the rectangle, each with what it must see for that and nothing more.

    A later pass sees less where the part that was sent does not reach as far.

    Args:
        order: what is wanted.
        architecture: of the network.

    Raises:
        BackendError: BAD_PARAM when the part that was sent does not even reach what the resizes mix.
    """
    steps = list(itertools.pairwise(passes.sizes(order.size, order.out_size, architecture.scale)))
    there = _there(order.seen, steps, architecture.scale)
    wanted, planned = order.wanted, []
    for (source, target), most in zip(reversed(steps), reversed(there), strict=True):
        seen = wanted.at(target, source).grown(_margin(source, target, architecture), source, ALIGN_PX).within(most)
        planned.append(passes.Pass(source, seen, target, wanted))
        wanted = seen
    last = planned[0]
    is_made = last.wanted.within(_made(last.seen, last.source, last.target, architecture.scale)) == last.wanted
    mixed = _mixed(order)
    # The source is resized too where the network's result needs none.
    if not is_made or mixed.within(order.seen) != mixed:
        raise BackendError("BAD_PARAM", "The part of the picture that was sent for the preview is too small.")
    return planned[::-1]


def _there(sent: Box, steps: list[tuple[Size, Size]], scale: int) -> list[Box]:
    """What each pass can see at most: all that the one before it makes of what was sent."""
    boxes = [sent]
    for source, target in steps[:-1]:
        made = _made(boxes[-1], source, target, scale)
        top, left = (-(-edge // ALIGN_PX) * ALIGN_PX for edge in (made.top, made.left))
        boxes.append(Box(top, left, max(top, made.bottom), max(left, made.right)))
    return boxes


def _made(seen: Box, source: Size, target: Size, scale: int) -> Box:
    """What a pass makes of a part of its source."""
    return covered(seen.times(scale), (source[0] * scale, source[1] * scale), target)


def _mixed(order: Order) -> Box:
    """The pixels of the picture that the resized source of the rectangle is mixed from."""
    wanted = order.wanted
    top, bottom = _mixed_along(order.size[0], order.out_size[0], wanted.top, wanted.bottom)
    left, right = _mixed_along(order.size[1], order.out_size[1], wanted.left, wanted.right)
    return Box(top, left, bottom, right)


def _mixed_along(source: int, target: int, begin: int, end: int) -> tuple[int, int]:
    # The table of these results only, which the resize takes again.
    table = taps(source, target, "lanczos3", begin, end)
    return (begin, end) if table is None else (int(table.first[0]), int(table.last[-1]))


def _margin(source: Size, target: Size, architecture: Architecture) -> int:
    """What the network reaches, and the kernel where its result is resized, in pixels of the pass's source."""
    scale = architecture.scale
    reach = 0
    for side, out in zip(source, target, strict=True):
        if side * scale != out:
            reach = max(reach, math.ceil(_LANCZOS_REACH * max(1.0, side * scale / out) / scale))
    return limits.PREVIEW_MARGIN_PX * architecture.unshuffle + reach


class _Network:
    """The model over colour and, where alpha has hard edges, over alpha.

    Attributes:
        seconds: time in the network.
        edges: weights of `alpha_edges`, for the part that was sent; None where alpha needs no network.
    """

    def __init__(self, order: Order, work: Work, steps: list[passes.Pass], edges: alpha_edges.Weights | None) -> None:
        self.seconds = 0.0
        self.edges = edges
        self._order = order
        self._passes = steps
        engine = work.resident.engine
        areas = [step.seen.area for step in self._passes] * (1 if edges is None else 2)
        journey = passes.Journey(areas, work.progress.advance)
        options = order.options.engine_options()
        self._runner = passes.Runner(engine, options, journey, work.should_stop, work.scratch)

    @property
    def seen(self) -> Box:
        """What of the picture goes through it."""
        return self._passes[0].seen

    def run(self, image: Floats, on_rows: passes.Take) -> None:
        """Make the rectangle of the result, of a picture of which there is `image`.

        `on_rows` is given its rows in order, as they come: the index of the first one in the rectangle, and
        (n, width, C) float32, which it may keep.
        """
        top = self._order.wanted.top
        started, others = time.monotonic(), self._runner.seconds
        part = _cut(image, self._order.seen, self.seen)
        self._runner.run(part, self._passes, lambda first, band: on_rows(first - top, band))
        self.seconds += time.monotonic() - started - (self._runner.seconds - others)

    def whole(self, image: Floats) -> Floats:
        """As `run`, in one array (height, width, C)."""
        result: Floats = np.empty((*self._order.wanted.size, image.shape[2]), np.float32)

        def keep(first: int, band: Floats) -> None:
            result[first : first + band.shape[0]] = band

        self.run(image, keep)
        return result


def _cut(image: Floats, seen: Box, wanted: Box) -> Floats:
    """A box of a picture of which `image` holds `seen`."""
    rows = slice(wanted.top - seen.top, wanted.bottom - seen.top)
    return np.ascontiguousarray(image[rows, wanted.left - seen.left : wanted.right - seen.left])


def _hard_edges(order: Order, alpha: Floats | None) -> alpha_edges.Weights | None:
    """How far the network's alpha counts in the part, or None where the kernel's is all that is needed."""
    if alpha is None or order.options.alpha != "network":
        return None
    weights = alpha_edges.edge_weights(alpha)
    near = order.wanted.at(order.out_size, order.size).grown(_EDGE_REACH_PX, order.size).within(order.seen)
    rows = slice(near.top - order.seen.top, near.bottom - order.seen.top)
    columns = slice(near.left - order.seen.left, near.right - order.seen.left)
    return weights if weights[rows, columns].any() else None


def _alpha(order: Order, alpha: Floats, kernel: Floats | None, network: _Network) -> Floats | None:
    """The rectangle's alpha with the network where that is asked for and needed, else the kernel's."""
    if kernel is None or network.edges is None:
        return kernel
    values = network.whole(alpha[..., None])[..., 0]
    plane, weights = _spread(alpha, order), _spread(network.edges, order)
    return alpha_edges.merge(values, kernel, plane, weights, order.out_size, order.wanted)


def _spread(part: npt.NDArray[Any], order: Order) -> npt.NDArray[Any]:
    """The part in a plane as large as the picture; memory is taken for the pages only that are touched."""
    plane = np.zeros(order.size, part.dtype)
    plane[order.seen.slices] = part
    return plane
