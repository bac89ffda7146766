"""Untrained weights made from a seed, for tests and benchmarks: the arithmetic of a network without its file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bsrgan_backend.models import layouts, safetensors_file
from bsrgan_backend.models.weights import Architecture, Weights

TINY = Architecture(features=8, blocks=1, growth=4, in_channels=3, out_channels=3, scale=4)
"""A network small enough for tests that run one."""

BSRGAN = Architecture(features=64, blocks=23, growth=32, in_channels=3, out_channels=3, scale=4)
"""The architecture of BSRGAN, Real-ESRGAN x4plus and RealSR."""


def random_weights(architecture: Architecture, seed: int) -> Weights:
    """Weights whose outputs stay finite and near 0..1 for inputs in 0..1; the same for the same seed.

    Normal numbers scaled by the number of inputs of each convolution, so that signals neither grow nor vanish
    through the network; the last bias is one half, the middle of the range.

    Args:
        architecture: any.
        seed: 0 or more.
    """
    generator = np.random.default_rng(seed)
    tensors: dict[str, npt.NDArray[np.float32]] = {}
    for name, shape in layouts.shapes(architecture).items():
        values = generator.standard_normal(shape, dtype=np.float32)
        if name.endswith(".weight"):
            values *= np.float32(_gain(name, architecture.blocks) / math.sqrt(math.prod(shape[1:])))
        else:
            values *= np.float32(0.01)
        tensors[name] = values
    tensors["conv_last.bias"] += np.float32(0.5)
    return Weights(architecture, tensors, layouts.digest(tensors))


def write(weights: Weights, path: Path) -> None:
    """Write weights as a safetensors file that `read_weights` and `ModelStore.add` take; OSError as it comes."""
    path.write_bytes(safetensors_file.encode(weights))


def _gain(name: str, blocks: int) -> float:
    """How much a convolution may amplify.

    Rectified layers lose half of the energy, so they get sqrt 2. Each block adds its input to 0.2 of itself, so the
    trunk's end takes back 1.2 for each. The last layer is damped to stay near 0..1.
    """
    if name.startswith("conv_body"):
        return 1.2**-blocks
    if name.startswith("conv_last"):
        return 0.15
    return 1.0 if name.startswith("conv_first") or ".conv5." in name else math.sqrt(2.0)
