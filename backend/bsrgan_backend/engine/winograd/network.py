"""The net's weights as factors, in the order of their use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine.winograd.transforms import EXACT, Kernel, Scheme, kernel
from bsrgan_backend.models.weights import Architecture, Weights

RESIDUAL = 0.2
"""What every residual branch is multiplied with (ESRGAN §3.1)."""

DENSE_BLOCKS = 3
"""In one RRDB."""

CONVOLUTIONS = 5
"""In one dense block."""


Array = npt.NDArray[np.float32]

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
        values: flat float32, the numbers of all kernels: what has to be passed on for `viewed`.
    """

    architecture: Architecture
    head: Kernel
    dense: tuple[tuple[Kernel, ...], ...]
    join: Kernel
    doublings: tuple[Kernel, ...]
    before_last: Kernel
    last: Kernel
    values: Array

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


_LINE = 16
"""Numbers in a line of the cache."""


@dataclass(frozen=True)
class _Place:
    """A convolution in the order of their use.

    Attributes:
        name: of its weights.
        outputs: channels that its kernel gives; its weights may have fewer.
        inputs: channels that it takes, likewise.
        gain: what its result is multiplied with.
    """

    name: str
    outputs: int
    inputs: int
    gain: float = 1.0

    def size(self, scheme: Scheme) -> int:
        """Numbers of its kernel, filled up so that the next one begins where a line of the cache does."""
        numbers = self.outputs * (self.inputs * scheme.seen**2 + 1)
        return -(-numbers // _LINE) * _LINE


def prepare(
    weights: Weights, scheme: Scheme = EXACT, allocate: Callable[[tuple[int, ...]], Array] | None = None
) -> Network:
    """The factors of a net: four times the size of its weights, or seven times for fast.

    Args:
        weights: of it.
        scheme: how its convolutions will run.
        allocate: gives room of a shape; None for this process's own memory.
    """
    places = list(_places(weights.architecture))
    size = sum(place.size(scheme) for place in places)
    values = np.empty(size, np.float32) if allocate is None else allocate((size,))
    for place, room in zip(places, _kernels(places, scheme, np.asarray(values)), strict=True):
        weight, bias = (np.asarray(weights.tensors[f"{place.name}.{part}"]) for part in ("weight", "bias"))
        own = kernel(scheme, weight, bias, place.gain)
        if own.factors.shape != room.factors.shape:
            room.factors[...], room.bias[...] = 0, 0
        room.factors[:, : own.outputs, : own.inputs] = own.factors
        room.bias[: own.outputs] = own.bias
    return viewed(weights.architecture, scheme, values)


def viewed(architecture: Architecture, scheme: Scheme, values: Array) -> Network:
    """The net over numbers that `prepare` has made."""
    kernels = _kernels(list(_places(architecture)), scheme, np.asarray(values))
    return Network(
        architecture=architecture,
        head=next(kernels),
        dense=tuple(
            tuple(next(kernels) for _ in range(CONVOLUTIONS)) for _ in range(DENSE_BLOCKS * architecture.blocks)
        ),
        join=next(kernels),
        doublings=tuple(next(kernels) for _ in range(architecture.doublings)),
        before_last=next(kernels),
        last=next(kernels),
        values=values,
    )


def _kernels(places: list[_Place], scheme: Scheme, values: Array) -> Iterator[Kernel]:
    start = 0
    for place in places:
        own = values[start : start + place.size(scheme)]
        factors, bias = np.split(own[: place.outputs * (place.inputs * scheme.seen**2 + 1)], [-place.outputs])
        yield Kernel(scheme, factors.reshape(scheme.seen**2, place.outputs, place.inputs), bias[:, np.newaxis])
        start += place.size(scheme)


def _places(architecture: Architecture) -> Iterator[_Place]:
    nf, gc = architecture.features, architecture.growth
    image = max(LEAST_CHANNELS, architecture.in_channels * architecture.unshuffle**2)
    yield _Place("conv_first", max(LEAST_CHANNELS, nf), image)
    for block in range(architecture.blocks):
        for number in range(1, DENSE_BLOCKS + 1):
            for index in range(CONVOLUTIONS):
                outputs = gc if index + 1 < CONVOLUTIONS else nf
                name = f"body.{block}.rdb{number}.conv{index + 1}"
                yield _Place(name, outputs, nf + index * gc, _gain(number, index + 1))
    for name in ("conv_body", *(f"conv_up{number + 1}" for number in range(architecture.doublings)), "conv_hr"):
        yield _Place(name, nf, nf)
    yield _Place("conv_last", max(LEAST_CHANNELS, architecture.out_channels), max(LEAST_CHANNELS, nf))


def _gain(number: int, conv: int) -> float:
    """The residual factors that a convolution's result is multiplied with: its block's, and the RRDB's."""
    if conv < CONVOLUTIONS:
        return 1.0
    return RESIDUAL if number < DENSE_BLOCKS else RESIDUAL * RESIDUAL
