"""Where the pixels of a picture lie, so that every step of a convolution is one product over contiguous values.

A picture is a column of units. A unit is one row of tiles, 4 pixels high, cut into panels that are small enough for
the processor's cache: (panels, 4, 4, channels, columns), where pixel (y, x) of unit `y // 4` stands at row `y % 4` and
column `x % 4` of its tile, and tile `x // 4` at column `tile % columns` of panel `tile // columns`. So pixels of
neighbouring tiles are neighbours in memory. Pixels beyond the picture's edges are zero, as convolutions want them.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine.winograd.transforms import TILE

Array = npt.NDArray[np.float32]

COLUMN_STEP = 16
"""Tiles that fill a register of any processor: products that leave a rest are added up in another order, and the bits
would depend on how a picture is cut into panels."""

MOST_COLUMNS = 80
"""Tiles side by side in a panel: the factors of more of them leave the cache."""

_CALL_COLUMNS = 6
"""What the calls for a panel cost, in tiles."""


@dataclass(frozen=True)
class Layout:
    """Units of a picture.

    Attributes:
        height: of the picture in pixels.
        width: of it.
        panels: side by side.
        columns: tiles in each, a multiple of `COLUMN_STEP`.
    """

    height: int
    width: int
    panels: int
    columns: int

    @classmethod
    def of(cls, height: int, width: int, most_columns: int = MOST_COLUMNS) -> Layout:
        """The panels that take least time.

        Args:
            height: of the picture, 1 or more.
            width: of it, 1 or more.
            most_columns: in a panel, if that is no fewer than `COLUMN_STEP`.
        """
        tiles = math.ceil(width / TILE)
        widths = range(COLUMN_STEP, max(COLUMN_STEP, most_columns) + 1, COLUMN_STEP)
        columns = min(widths, key=lambda count: math.ceil(tiles / count) * (count + _CALL_COLUMNS))
        return cls(height, width, math.ceil(tiles / columns), columns)

    @property
    def units(self) -> int:
        """Rows of tiles."""
        return math.ceil(self.height / TILE)

    @property
    def tiles(self) -> int:
        """Tiles side by side, those beyond the picture's edge included."""
        return self.panels * self.columns

    def doubled(self) -> Layout:
        """That of the picture with sides twice as long: two tiles for each one, two panels for each one."""
        return replace(self, height=2 * self.height, width=2 * self.width, panels=2 * self.panels)

    def shape(self, channels: int) -> tuple[int, int, int, int, int]:
        """Of one unit."""
        return self.panels, TILE, TILE, channels, self.columns

    def pack(self, image: Array, unit: int, channels: int) -> Array:
        """One unit of an image (C, H, W), with channels of zero up to a number of them."""
        rows = image[:, TILE * unit : TILE * (unit + 1)]
        padded = np.zeros((channels, TILE, TILE * self.tiles), np.float32)
        padded[: rows.shape[0], : rows.shape[1], : self.width] = rows
        parts = padded.reshape(channels, TILE, self.panels, self.columns, TILE)
        return np.ascontiguousarray(parts.transpose(2, 1, 4, 0, 3))

    def unpack(self, values: Array, unit: int) -> Array:
        """The picture's rows of one unit: (rows, W, C), a copy."""
        height = min(TILE, self.height - TILE * unit)
        channels = values.shape[3]
        pixels = values[:, :height].transpose(1, 0, 4, 2, 3)
        rows: Array = pixels.reshape(height, TILE * self.tiles, channels)[:, : self.width]
        return rows

    def clear(self, values: Array, unit: int) -> None:
        """Set what lies beyond the picture's right and lower edge to zero.

        Args:
            values: (panels, 4, 4, channels, columns), changed.
            unit: their number.
        """
        height = self.height - TILE * unit
        if height < TILE:
            values[:, height:] = 0
        for place in self._beyond:
            values[place] = 0

    @functools.cached_property
    def _beyond(self) -> tuple[tuple[int | slice, ...], ...]:
        """What of a unit lies to the right of the picture."""
        everything = slice(None)
        places: list[tuple[int | slice, ...]] = []
        for column in range(TILE):
            panel, first = divmod(math.ceil((self.width - column) / TILE), self.columns)
            if panel < self.panels:
                places.append((panel, everything, column, everything, slice(first, None)))
            if panel + 1 < self.panels:
                places.append((slice(panel + 1, None), everything, column))
        return tuple(places)
