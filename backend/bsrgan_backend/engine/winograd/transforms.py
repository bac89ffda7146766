"""The matrices of fast convolutions, F(m x m, 3 x 3), and weights made ready for them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_WEIGHTS = 3
"""Along a side of a convolution's kernel."""


@dataclass(frozen=True, eq=False)
class Scheme:
    """A fast convolution of 3 x 3 (Lavin & Gray §4): tiles of samples to factors, products, and back to results.

    Attributes:
        data: (m + 2, m + 2) float32, Bᵀ: samples → factors. The first and the last sample are added to one factor
            each, as they are.
        filter: (m + 2, 3) float64, G: weights → factors; used once for a model.
        result: (m, m + 2) float32, Aᵀ: products → results.
        column_step: panels are as many tiles wide, or a multiple of it; a register of the processor takes 8 or 16.
        most_columns: tiles side by side in a panel: the factors of more of them leave the cache.
    """

    data: Array
    filter: Doubles
    result: Array
    column_step: int
    most_columns: int

    @functools.cached_property
    def own(self) -> Array:
        """(m + 2, m): what of `data` belongs to a tile's own columns."""
        return np.ascontiguousarray(self.data[:, 1:-1])

    @property
    def tile(self) -> int:
        """Pixels along a side of a tile of results: m."""
        return int(self.result.shape[0])

    @property
    def seen(self) -> int:
        """Pixels along a side of what such a tile sees: m + 2."""
        return int(self.result.shape[1])

    @property
    def constant(self) -> int:
        """The product that adds to all results alike: that of the point 1 in both directions, where a bias goes."""
        return self.seen + 1


def scheme(points: Sequence[Fraction], column_step: int, most_columns: int) -> Scheme:
    """The scheme whose polynomials are known at 0, at 1, at other points, and at infinity.

    Args:
        points: 0, 1 and the others, without infinity; one more than the pixels along a side of a tile.
        column_step: see `Scheme`.
        most_columns: likewise.
    """
    data, filters, result = [], [], []
    for point in points:
        others = [other for other in points if other != point]
        polynomial = _product(others)
        value = sum(factor * point**power for power, factor in enumerate(polynomial))
        # The point 0 has the first sample, which is to be added as it is; elsewhere any factor will do.
        scale = 1 / polynomial[0] if point == 0 else Fraction(1)
        data.append([scale * factor for factor in polynomial] + [Fraction(0)])
        filters.append([point**power / (scale * value) for power in range(_WEIGHTS)])
        result.append([point**power for power in range(len(points) - 1)])
    data.append(_product(points))
    filters.append([Fraction(power == _WEIGHTS - 1) for power in range(_WEIGHTS)])
    result.append([Fraction(power == len(points) - 2) for power in range(len(points) - 1)])
    return Scheme(
        np.array(data, np.float64).astype(np.float32),
        np.array(filters, np.float64),
        np.ascontiguousarray(np.array(result, np.float64).T.astype(np.float32)),
        column_step,
        most_columns,
    )


def _product(roots: Sequence[Fraction]) -> list[Fraction]:
    """Factors of the polynomial with these roots, that of the highest power, 1, last."""
    factors = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *factors]
        factors = [high - root * low for high, low in zip(shifted, [*factors, Fraction(0)], strict=True)]
    return factors


_INTEGERS = [Fraction(point) for point in (0, 1, -1, 2, -2)]

EXACT = scheme(_INTEGERS, 16, 80)
"""F(4x4, 3x3): a quarter of the products of a plain convolution; as close to it as other ways to add up are."""

FAST = scheme([*_INTEGERS, Fraction(1, 2), Fraction(-1, 2)], 8, 88)
"""F(6x6, 3x3): a fifth fewer products and factors, and results that are further from those of a plain one."""


@dataclass(frozen=True)
class Kernel:
    """A convolution of 3x3 with its bias.

    Attributes:
        scheme: what it is made for.
        factors: (seen², O, C) float32; the first axis goes over the columns' factor, then the rows'.
        bias: (O, 1) float32.
    """

    scheme: Scheme
    factors: Array
    bias: Array

    @property
    def inputs(self) -> int:
        """Channels that it takes."""
        return int(self.factors.shape[2])

    @property
    def outputs(self) -> int:
        """Channels that it gives."""
        return int(self.factors.shape[1])


def kernel(scheme: Scheme, weight: npt.NDArray[Any], bias: npt.NDArray[Any], gain: float = 1.0) -> Kernel:
    """A convolution's weights as factors.

    Args:
        scheme: how it will run.
        weight: (O, C, 3, 3).
        bias: (O,).
        gain: what the result is multiplied with.
    """
    outputs, inputs = weight.shape[:2]
    by_column = weight.astype(np.float64) * gain @ scheme.filter.T
    factors = np.moveaxis(scheme.filter @ by_column, (3, 2), (0, 1)).reshape(scheme.seen**2, outputs, inputs)
    return Kernel(scheme, np.ascontiguousarray(factors, np.float32), (bias * gain).astype(np.float32)[:, np.newaxis])
