"""The other half of a training pair: what a network should make of a degraded picture."""

from __future__ import annotations

import numpy as np

from bsrgan_backend.degradation.pictures import checked
from bsrgan_backend.degradation.recipe import Recipe
from bsrgan_backend.degradation.request import BSRGAN_PLUS
from bsrgan_backend.degradation.steps import Camera, Sharpen
from bsrgan_backend.degradation.tones import decoded, encoded
from bsrgan_backend.imaging.pixels import Floats


def reference(image: Floats, recipe: Recipe) -> Floats:
    """The high-quality picture that belongs to a result.

    It is the source, but sharpened where "bsrgan-plus" sharpens before it degrades, and in the tones of the camera
    where that puts another curve on than it takes off: neither may be learnt as damage.

    Args:
        image: (H, W, 1 or 3) float32 in 0..1, the source.
        recipe: of the degraded picture.

    Returns:
        (H, W, 1 or 3) float32 in 0..1, a new array.
    """
    wanted: Floats = checked(image).copy()
    if recipe.request.mode == BSRGAN_PLUS and recipe.steps and isinstance(recipe.steps[0], Sharpen):
        wanted = recipe.steps[0].apply(wanted, recipe.canvas)
    for step in recipe.steps:
        if isinstance(step, Camera):
            wanted = _retoned(wanted, step)
    return wanted


def _retoned(image: Floats, step: Camera) -> Floats:
    before, after = step.curves()
    if before == after:
        return image
    toned: Floats = encoded(decoded(image, before), after)
    mixed: Floats = image + np.float32(step.amount) * (toned - image)
    return mixed


def cropped_to_multiple(image: Floats, scale: int) -> Floats:
    """The upper left part whose sides are multiples of the scale, as the released code crops before it degrades.

    Args:
        image: (H, W, C) float32.
        scale: at least 1; sides shorter than it stay as they are.

    Returns:
        A view of `image`.
    """
    height, width = (max(side - side % scale, min(side, scale)) for side in image.shape[:2])
    part: Floats = image[:height, :width]
    return part
