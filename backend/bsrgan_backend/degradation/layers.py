"""Whole layers, as files and the spool hold them: any sample type, gray or RGB, with or without alpha.

The model knows colour only. Alpha is kept: it takes part in no step, it only follows the change of size, and colour
that it hides never reaches the model.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from bsrgan_backend.degradation.degrading import StepReport, StopCheck, degrade, replay
from bsrgan_backend.degradation.pairs import reference
from bsrgan_backend.degradation.pictures import Size
from bsrgan_backend.degradation.recipe import Recipe
from bsrgan_backend.degradation.request import AS_IT_IS, Request
from bsrgan_backend.degradation.resizing import resize
from bsrgan_backend.degradation.steps import Camera, Jpeg, Resize, Sharpen
from bsrgan_backend.imaging import pixels, transparency
from bsrgan_backend.imaging.pixels import Floats, PixelFormat, Pixels

EIGHT_BITS = "The JPEG step works in 8 bits, so the result holds no more than that."
"""What to tell about a picture of more bits; see `is_eight_bit`."""

_SNAP = np.float32(1e-5)
_FLOAT_BYTES = 4
_COPIES, _MANY_COPIES = 3, 7
"""Pictures of floats that are held at the worst moment of a run, without and with a camera or sharpening."""


@dataclass(frozen=True)
class DegradedLayer:
    """What a run makes of a layer.

    Attributes:
        pixels: (h, w, C) with the sample type and channels of the source.
        recipe: how it was made.
    """

    pixels: Pixels
    recipe: Recipe


def degrade_layer(
    source: Pixels,
    wanted: Request | Recipe,
    should_stop: StopCheck | None = None,
    on_step: StepReport | None = None,
) -> DegradedLayer:
    """Degrade the colour of a layer, or replay a recipe on it.

    Args:
        source: (H, W, 1 to 4) u8, u16, f16 or f32, non-linear, alpha straight and last; floats are clamped to 0..1.
        wanted: a request is drawn, a recipe is run again.
        should_stop: asked before each step.
        on_step: told before each step and at the end.

    Returns:
        The result and its recipe; the same source, request and build give the same bytes.

    Raises:
        BackendError: as for `degrade`.
        Stopped: `should_stop` said so.
    """
    colour, alpha = _split(source)
    if isinstance(wanted, Recipe):
        done = replay(colour, wanted, should_stop, on_step)
    else:
        done = degrade(colour, wanted, should_stop, on_step)
    if alpha is not None:
        alpha = _followed(alpha, done.recipe)
    return DegradedLayer(pixels.join(done.image, alpha, layout_of(source)), done.recipe)


def reference_layer(source: Pixels, recipe: Recipe) -> Pixels:
    """What a network should make of the degraded layer, see `pairs.reference`.

    Args:
        source: (H, W, 1 to 4), the source.
        recipe: of the degraded layer.

    Returns:
        (H, W, 1 to 4) of the source's type; where nothing was retoned or sharpened, the source's own visible values.
    """
    colour, alpha = _split(source)
    return pixels.join(reference(colour, recipe), alpha, layout_of(source))


def enlarged(result: Pixels, recipe: Recipe) -> Pixels:
    """A result at its source's size with visible pixels, each where it lies in the source.

    Args:
        result: (h, w, C) of `recipe.result`'s size, of any type.
        recipe: how it was made.

    Returns:
        (H, W, C) of the same type.
    """
    height, width = recipe.source
    full = enlarged_size(recipe)
    if result.shape[:2] == full == (height, width):
        return result
    # OpenCV drops the axis of a single channel.
    large = cv2.resize(result, full[::-1], interpolation=cv2.INTER_NEAREST_EXACT).reshape(*full, -1)
    return np.ascontiguousarray(large[:height, :width])


def enlarged_size(recipe: Recipe) -> Size:
    """The (height, width) at which a result lies exactly on its source; right and lower rest of it is padding."""
    if recipe.request.same_size != AS_IT_IS:
        return recipe.source
    canvas = recipe.canvas.source
    padded = recipe.sizes[-1] if recipe.sizes else canvas
    height, width = (
        max(round(side * whole / part), own)
        for side, whole, part, own in zip(recipe.result, canvas, padded, recipe.source, strict=True)
    )
    return height, width


def is_eight_bit(recipe: Recipe) -> bool:
    """Whether JPEG came last, so that every value of the result is a whole 8-bit level."""
    is_there = bool(recipe.sizes) and recipe.sizes[-1] == recipe.canvas.source
    if recipe.request.same_size not in (AS_IT_IS, "nearest") and not is_there:
        return False
    steps = list(recipe.steps)
    while steps and isinstance(steps[-1], Resize) and steps[-1].interpolation == "nearest":
        steps.pop()
    return bool(steps) and isinstance(steps[-1], Jpeg) and steps[-1].amount == 1.0


def memory_bytes(recipe: Recipe) -> int:
    """Bytes that a run takes at its peak, without the source's own pixels."""
    largest = max(height * width for height, width in (recipe.canvas.source, *recipe.sizes))
    is_hungry = any(isinstance(step, (Camera, Sharpen)) for step in recipe.steps)
    return largest * recipe.channels * _FLOAT_BYTES * (_MANY_COPIES if is_hungry else _COPIES)


def layout_of(block: Pixels) -> PixelFormat:
    """Type and channels of an array of pixels."""
    return PixelFormat(f"{block.dtype.kind}{8 * block.dtype.itemsize}", block.shape[2])


def converted(block: Pixels, dtype: str) -> Pixels:
    """The same picture in another sample type, by one rounding.

    Args:
        block: (H, W, C) of any type.
        dtype: "u8", "u16", "f16" or "f32".
    """
    colour, alpha = pixels.split(block)
    return pixels.join(colour, alpha, PixelFormat(dtype, block.shape[2]))


def _split(source: Pixels) -> tuple[Floats, Floats | None]:
    colour, alpha = pixels.split(source)
    if alpha is not None:
        colour = transparency.fill(colour, alpha)
    return colour, alpha


def _followed(alpha: Floats, recipe: Recipe) -> Floats:
    """Alpha at the result's size: averaged where it shrinks, with the padding of the colour."""
    if recipe.result == recipe.source and recipe.request.same_size != AS_IT_IS:
        return alpha
    canvas = recipe.canvas.source
    size = recipe.sizes[-1] if recipe.sizes else canvas
    below, right = canvas[0] - alpha.shape[0], canvas[1] - alpha.shape[1]
    padded = cv2.copyMakeBorder(alpha, 0, below, 0, right, cv2.BORDER_REFLECT_101)
    shrinks = size[0] <= canvas[0] and size[1] <= canvas[1]
    followed = resize(padded[..., None], size, "area" if shrinks else "linear")[..., 0]
    # Averages of ones are one only up to the last bit.
    followed[followed < _SNAP] = 0.0
    followed[followed > 1.0 - _SNAP] = 1.0
    height, width = recipe.result
    return followed[:height, :width]
