"""The three steps of a convolution over units: samples to factors, products, products to results."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine.winograd.layout import Layout
from bsrgan_backend.engine.winograd.transforms import CONSTANT, DATA, RESULT, SEEN, TILE, Kernel

Array = npt.NDArray[np.float32]

_SLOPE = np.float32(0.2)

_OWN: Array = np.ascontiguousarray(DATA[:, 1 : TILE + 1])
"""What of `DATA` belongs to a tile's own four columns; its neighbours' are added as they are."""

_KEPT = SEEN - 1
"""Rows that one tile's window shares with what comes before the next four rows: two, and the unit in between."""

_WINDOWS = 3
"""Units that fit into a source's rows before the last ones are carried to the front again."""

ROWS = TILE * (_WINDOWS - 1) + _KEPT + TILE


class Source:
    """What convolutions take from one picture that arrives unit by unit: factors of the unit before.

    Args:
        layout: of the picture.
        channels: of it.
    """

    def __init__(self, layout: Layout, channels: int) -> None:
        self._layout = layout
        self._channels = channels
        # Rows of samples, already factors along the row; of the window of the next unit `_first` is the first one.
        self._rows = np.zeros((layout.panels, ROWS, SEEN, channels, layout.columns), np.float32)
        self._first = 0

    def restart(self) -> None:
        """Begin a picture: above it everything is zero."""
        self._first = 0
        self._rows[:, :_KEPT] = 0

    def feed(self, unit: Array | None, factors: Array | None) -> None:
        """Take the next unit.

        Args:
            unit: (panels, 4, 4, channels, columns), zero beyond the picture's edges; None after the last one.
            factors: (panels, 6, 6, channels, columns), gets those of the unit before; None when there is none.
        """
        panels, columns, channels, first = self._layout.panels, self._layout.columns, self._channels, self._first
        if unit is None:
            self._rows[:, first + _KEPT] = 0
        else:
            fresh = self._rows[:, first + _KEPT : first + _KEPT + TILE]
            flat = unit.reshape(panels, TILE, TILE, channels * columns)
            np.matmul(_OWN, flat, out=fresh.reshape(panels, TILE, SEEN, channels * columns))
            _add_neighbours(fresh, unit)
        if factors is not None:
            window = self._rows[:, first : first + SEEN].reshape(panels, SEEN, SEEN, channels * columns).swapaxes(1, 2)
            for panel in range(panels):
                np.matmul(DATA, window[panel], out=factors[panel].reshape(SEEN, SEEN, channels * columns))
        self._first += TILE
        if self._first + _KEPT + TILE > ROWS:
            self._rows[:, :_KEPT] = self._rows[:, self._first : self._first + _KEPT]
            self._first = 0


def _add_neighbours(fresh: Array, unit: Array) -> None:
    """Add the columns left and right of every tile, from the tiles beside it; beyond the picture they are zero."""
    before, after = fresh[:, :, 0], fresh[:, :, -1]
    first, last = unit[:, :, 0], unit[:, :, -1]
    left, right = before[..., 0].copy(), after[..., -1].copy()
    left[1:] += last[:-1, ..., -1]
    right[:-1] += first[1:, ..., 0]
    # Channels lie end to end: as one long row they are added faster, and only the panel's edges come out wrong.
    flat = (*before.shape[:2], -1)
    before.reshape(flat)[..., 1:] += last.reshape(flat)[..., :-1]
    after.reshape(flat)[..., :-1] += first.reshape(flat)[..., 1:]
    before[..., 0], after[..., -1] = left, right


class Workspace:
    """A thread's room for products.

    Args:
        columns: of a panel.
        channels: most that a convolution gives.
    """

    def __init__(self, columns: int, channels: int) -> None:
        self._products = np.empty(SEEN * SEEN * channels * columns, np.float32)
        self._halves = np.empty(SEEN * TILE * channels * columns, np.float32)
        self._sloped = np.empty(TILE * TILE * channels * columns, np.float32)

    def convolve(self, kernel: Kernel, factors: Array, result: Array) -> None:
        """One unit of a convolution's result.

        Args:
            kernel: of C inputs.
            factors: (panels, 6, 6, C or more, columns).
            result: (panels, 4, 4, O, columns), written.
        """
        columns, outputs = factors.shape[-1], kernel.outputs
        products = self._products[: SEEN * SEEN * outputs * columns].reshape(SEEN * SEEN, outputs, columns)
        halves = self._halves[: SEEN * TILE * outputs * columns].reshape(SEEN, TILE, outputs * columns)
        for given, wanted in zip(factors, result, strict=True):
            np.matmul(kernel.factors, given.reshape(SEEN * SEEN, -1, columns)[:, : kernel.inputs], out=products)
            products[CONSTANT] += kernel.bias
            np.matmul(RESULT, products.reshape(SEEN, SEEN, -1), out=halves)
            np.matmul(RESULT, halves.swapaxes(0, 1), out=wanted.reshape(TILE, TILE, -1))

    def rectify(self, values: Array) -> None:
        """The leaky rectifier of the net, in place: (panels, 4, 4, channels, columns)."""
        for panel in values:
            sloped = self._sloped[: panel.size].reshape(panel.shape)
            np.multiply(panel, _SLOPE, out=sloped)
            np.maximum(panel, sloped, out=panel)


class Convolution:
    """A convolution of a picture that arrives unit by unit, with the room that it needs.

    Args:
        layout: of the picture.
        kernel: the convolution.
        workspace: of the thread.
    """

    def __init__(self, layout: Layout, kernel: Kernel, workspace: Workspace) -> None:
        self.layout = layout
        self._kernel = kernel
        self._workspace = workspace
        self._source = Source(layout, kernel.inputs)
        self._factors = np.zeros((layout.panels, SEEN, SEEN, kernel.inputs, layout.columns), np.float32)

    def restart(self) -> None:
        """Begin a picture, or a part of it whose first units are not wanted."""
        self._source.restart()

    def feed(self, unit: Array | None, *, is_first: bool = False) -> None:
        """Take the next unit, (panels, 4, 4, C, columns), zero beyond the picture's edges; None after the last one."""
        self._source.feed(unit, None if is_first else self._factors)

    def give(self, result: Array) -> None:
        """The result's unit before the one that was fed last: (panels, 4, 4, O, columns), written."""
        self._workspace.convolve(self._kernel, self._factors, result)
