"""The BSRGAN degradation model: pure functions from a picture and a seed to a bad picture and its recipe.

    request = Request(mode="bsrgan", scale=4, seed=7)
    result = degrade(image, request)            # Degraded(image, recipe)
    text = result.recipe.dumps()                # JSON
    again = replay(image, loads(text)).image    # the same bytes

Source: K. Zhang, J. Liang, L. Van Gool, R. Timofte, "Designing a Practical Degradation Model for Deep Blind Image
Super-Resolution", ICCV 2021 (arXiv 2103.14006).
"""

from bsrgan_backend.degradation.catalog import describe
from bsrgan_backend.degradation.degrading import Degraded, Stopped, degrade, plan, replay
from bsrgan_backend.degradation.layers import DegradedLayer, degrade_layer, reference_layer
from bsrgan_backend.degradation.pairs import cropped_to_multiple, reference
from bsrgan_backend.degradation.recipe import VERSION, Recipe, loads, read_recipe
from bsrgan_backend.degradation.request import Request, read_request
from bsrgan_backend.degradation.steps import Step

__all__ = [
    "VERSION",
    "Degraded",
    "DegradedLayer",
    "Recipe",
    "Request",
    "Step",
    "Stopped",
    "cropped_to_multiple",
    "degrade",
    "degrade_layer",
    "describe",
    "loads",
    "plan",
    "read_recipe",
    "read_request",
    "reference",
    "reference_layer",
    "replay",
]
