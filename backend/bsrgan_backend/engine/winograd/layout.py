"""Where the pixels of a picture lie, so that every step of a convolution is one product over contiguous values.

A picture is a column of units. A unit is one row of tiles, m pixels high, cut into panels that are small enough for
the processor's cache: (panels, m, m, channels, columns), where pixel (y, x) of unit `y // m` stands at row `y % m` and
column `x % m` of its tile, and tile `x // m` at column `tile % columns` of panel `tile // columns`. So pixels of
neighbouring tiles are neighbours in memory. Pixels beyond the picture's edges are zero, as convolutions want them.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine.winograd.transforms import EXACT, Scheme

Array = npt.NDArray[np.float32]

_CALL_COLUMNS = 6
"""What the calls for a panel cost, in tiles."""


@dataclass(frozen=True)
class Layout:
    """Units of a picture.

    Attributes:
        height: of the picture in pixels.
        width: of it.
        panels: side by side.
        columns: tiles in each, a multiple of the scheme's step.
        scheme: how its convolutions run.
    """

    height: int
    width: int
    panels: int
    columns: int
    scheme: Scheme = EXACT

    @classmethod
    def of(cls, height: int, width: int, scheme: Scheme = EXACT) -> Layout:
        """The panels that take least time.

        Args:
            height: of the picture, 1 or more.
            width: of it, 1 or more.
            scheme: how its convolutions run.
        """
        tiles = math.ceil(width / scheme.tile)
        widths = range(scheme.column_step, scheme.most_columns + 1, scheme.column_step)
        columns = min(widths, key=lambda count: math.ceil(tiles / count) * (count + _CALL_COLUMNS))
        return cls(height, width, math.ceil(tiles / columns), columns, scheme)

    @property
    def tile(self) -> int:
        """Pixels along a side of a tile: m."""
        return self.scheme.tile

    @property
    def units(self) -> int:
        """Rows of tiles."""
        return math.ceil(self.height / self.tile)

    @property
    def tiles(self) -> int:
        """Tiles side by side, those beyond the picture's edge included."""
        return self.panels * self.columns

    def doubled(self) -> Layout:
        """That of the picture with sides twice as long: two tiles for each one, two panels for each one."""
        return replace(self, height=2 * self.height, width=2 * self.width, panels=2 * self.panels)

    def shape(self, channels: int) -> tuple[int, int, int, int, int]:
        """Of one unit."""
        return self.panels, self.tile, self.tile, channels, self.columns

    def pack(self, image: Array, unit: int, channels: int) -> Array:
        """One unit of an image (C, H, W), with channels of zero up to a number of them."""
        tile = self.tile
        rows = image[:, tile * unit : tile * (unit + 1)]
        padded = np.zeros((channels, tile, tile * self.tiles), np.float32)
        padded[: rows.shape[0], : rows.shape[1], : self.width] = rows
        parts = padded.reshape(channels, tile, self.panels, self.columns, tile)
        return np.ascontiguousarray(parts.transpose(2, 1, 4, 0, 3))

    def unpack(self, values: Array, unit: int) -> Array:
        """The picture's rows of one unit: (rows, W, C), a copy."""
        height = min(self.tile, self.height - self.tile * unit)
        channels = values.shape[3]
        pixels = values[:, :height].transpose(1, 0, 4, 2, 3)
        rows: Array = pixels.reshape(height, self.tile * self.tiles, channels)[:, : self.width]
        return rows

    def clear(self, values: Array, unit: int) -> None:
        """Set what lies beyond the picture's right and lower edge to zero.

        Args:
            values: (panels, m, m, channels, columns), changed.
            unit: their number.
        """
        height = self.height - self.tile * unit
        if height < self.tile:
            values[:, height:] = 0
        for place in self._beyond:
            values[place] = 0

    @functools.cached_property
    def _beyond(self) -> tuple[tuple[int | slice, ...], ...]:
        """What of a unit lies to the right of the picture."""
        everything = slice(None)
        places: list[tuple[int | slice, ...]] = []
        for column in range(self.tile):
            panel, first = divmod(math.ceil((self.width - column) / self.tile), self.columns)
            if panel < self.panels:
                places.append((panel, everything, column, everything, slice(first, None)))
            if panel + 1 < self.panels:
                places.append((slice(panel + 1, None), everything, column))
        return tuple(places)
