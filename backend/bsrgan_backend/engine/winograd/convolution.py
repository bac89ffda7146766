"""The three steps of a convolution over units: samples to factors, products, products to results."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine.winograd.layout import Layout
from bsrgan_backend.engine.winograd.transforms import Kernel, Scheme

Array = npt.NDArray[np.float32]

_SLOPE = np.float32(0.2)

_MOST_OUTPUTS = 32
"""Rows of one product: OpenBLAS has a faster way for small ones, and keeps twice as many only just out of it."""

_WINDOWS = 3
"""Units that fit into a source's rows before the last ones are carried to the front again."""


def source_rows(scheme: Scheme) -> int:
    """Rows of samples that a source holds."""
    return scheme.tile * _WINDOWS + _kept(scheme)


def _kept(scheme: Scheme) -> int:
    """Rows that one tile's window shares with what comes before the next unit: two, and the unit in between."""
    return scheme.tile + 1


class Source:
    """What convolutions take from one picture that arrives unit by unit: factors of the unit before.

    Args:
        layout: of the picture.
        channels: of it.
    """

    def __init__(self, layout: Layout, channels: int) -> None:
        self._layout = layout
        self._channels = channels
        scheme = layout.scheme
        self._kept = _kept(scheme)
        # Rows of samples, already factors along the row; of the window of the next unit `_first` is the first one.
        self._rows = np.zeros((layout.panels, source_rows(scheme), scheme.seen, channels, layout.columns), np.float32)
        self._first = 0

    def restart(self) -> None:
        """Begin a picture: above it everything is zero."""
        self._first = 0
        self._rows[:, : self._kept] = 0

    def feed(self, unit: Array | None, factors: Array | None) -> None:
        """Take the next unit.

        Args:
            unit: (panels, m, m, channels, columns), zero beyond the picture's edges; None after the last one.
            factors: (panels, seen, seen, channels, columns), gets those of the unit before; None when there is none.
        """
        scheme, panels, first = self._layout.scheme, self._layout.panels, self._first
        tile, seen, kept = scheme.tile, scheme.seen, self._kept
        values = self._channels * self._layout.columns
        if unit is None:
            self._rows[:, first + kept] = 0
        else:
            fresh = self._rows[:, first + kept : first + kept + tile]
            flat = unit.reshape(panels, tile, tile, values)
            np.matmul(scheme.own, flat, out=fresh.reshape(panels, tile, seen, values))
            _add_neighbours(fresh, unit)
        if factors is not None:
            window = self._rows[:, first : first + seen].reshape(panels, seen, seen, values).swapaxes(1, 2)
            np.matmul(scheme.data, window, out=factors.reshape(panels, seen, seen, values))
        self._first += tile
        if self._first + kept + tile > self._rows.shape[1]:
            self._rows[:, :kept] = self._rows[:, self._first : self._first + kept]
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
        scheme: of the convolutions.
        columns: of a panel.
        channels: most that a convolution gives.
    """

    def __init__(self, scheme: Scheme, columns: int, channels: int) -> None:
        self._scheme = scheme
        tile, seen = scheme.tile, scheme.seen
        self._products = np.empty(seen * seen * channels * columns, np.float32)
        self._halves = np.empty(seen * tile * channels * columns, np.float32)
        self._sloped = np.empty(tile * tile * channels * columns, np.float32)

    def convolve(self, kernel: Kernel, factors: Array, result: Array) -> None:
        """One unit of a convolution's result.

        Args:
            kernel: of C inputs.
            factors: (panels, seen, seen, C or more, columns).
            result: (panels, m, m, O, columns), written.
        """
        scheme, columns, outputs = self._scheme, factors.shape[-1], kernel.outputs
        tile, seen = scheme.tile, scheme.seen
        products = self._products[: seen * seen * outputs * columns].reshape(seen * seen, outputs, columns)
        parts = outputs // _MOST_OUTPUTS if outputs % _MOST_OUTPUTS == 0 else 1
        parted = products.reshape(seen * seen, parts, -1, columns)
        weights = kernel.factors.reshape(seen * seen, parts, -1, kernel.inputs)
        halves = self._halves[: seen * tile * outputs * columns].reshape(seen, tile, outputs * columns)
        for given, wanted in zip(factors, result, strict=True):
            np.matmul(weights, given.reshape(seen * seen, 1, -1, columns)[:, :, : kernel.inputs], out=parted)
            products[scheme.constant] += kernel.bias
            np.matmul(scheme.result, products.reshape(seen, seen, -1), out=halves)
            np.matmul(scheme.result, halves.swapaxes(0, 1), out=wanted.reshape(tile, tile, -1))

    def rectify(self, values: Array) -> None:
        """The leaky rectifier of the net, in place: (panels, m, m, channels, columns)."""
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
        seen = layout.scheme.seen
        self._factors = np.zeros((layout.panels, seen, seen, kernel.inputs, layout.columns), np.float32)

    def restart(self) -> None:
        """Begin a picture, or a part of it whose first units are not wanted."""
        self._source.restart()

    def feed(self, unit: Array | None, *, is_first: bool = False) -> None:
        """Take the next unit, (panels, m, m, C, columns), zero beyond the picture's edges; None after the last one."""
        self._source.feed(unit, None if is_first else self._factors)

    def give(self, result: Array) -> None:
        """The result's unit before the one that was fed last: (panels, m, m, O, columns), written."""
        self._workspace.convolve(self._kernel, self._factors, result)
