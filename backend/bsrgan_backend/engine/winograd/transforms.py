"""The matrices of F(4x4, 3x3), and weights made ready for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

TILE = 4
"""Pixels along a side of a tile of results."""

SEEN = 6
"""Pixels along a side of what such a tile sees."""

DATA: Array = np.array(
    [
        [1, 0, -5 / 4, 0, 1 / 4, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    np.float32,
)
"""Bᵀ for the points 0, 1, -1, 2, -2 and infinity (Lavin & Gray §4.3): six samples → six factors.

The first row is a quarter of theirs and that of `FILTER` four times, so the first and the last sample are added to one
factor each, as they are.
"""

FILTER: npt.NDArray[np.float64] = np.array(
    [
        [1, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)
"""G: three weights → six factors; in float64, as this is done once for a model."""

RESULT: Array = np.array(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
    np.float32,
)
"""Aᵀ: six products → four results."""

CONSTANT = SEEN + 1
"""The product of 36 that adds to all 16 results alike: that of the point 1 in both directions, where a bias goes."""


@dataclass(frozen=True)
class Kernel:
    """A convolution of 3x3 with its bias.

    Attributes:
        factors: (36, O, C) float32; the first axis goes over the columns' factor, then the rows'.
        bias: (O, 1) float32.
    """

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

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return self.factors.nbytes + self.bias.nbytes


def kernel(weight: npt.NDArray[Any], bias: npt.NDArray[Any], gain: float = 1.0) -> Kernel:
    """A convolution's weights as factors.

    Args:
        weight: (O, C, 3, 3).
        bias: (O,).
        gain: what the result is multiplied with.
    """
    outputs, inputs = weight.shape[:2]
    by_column = weight.astype(np.float64) * gain @ FILTER.T
    factors = np.moveaxis(FILTER @ by_column, (3, 2), (0, 1)).reshape(SEEN * SEEN, outputs, inputs)
    return Kernel(np.ascontiguousarray(factors, np.float32), (bias * gain).astype(np.float32)[:, np.newaxis])
