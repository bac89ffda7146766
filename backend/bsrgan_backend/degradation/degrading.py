"""The door of the model: draw a recipe, run it, run it again.

Odd sizes are never cropped. The picture is padded at the right and at the bottom, mirrored without repeating the edge,
to a multiple of the scale; what comes from the padding alone is cut off the result. H x W becomes ceil(H/scale) by
ceil(W/scale), pixel i of which lies at scale·i + (scale - 1)/2 of the source, as with a cropped picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from bsrgan_backend.degradation import modes
from bsrgan_backend.degradation.drawing import completed_normal
from bsrgan_backend.degradation.pictures import Size, checked, with_channels
from bsrgan_backend.degradation.presets import PRESETS, varied
from bsrgan_backend.degradation.profiles import PROFILES
from bsrgan_backend.degradation.recipe import Recipe, fitted, refitted, visible
from bsrgan_backend.degradation.request import AS_IT_IS, BSRGAN, BSRGAN_PLUS, MANUAL, PRESET, Request, checked_request
from bsrgan_backend.degradation.resizing import resize
from bsrgan_backend.degradation.steps import Camera, Gaussian, Poisson, Speckle, Step
from bsrgan_backend.degradation.streams import Streams, field_seed
from bsrgan_backend.imaging.pixels import Floats

StopCheck = Callable[[], bool]
"""Whether the caller wants no more."""

StepReport = Callable[[int, int, str], None]
"""Steps done, steps in all, and the name of the next one ("" at the end)."""

_USUAL_SCALE = 4
_RETURNS = {"nearest": "nearest", "bicubic": "cubic", "area": "area"}


class Stopped(Exception):
    """`should_stop` said so; nothing was changed."""


@dataclass(frozen=True)
class Degraded:
    """What a run gives.

    Attributes:
        image: (h, w, 1 or 3) float32 in 0..1, C-contiguous; gray stays gray.
        recipe: how it was made.
    """

    image: Floats
    recipe: Recipe


def plan(request: Request, size: Size, channels: int = 3) -> Recipe:
    """Draw every number without touching a pixel; `result` of the recipe is the size that will come out.

    Args:
        request: what is wanted.
        size: (height, width) px of the picture.
        channels: 1 gray or 3 RGB.

    Returns:
        The recipe that `degrade` would run and return.

    Raises:
        BackendError: BAD_PARAM for a wrong request, TOO_MANY_PIXELS.
    """
    request = checked_request(request)
    request, steps = _drawn(request)
    weakened = (step.weakened(request.strength) for step in steps if step.family not in request.off)
    recipe = fitted(request, tuple(step for step in weakened if step is not None), size, channels)
    return recipe if request.strength == 1.0 else _without_idle(recipe)


def degrade(
    image: Floats, request: Request, should_stop: StopCheck | None = None, on_step: StepReport | None = None
) -> Degraded:
    """Degrade a picture.

    Args:
        image: (H, W, 1 or 3) float32 in 0..1, gray or RGB, gamma-encoded, without alpha; not modified.
        request: what is wanted; the same request, picture and build give the same bytes.
        should_stop: asked before each step.
        on_step: told before each step and at the end.

    Returns:
        The result and its recipe.

    Raises:
        BackendError: BAD_PARAM, BAD_SHAPE, BAD_DTYPE, ZERO_SIZE, NONFINITE or TOO_MANY_PIXELS, with one sentence.
        Stopped: `should_stop` said so.
    """
    image = checked(image)
    return _run(image, plan(request, image.shape[:2], image.shape[2]), should_stop, on_step)


def replay(
    image: Floats, recipe: Recipe, should_stop: StopCheck | None = None, on_step: StepReport | None = None
) -> Degraded:
    """Run a recipe: on the same picture and build it gives the same bytes, on others the same numbers.

    Args:
        image: (H, W, 1 or 3) float32 in 0..1, of any size; not modified.
        recipe: from a run or from `recipe.loads`.
        should_stop: asked before each step.
        on_step: told before each step and at the end.

    Returns:
        The result and the recipe with this picture's sizes.

    Raises:
        BackendError: as for `degrade`.
        Stopped: `should_stop` said so.
    """
    image = checked(image)
    return _run(image, refitted(recipe, image.shape[:2], image.shape[2]), should_stop, on_step)


def _without_idle(recipe: Recipe) -> Recipe:
    """The recipe without weakened changes of size that are less than a pixel."""
    before = (recipe.canvas.source, *recipe.sizes[:-1])
    steps = tuple(step for step, size in zip(recipe.steps, before, strict=False) if not step.is_idle(size))
    return fitted(recipe.request, steps, recipe.source, recipe.channels)


def _drawn(request: Request) -> tuple[Request, tuple[Step, ...]]:
    """The request with its scale filled in, and the steps before strength and switches."""
    streams, profile = Streams(request.seed), PROFILES[request.profile]
    preset = PRESETS[request.preset]
    scale = request.scale or {MANUAL: 1, PRESET: preset.scale}.get(request.mode, _USUAL_SCALE)
    if request.mode == MANUAL:
        steps = [_completed(step, streams.step(number)) for number, step in enumerate(request.steps)]
    elif request.mode == BSRGAN_PLUS:
        steps = modes.bsrgan_plus(scale, profile, streams, request.shuffle)
    elif request.mode == BSRGAN or preset.is_random:
        steps = modes.bsrgan(scale, profile, streams)
    else:
        steps = [_varied(step, streams.step(number), request.variation) for number, step in enumerate(preset.steps)]
    return replace(request, scale=scale), tuple(steps)


def _varied(step: Step, rng: np.random.Generator, variation: float) -> Step:
    return varied(_completed(step, rng), rng, variation)


def _completed(step: Step, rng: np.random.Generator) -> Step:
    """A step whose noise has a seed and, if correlated, a covariance of its level."""
    if isinstance(step, Gaussian):
        return completed_normal(step, rng, None)
    if isinstance(step, Speckle):
        return completed_normal(step, rng, None)
    if isinstance(step, (Poisson, Camera)) and step.seed is None:
        return replace(step, seed=field_seed(rng))
    return step


def _run(image: Floats, recipe: Recipe, should_stop: StopCheck | None, on_step: StepReport | None) -> Degraded:
    canvas = recipe.canvas
    current = _padded(image, canvas.source)
    for done, step in enumerate(recipe.steps):
        if should_stop is not None and should_stop():
            raise Stopped
        if on_step is not None:
            on_step(done, len(recipe.steps), step.name)
        current = step.apply(current, canvas)
    height, width = visible(current.shape[:2], recipe.source, canvas)
    if recipe.request.same_size != AS_IT_IS:
        current = resize(current, canvas.source, _RETURNS[recipe.request.same_size])
        height, width = recipe.source
    if on_step is not None:
        on_step(len(recipe.steps), len(recipe.steps), "")
    # A new array even without any step; and blurs round beyond 0..1 by a last bit.
    return Degraded(np.clip(current[:height, :width], 0.0, 1.0, order="C"), recipe)


def _padded(image: Floats, size: Size) -> Floats:
    below, right = size[0] - image.shape[0], size[1] - image.shape[1]
    if below == 0 and right == 0:
        return image
    return with_channels(cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REFLECT_101), image)
