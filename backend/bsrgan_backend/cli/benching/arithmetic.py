"""The numbers of a comparison: operations of a network, differences of results. No process, no clock."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from bsrgan_backend.models import layouts
from bsrgan_backend.models.weights import Architecture

Array = npt.NDArray[np.float32]
LEVELS = 255
EQUAL_DB = 200.0
"""What counts as the PSNR of equal results; float32 cannot tell results apart that are closer."""


def operations_per_pixel(architecture: Architecture) -> float:
    """Multiplications and additions (a product with its sum counts two) for each pixel of the picture given.

    Convolutions only, each at the resolution that it works in; the pixels are those before pixel-unshuffle.
    """
    total = 0
    for name, shape in layouts.shapes(architecture).items():
        if name.endswith(".weight"):
            total += 2 * math.prod(shape) * 4 ** _doublings_before(name, architecture)
    return total / architecture.unshuffle**2


def _doublings_before(layer: str, architecture: Architecture) -> int:
    """How often the features were doubled when a layer sees them."""
    if layer.startswith("conv_up"):
        return int(layer.removeprefix("conv_up").partition(".")[0])
    return architecture.doublings if layer.startswith(("conv_hr", "conv_last")) else 0


def psnr_db(one: Array, other: Array) -> float:
    """Peak signal-to-noise ratio of two results of one shape, both clamped to 0..1; at most `EQUAL_DB`."""
    mean = float(np.mean(np.square(_clamped(one) - _clamped(other))))
    return EQUAL_DB if mean == 0 else min(EQUAL_DB, -10 * math.log10(mean))


def largest_levels(one: Array, other: Array) -> float:
    """Largest difference of two results of one shape, both clamped to 0..1, in levels of 255."""
    return float(np.max(np.abs(_clamped(one) - _clamped(other)))) * LEVELS


def _clamped(result: Array) -> npt.NDArray[np.float64]:
    return np.clip(result, 0, 1).astype(np.float64)
