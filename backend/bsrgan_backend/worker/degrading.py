"""The task "degrade": a layer made bad by the BSRGAN model. It needs no network, so neither Paddle nor a model.

    spool -> whole layer -> split, fill under alpha 0 -> the recipe's steps -> join with alpha -> spool

All numbers are drawn when the order is read, so the size of the result and the memory are known before any pixel is.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bsrgan_backend.degradation import Recipe, Stopped, degrade_layer, layers, loads, plan, read_request
from bsrgan_backend.degradation.degrading import StepReport
from bsrgan_backend.degradation.recipe import refitted
from bsrgan_backend.engine import host
from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging import pixels
from bsrgan_backend.imaging.pixels import PixelFormat, Pixels
from bsrgan_backend.worker import spool
from bsrgan_backend.worker.work import Cancelled, Finished, Work
from bsrgan_wire import limits

log = logging.getLogger(__name__)

_KEYS = ("request", "recipe")
_OTHER_BUILD = "The recipe is of another build; noise and JPEG may differ in detail here."


@dataclass(frozen=True)
class Order:
    """A `run` message of this task, checked and drawn.

    Attributes:
        layout: type and channels of the layer and of the result.
        recipe: every number, with the sizes for this layer.
        notes: sentences for the user.
    """

    layout: PixelFormat
    recipe: Recipe
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, message: dict[str, Any]) -> Order:
        """Read a `run` message.

        Args:
            message: its `params` hold either `request`, JSON text for `read_request`, or `recipe`, JSON text of a
                recipe. `out_width` and `out_height` are both 0, or what the recipe makes.

        Raises:
            BackendError: BAD_PARAM, BAD_SHAPE, BAD_DTYPE, ZERO_SIZE or TOO_MANY_PIXELS, with one sentence.
        """
        layout = PixelFormat(str(message["dtype"]), int(message["channels"]))
        size = int(message["height"]), int(message["width"])
        recipe, notes = _recipe(message.get("params") or {}, size, layout.colours)
        if layout.dtype != "u8" and layers.is_eight_bit(recipe):
            notes = (*notes, layers.EIGHT_BITS)
        _check_size(recipe, (int(message["out_height"]), int(message["out_width"])))
        return cls(layout, recipe, notes)


def degrade(order: Order, work: Work) -> Finished:
    """Do a job.

    Args:
        order: what to do.
        work: open files, progress, cancel; asked and told before each step.

    Raises:
        Cancelled: `work.should_stop` said so.
        BackendError: BAD_SHAPE, NONFINITE, HOST_OOM, DISK_FULL.
    """
    recipe, layout = order.recipe, order.layout
    log.info("job: degrade %d x %d in %d steps, %s", *recipe.source[::-1], len(recipe.steps), layout)
    height, width = recipe.source
    spool.require_length(work.source, height * width * layout.pixel_bytes)
    total = recipe.result[0] * recipe.result[1] * layout.pixel_bytes
    _require_memory(order, total)
    spool.reserve(work.target, total)
    source = _read(order, work)
    work.progress.phase("running")
    try:
        done = degrade_layer(source, recipe, work.should_stop, _telling(work))
    except Stopped:
        raise Cancelled from None
    written = spool.write_rows(work.target, done.pixels, 0)
    return Finished(written, size=recipe.result, recipe=one_line(done.recipe), notes=order.notes)


def one_line(recipe: Recipe) -> str:
    """A recipe as ASCII without line breaks, as STATE carries it."""
    return json.dumps(recipe.to_json(), separators=(",", ":"))


def _recipe(params: Mapping[str, Any], size: tuple[int, int], colours: int) -> tuple[Recipe, tuple[str, ...]]:
    given = [key for key in _KEYS if key in params]
    if len(given) != 1 or not isinstance(params[given[0]], str):
        raise BackendError(
            "BAD_PARAM", "A degradation is asked for by the option request or by the option recipe, as JSON text."
        )
    if given == ["recipe"]:
        recipe = loads(params["recipe"])
        notes = () if recipe.is_of_this_build else (_OTHER_BUILD,)
        return refitted(recipe, size, colours), notes
    return plan(read_request(_json(params["request"])), size, colours), ()


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BackendError(
            "BAD_PARAM", "The degradation's options are no JSON; run the installer again.", str(error)
        ) from None


def _check_size(recipe: Recipe, asked: tuple[int, int]) -> None:
    if asked not in ((0, 0), recipe.result):
        height, width = recipe.result
        raise BackendError(
            "BAD_PARAM",
            f"This degradation makes {width} x {height}, not the size that was asked for; ask for 0 x 0 to take it.",
            f"{asked[1]} x {asked[0]}",
        )
    if max(recipe.result) > limits.SIDE_PX:
        raise BackendError(
            "TOO_MANY_PIXELS", f"A side of the result is longer than {limits.SIDE_PX} pixels; select a smaller area."
        )


def _require_memory(order: Order, total: int) -> None:
    """Refuse what does not fit before it is tried: being killed for it would look like a crash."""
    height, width = order.recipe.source
    own = height * width * (order.layout.pixel_bytes + 4 * order.layout.channels)
    needed = layers.memory_bytes(order.recipe) + own + total
    available = host.available_memory_bytes()
    if needed > available:
        text = "There is too little free memory for this degradation; close other programs or select a smaller area."
        raise BackendError("HOST_OOM", text, f"{needed} bytes needed, {available} available")


def _read(order: Order, work: Work) -> Pixels:
    height, width = order.recipe.source
    source: Pixels = np.empty((height, width, order.layout.channels), order.layout.numpy_dtype)
    for first, data in spool.read_bands(work.source, width * order.layout.pixel_bytes, height):
        if work.should_stop():
            raise Cancelled
        band = pixels.unpack(data, width, order.layout)
        source[first : first + band.shape[0]] = band
    return source


def _telling(work: Work) -> StepReport:
    """Progress in steps; a recipe without any is done at once."""
    return lambda done, total, _name: work.progress.advance(done, max(total, 1))
