"""The net's weights as factors, in the order of their use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bsrgan_backend.engine.winograd.transforms import EXACT, Kernel, Scheme, kernel
from bsrgan_backend.models.weights import Architecture, Weights

RESIDUAL = 0.2
"""What every residual branch is multiplied with (ESRGAN §3.1)."""

DENSE_BLOCKS = 3
"""In one RRDB."""

CONVOLUTIONS = 5
"""In one dense block."""


LEAST_CHANNELS = 4
"""A product of three rows takes OpenBLAS longer than one of four: half as long again with its kernels for AVX2."""


@dataclass(frozen=True)
class Network:
    """Kernels of the whole net.

    Attributes:
        architecture: what it is.
        head: the trunk's first convolution, of `LEAST_CHANNELS` or more, which are zero beyond the picture's own.
        dense: five for each dense block; the last one holds the factors of its residual branches.
        join: the trunk's last convolution.
        doublings: one after each doubling of the size.
        before_last: the last but one.
        last: gives the picture, in `LEAST_CHANNELS` or more, of which only its own are wanted.
    """

    architecture: Architecture
    head: Kernel
    dense: tuple[tuple[Kernel, ...], ...]
    join: Kernel
    doublings: tuple[Kernel, ...]
    before_last: Kernel
    last: Kernel

    @property
    def scheme(self) -> Scheme:
        """How its convolutions run."""
        return self.head.scheme

    @property
    def stages(self) -> int:
        """Of the trunk, one after the other: the first convolution, the dense blocks, the last convolution."""
        return len(self.dense) + 2

    @property
    def most_outputs(self) -> int:
        """Most channels that a convolution gives."""
        return max(self.architecture.features, self.architecture.growth, self.last.outputs)

    @property
    def nbytes(self) -> int:
        """Memory of all kernels."""
        single = (self.head, self.join, *self.doublings, self.before_last, self.last)
        return sum(one.nbytes for one in single) + sum(one.nbytes for block in self.dense for one in block)


def prepare(weights: Weights, scheme: Scheme = EXACT) -> Network:
    """The factors of a net: four times the size of its weights, or seven times for fast."""
    architecture = weights.architecture

    def named(name: str, gain: float = 1.0) -> Kernel:
        tensors = weights.tensors
        return kernel(scheme, np.asarray(tensors[f"{name}.weight"]), np.asarray(tensors[f"{name}.bias"]), gain)

    dense = tuple(
        tuple(named(f"body.{block}.rdb{number}.conv{conv}", _gain(number, conv)) for conv in range(1, CONVOLUTIONS + 1))
        for block in range(architecture.blocks)
        for number in range(1, DENSE_BLOCKS + 1)
    )
    doublings = tuple(named(f"conv_up{number}") for number in range(1, architecture.doublings + 1))
    return Network(
        architecture,
        _widened(named("conv_first")),
        dense,
        named("conv_body"),
        doublings,
        named("conv_hr"),
        _widened(named("conv_last")),
    )


def _widened(narrow: Kernel) -> Kernel:
    """The kernel with inputs and outputs of zero behind its own, if it has too few."""
    outputs, inputs = (max(0, LEAST_CHANNELS - count) for count in (narrow.outputs, narrow.inputs))
    return Kernel(
        narrow.scheme,
        np.pad(narrow.factors, ((0, 0), (0, outputs), (0, inputs))),
        np.pad(narrow.bias, ((0, outputs), (0, 0))),
    )


def _gain(number: int, conv: int) -> float:
    """The residual factors that a convolution's result is multiplied with: its block's, and the RRDB's."""
    if conv < CONVOLUTIONS:
        return 1.0
    return RESIDUAL if number < DENSE_BLOCKS else RESIDUAL * RESIDUAL
