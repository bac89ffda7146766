"""The recipe: every number of a run, so that it can be read, kept and replayed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from bsrgan_backend.degradation.pictures import Size, checked_size
from bsrgan_backend.degradation.request import (
    AS_IT_IS,
    MOST_STEPS,
    Request,
    read_request,
    read_step,
    write_step,
)
from bsrgan_backend.degradation.steps import TARGET, Canvas, Classical, Jpeg, Resize, Step
from bsrgan_backend.errors import BackendError

FORMAT = "bsrgan-degradation"
VERSION = 1
"""The model's own version: the same number, picture and build give the same bytes."""

_ADDED = {Jpeg.name: {"amount"}}
"""Numbers that older recipes do not hold; their defaults are what those runs did."""


@dataclass(frozen=True)
class Recipe:
    """A run with all of its numbers.

    Attributes:
        request: what was asked for, its scale filled in; the steps of "manual" are under `steps` only.
        source: (height, width) of the picture.
        channels: 1 gray or 3 RGB.
        steps: what was applied, in order, after strength and switches.
        sizes: (height, width) after each step.
        result: (height, width) of what comes out.
        build: versions of the libraries that replay must match to be exact.
        version: `VERSION` of the model that drew it.
    """

    request: Request
    source: Size
    channels: int
    steps: tuple[Step, ...]
    sizes: tuple[Size, ...]
    result: Size
    build: str
    version: int = VERSION

    @property
    def scale(self) -> int:
        """Source size over target size."""
        return self.request.scale or 1

    @property
    def canvas(self) -> Canvas:
        """The source padded to a multiple of what it is divided by."""
        return _canvas(self.steps, self.scale, self.source)

    @property
    def is_of_this_build(self) -> bool:
        """Whether a replay here gives the same bytes; elsewhere noise fields and JPEG may differ."""
        return self.build == this_build()

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain JSON values."""
        sized = zip(self.steps, self.sizes, strict=True)
        return {
            "format": FORMAT,
            "version": self.version,
            "build": self.build,
            "request": self.request.to_json(),
            "source": [*self.source, self.channels],
            "result": list(self.result),
            "steps": [write_step(step) | {"size_after": list(size)} for step, size in sized],
        }

    def dumps(self) -> str:
        """The recipe as JSON text; numbers keep all of their digits."""
        return json.dumps(self.to_json(), indent=1)


def fitted(request: Request, steps: tuple[Step, ...], source: Size, channels: int) -> Recipe:
    """The recipe of given steps for a picture's size.

    Args:
        request: what was asked for, its scale filled in.
        steps: with all of their numbers.
        source: (height, width) px.
        channels: 1 or 3.

    Raises:
        BackendError: TOO_MANY_PIXELS when the picture gets too large on the way.
    """
    canvas = _canvas(steps, request.scale or 1, source)
    sizes: list[Size] = []
    size = checked_size(canvas.source)
    for step in steps:
        size = checked_size(step.size_after(size, canvas))
        sizes.append(size)
    result = source if request.same_size != AS_IT_IS else visible(size, source, canvas)
    return Recipe(replace(request, steps=()), source, channels, steps, tuple(sizes), result, this_build())


def this_build() -> str:
    """The libraries that decide about the last bits: their random fields, their JPEG and their filters."""
    return f"numpy {np.__version__}, opencv {cv2.__version__}"


def refitted(recipe: Recipe, source: Size, channels: int) -> Recipe:
    """The same steps for another picture: numbers are kept, sizes are worked out again.

    Args:
        recipe: of any picture.
        source: (height, width) px of the other one.
        channels: 1 or 3.
    """
    return fitted(recipe.request, recipe.steps, source, channels)


def visible(size: Size, source: Size, canvas: Canvas) -> Size:
    """How much of a result comes from the picture itself and not from its padding alone.

    Args:
        size: (height, width) of the result of the padded picture.
        source: (height, width) before padding.
        canvas: holds the size after padding.
    """
    height = -(-size[0] * source[0] // canvas.source[0])
    width = -(-size[1] * source[1] // canvas.source[1])
    return height, width


def _canvas(steps: tuple[Step, ...], scale: int, source: Size) -> Canvas:
    divisors = [step.scale for step in steps if isinstance(step, Classical)]
    if any(isinstance(step, Resize) and step.to == TARGET for step in steps):
        divisors.append(scale)
    multiple = math.lcm(*divisors)
    return Canvas((-(-source[0] // multiple) * multiple, -(-source[1] // multiple) * multiple), scale)


def loads(text: str | bytes) -> Recipe:
    """Read a recipe from JSON text.

    Args:
        text: what `Recipe.dumps` wrote.

    Raises:
        BackendError: BAD_PARAM for text that is no whole recipe, or one of a newer version.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BackendError(
            "BAD_PARAM", "The recipe cannot be read as JSON; copy or save all of it again.", str(error)
        ) from error
    return read_recipe(values)


def read_recipe(values: Any) -> Recipe:
    """A recipe from plain JSON values.

    Args:
        values: what `Recipe.to_json` gave.

    Raises:
        BackendError: BAD_PARAM for something else, a part that is missing or wrong, or a newer version.
    """
    if not isinstance(values, Mapping) or values.get("format") != FORMAT:
        raise BackendError("BAD_PARAM", "This is no recipe of a degradation; choose one that was saved with a result.")
    version = _whole(values.get("version"), "version")
    if version > VERSION:
        raise BackendError(
            "BAD_PARAM",
            f"The recipe is of version {version}, but this program knows up to {VERSION}; update gimp-bsrgan.",
        )
    steps = _steps(values.get("steps"))
    height, width, channels = _numbers(values.get("source"), 3, "source")
    if channels not in (1, 3):
        raise _damaged("source")
    request = _request(values.get("request"))
    build = values.get("build")
    if not isinstance(build, str):
        raise _damaged("build")
    return replace(fitted(request, steps, (height, width), channels), build=build, version=version)


def _request(values: Any) -> Request:
    if not isinstance(values, Mapping) or values.get("scale") is None:
        raise _damaged("request")
    # The steps of a recipe are the applied ones, so a manual request is empty here; that is no fault.
    stand_in = {"steps": [{"step": "blur"}]} if values.get("mode") == "manual" else {}
    return replace(read_request({**values, **stand_in}), steps=())


def _steps(values: Any) -> tuple[Step, ...]:
    if not isinstance(values, list) or len(values) > MOST_STEPS:
        raise _damaged("steps")
    steps = []
    for number, item in enumerate(values, 1):
        if not isinstance(item, Mapping):
            raise _damaged(f"step {number}")
        step = read_step({key: value for key, value in item.items() if key != "size_after"}, number)
        lost = set(write_step(step)) - set(item) - _ADDED.get(step.name, set())
        if lost:
            raise _damaged(f"step {number}: {', '.join(sorted(lost))}")
        steps.append(step)
    return tuple(steps)


def _numbers(values: Any, count: int, part: str) -> list[int]:
    if not isinstance(values, list) or len(values) != count:
        raise _damaged(part)
    return [_whole(value, part) for value in values]


def _whole(value: Any, part: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _damaged(part)
    return value


def _damaged(part: str) -> BackendError:
    return BackendError("BAD_PARAM", "The recipe is not complete; copy or save all of it again.", part)
