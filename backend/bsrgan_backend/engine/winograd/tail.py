"""The tail: bands of the features' units are enlarged by as many members of a crew as there are, one band each.

A band begins and ends a few units early and late, as far as its convolutions reach; what they give there is not
computed where nothing of the band needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine.winograd.convolution import Convolution, Workspace
from bsrgan_backend.engine.winograd.layout import Layout
from bsrgan_backend.engine.winograd.network import Network
from bsrgan_backend.engine.winograd.transforms import Kernel

Array = npt.NDArray[np.float32]

BAND_UNITS = 16
"""Units of the features in a band: enough that what is computed twice at its edges is little."""


@dataclass(frozen=True)
class Range:
    """Units `first:stop` of a picture."""

    first: int
    stop: int

    def grown(self, by: int, limit: int) -> Range:
        """As far on both sides, within 0:limit."""
        return Range(max(0, self.first - by), min(limit, self.stop + by))

    def halved(self) -> Range:
        """The units of the picture of half the size that cover it."""
        return Range(self.first // 2, -(-self.stop // 2))


class Tail:
    """A member's room for bands, one after the other.

    Args:
        network: the kernels.
        layout: of the features.
    """

    def __init__(self, network: Network, layout: Layout) -> None:
        self._layout = layout
        self._channels = network.architecture.out_channels
        wide = layout
        for _doubling in network.doublings:
            wide = wide.doubled()
        self.result_layout = wide
        workspace = Workspace(network.scheme, wide.columns, network.most_outputs)
        self._doublings: list[_Stage] = []
        for kernel in network.doublings:
            layout = layout.doubled()
            self._doublings.append(_Stage(layout, kernel, workspace, is_rectified=True))
        self._before_last = _Stage(wide, network.before_last, workspace, is_rectified=True)
        self._last = _Stage(wide, network.last, workspace, is_rectified=False)

    def run(self, features: Array, band: Range, step: Callable[[], None], result: Array) -> None:
        """A band of the result.

        Args:
            features: (units, panels, m, m, nf, columns) of the whole picture.
            band: of their units.
            step: called every few milliseconds; may raise.
            result: (rows or more, fW, C_out), f = 2 ** doublings; the rows are written.
        """
        wanted = self._enlarged(band)
        units = self._last.run(self._before_last_units(features, wanted, step), wanted)
        first = 0
        for number, unit in enumerate(units, wanted.first):
            rows = self.result_layout.unpack(unit[..., : self._channels, :], number)
            result[first : first + len(rows)] = rows
            first += len(rows)

    def _enlarged(self, band: Range) -> Range:
        factor = self.result_layout.panels // self._layout.panels
        return Range(band.first * factor, min(band.stop * factor, self.result_layout.units))

    def _before_last_units(self, features: Array, wanted: Range, step: Callable[[], None]) -> Iterator[Array]:
        """Units that the last convolution sees."""
        wanted = wanted.grown(1, self.result_layout.units)
        ranges = [wanted.grown(1, self.result_layout.units)]
        # From the result back to the features: what each doubling must give, and what it sees for that.
        for stage in reversed(self._doublings):
            ranges.insert(0, ranges[0].grown(1, stage.layout.units).halved())
        units = _stepping(features, ranges[0], step)
        for stage, given, seen in zip(self._doublings, ranges, ranges[1:], strict=False):
            units = stage.run(doubled(units, given, seen.grown(1, stage.layout.units)), seen)
        return self._before_last.run(units, wanted)


def _stepping(features: Array, wanted: Range, step: Callable[[], None]) -> Iterator[Array]:
    for unit in range(wanted.first, wanted.stop):
        step()
        yield features[unit]


class _Stage:
    """A convolution that computes a range of units from one that is a unit longer on both sides."""

    def __init__(self, layout: Layout, kernel: Kernel, workspace: Workspace, *, is_rectified: bool) -> None:
        self.layout = layout
        self._outputs = kernel.outputs
        self._convolution = Convolution(layout, kernel, workspace)
        self._workspace = workspace
        self._is_rectified = is_rectified

    def run(self, units: Iterator[Array], wanted: Range) -> Iterator[Array]:
        """Units of the result.

        Args:
            units: of the source, those of `wanted.grown(1)` in order; valid until the next one is asked for.
            wanted: what is computed.
        """
        seen = wanted.grown(1, self.layout.units)
        result = np.empty(self.layout.shape(self._outputs), np.float32)
        self._convolution.restart()
        for unit in range(seen.first, wanted.stop + 1):
            source = next(units) if unit < seen.stop else None
            self._convolution.feed(source, is_first=unit == seen.first)
            if unit - 1 >= wanted.first:
                self._convolution.give(result)
                if self._is_rectified:
                    self._workspace.rectify(result)
                self.layout.clear(result, unit - 1)
                yield result


def doubled(units: Iterator[Array], given: Range, wanted: Range) -> Iterator[Array]:
    """Units of the picture with every pixel twice in both directions (nearest neighbour).

    Args:
        units: of the picture, those of `given` in order.
        given: their numbers.
        wanted: of the doubled picture, within twice `given`.
    """
    result: Array | None = None
    for number, unit in zip(range(given.first, given.stop), units, strict=False):
        panels, tile, _columns, channels, columns = unit.shape
        if result is None:
            result = np.empty((2 * panels, tile, tile, channels, columns), np.float32)
        for half in range(2):
            if not wanted.first <= 2 * number + half < wanted.stop:
                continue
            _double(unit[:, half * tile // 2 : (half + 1) * tile // 2], result)
            yield result


def _double(rows: Array, result: Array) -> None:
    """Half of a unit's rows, (panels, m / 2, m, channels, columns), to a unit of twice as many panels."""
    panels, half, tile, channels, columns = rows.shape
    # A tile of the source becomes two side by side, `part`; half of a panel's tiles fill one panel of the result.
    # panel, half, row, copy, pair, copy, channel, tile, part
    wide = result.reshape(panels, 2, half, 2, half, 2, channels, columns // 2, 2)
    halves = rows.reshape(panels, half, tile, channels, 2, columns // 2).transpose(0, 4, 1, 2, 3, 5)
    for column in range(tile):
        part, pair = divmod(column, half)
        wide[:, :, :, :, pair, :, :, :, part] = halves[:, :, :, np.newaxis, np.newaxis, column]
