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

_TOGETHER = 2
"""Most panels in one call: between calls threads wait for one another (Python's lock), and more leave the cache."""

_WINDOWS = 3
"""Units that fit into a source's rows before the last ones are carried to the front again."""


def source_rows(scheme: Scheme) -> int:
    """Rows of samples that a source holds."""
    return scheme.tile * _WINDOWS + _kept(scheme)


def together(layout: Layout) -> int:
    """Panels of a picture that one call takes."""
    return min(layout.panels, _TOGETHER)


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
        layout: of the widest picture.
        channels: most that a convolution gives.
    """

    def __init__(self, layout: Layout, channels: int) -> None:
        self._scheme = scheme = layout.scheme
        tile, seen = scheme.tile, scheme.seen
        values = together(layout) * channels * layout.columns
        self._products = np.empty(seen * seen * values, np.float32)
        self._halves = np.empty(seen * tile * values, np.float32)
        self._sloped = np.empty(tile * tile * values, np.float32)

    def convolve(self, kernel: Kernel, factors: Array, result: Array) -> None:
        """One unit of a convolution's result.

        Args:
            kernel: of C inputs.
            factors: (panels, seen, seen, C or more, columns).
            result: (panels, m, m, O, columns), written.
        """
        for first in range(0, factors.shape[0], _TOGETHER):
            some = slice(first, first + _TOGETHER)
            self._convolve_some(kernel, factors[some], result[some])

    def _convolve_some(self, kernel: Kernel, factors: Array, result: Array) -> None:
        scheme, panels, columns, outputs = self._scheme, factors.shape[0], factors.shape[-1], kernel.outputs
        tile, seen = scheme.tile, scheme.seen
        values = outputs * columns
        products = self._products[: panels * seen * seen * values].reshape(panels, seen * seen, outputs, columns)
        parts = outputs // _MOST_OUTPUTS if outputs % _MOST_OUTPUTS == 0 else 1
        weights = kernel.factors.reshape(seen * seen, parts, -1, kernel.inputs)
        given = factors.reshape(panels, seen * seen, 1, -1, columns)[:, :, :, : kernel.inputs]
        np.matmul(weights, given, out=products.reshape(panels, seen * seen, parts, -1, columns))
        products[:, scheme.constant] += kernel.bias
        halves = self._halves[: panels * seen * tile * values].reshape(panels, seen, tile, values)
        np.matmul(scheme.result, products.reshape(panels, seen, seen, values), out=halves)
        np.matmul(scheme.result, halves.swapaxes(1, 2), out=result.reshape(panels, tile, tile, values))

    def rectify(self, values: Array) -> None:
        """The leaky rectifier of the net, in place: (panels, m, m, channels, columns)."""
        for first in range(0, values.shape[0], _TOGETHER):
            some = values[first : first + _TOGETHER]
            sloped = self._sloped[: some.size].reshape(some.shape)
            np.multiply(some, _SLOPE, out=sloped)
            np.maximum(some, sloped, out=some)


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
