"""Features of a whole image worked on in place, tile by tile, exactly as in one piece.

A stage replaces the features of an image by what blocks make of them. Tiles see original values around their own
part, which their neighbours have replaced already; so every band of tiles works on a copy, and the rows that the
next band still needs are carried over to it. One array of features is all that a run of any length keeps.
"""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine.grids import Grid, Span, spans
from bsrgan_backend.engine.planning import amount
from bsrgan_backend.errors import BackendError

Array = npt.NDArray[np.float32]
Stage = Callable[[Array, Span, Span], Array]
"""Takes what a tile sees, (1, C, h, w), with its rows and columns in the image, and returns (1, C', fh, fw)."""

SMALLEST_PX = 48 * 48
"""A tile of fewer pixels, margin included, that does not fit into memory is given up."""

SMALLEST_RESERVE_BYTES = 4 << 20
"""Less than what the smallest tiles take would not help them."""


def allocate(shape: tuple[int, ...], folder: Path | None, spare: Path | None = None) -> Array:
    """Features without values: in memory, or in a file without a name inside `folder`.

    Args:
        shape: of the features.
        folder: for a file; None for memory.
        spare: folder for a file in case that the memory is refused; None for none.

    Raises:
        MemoryError: there is none left.
        BackendError: DISK_FULL, before anything is computed.
    """
    if folder is None:
        try:
            return np.empty(shape, dtype=np.float32)
        except MemoryError:
            if spare is None:
                raise
            folder = spare
    with reserve(int(np.prod(shape, dtype=np.int64)) * 4, folder) as file:
        return np.memmap(file, dtype=np.float32, mode="r+", shape=shape)


def reserve(size: int, folder: Path) -> BinaryIO:
    """A file without a name that has its room on the disk.

    Raises:
        BackendError: DISK_FULL.
    """
    with contextlib.ExitStack() as kept:
        try:
            file = kept.enter_context(tempfile.TemporaryFile(prefix="features-", dir=folder))
            # Reserved now: a disk that fills up under a mapped file kills the process.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
        except OSError as error:
            text = f"The disk is too full for this picture, which needs {amount(size)} there for a while; free some."
            raise BackendError("DISK_FULL", text, f"{error}") from error
        kept.pop_all()
    return file


def cut(values: Array, rows: Span, columns: Span) -> Array:
    """What a tile sees of (1, channels, H, W), C-contiguous; no copy when it sees everything."""
    return np.ascontiguousarray(values[:, :, rows.low : rows.high, columns.low : columns.high])


class Scratch:
    """Arrays that are filled anew for every tile: new memory costs more time than what is copied into it."""

    def __init__(self) -> None:
        self._kept: dict[str, Array] = {}

    def reserve(self, name: str, *shape: int) -> None:
        """Take memory for the largest array of a name before the first: a smaller one in use would stay beside it."""
        size = math.prod(shape)
        if name not in self._kept or self._kept[name].size < size:
            self._kept.pop(name, None)
            self._kept[name] = np.empty(size, np.float32)

    def array(self, name: str, *shape: int) -> Array:
        """C-contiguous, with whatever was in the last one of that name, which it replaces."""
        self.reserve(name, *shape)
        return self._kept[name][: math.prod(shape)].reshape(shape)


class Reserve:
    """Address space set aside for the moment when memory runs short; it is never touched, so it takes no memory.

    An engine that fails in the middle keeps what it had got by then. Without a reserve nothing would be left for the
    smaller pieces.

    Args:
        size: bytes; where they are not there, the largest half, quarter and so on that is.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._space: Array | None = None
        self.renew()

    def renew(self) -> None:
        """Set it aside again: another part of the network, which keeps memory of its own, is about to run."""
        size = self._size
        while self._space is None and size >= SMALLEST_RESERVE_BYTES:
            with contextlib.suppress(MemoryError):
                self._space = np.empty(size // 4, np.float32)
            size //= 2

    def release(self) -> None:
        """Give it back."""
        self._space = None


class Shrinking:
    """Runs a stage on tiles; a tile that does not fit into memory is cut in two, and so are later ones of its size.

    The halves see `margin` pixels of each other, so the tile's own part comes out the same to the last bit.

    Attributes:
        has_shrunk: a tile had to be cut.
    """

    def __init__(self, margin: int, reserve: Reserve, *, may_shrink: bool) -> None:
        self.has_shrunk = False
        self._reserve = reserve
        self._margin = margin
        self._may_shrink = may_shrink
        self._limit_px: float = float("inf")

    def run(self, stage: Stage, tile: Array, rows: Span, columns: Span) -> Array:
        """What `stage` makes of a tile (1, C, h, w).

        Raises:
            MemoryError: even the smallest pieces do not fit, or tiles must not be cut.
        """
        pixels = tile.shape[2] * tile.shape[3]
        if pixels < self._limit_px or not self._can_cut(tile):
            try:
                return stage(tile, rows, columns)
            except MemoryError:
                if not self._can_cut(tile):
                    raise
                self._reserve.release()
                self.has_shrunk = True
                self._limit_px = min(self._limit_px, pixels)
        return self._halved(stage, tile, rows, columns)

    def _can_cut(self, tile: Array) -> bool:
        height, width = tile.shape[2:]
        return self._may_shrink and height * width > SMALLEST_PX and max(height, width) > 2 * self._margin + 2

    def _halved(self, stage: Stage, tile: Array, rows: Span, columns: Span) -> Array:
        height, width = tile.shape[2:]
        whole: Array | None = None
        for part_rows in spans(height, 2 if height >= width else 1, self._margin):
            for part_columns in spans(width, 1 if height >= width else 2, self._margin):
                seen = cut(tile, part_rows, part_columns)
                part = self.run(stage, seen, part_rows.moved(rows.low), part_columns.moved(columns.low))
                factor = part.shape[2] // seen.shape[2]
                if whole is None:
                    whole = np.empty((1, part.shape[1], height * factor, width * factor), np.float32)
                place(part[0], whole[0], part_rows, part_columns, factor)
        assert whole is not None
        return whole


def place(part: Array, whole: Array, rows: Span, columns: Span, factor: int = 1) -> None:
    """Put a tile's own part where it belongs.

    Args:
        part: (C, factor·h, factor·w), what a stage gave for all that the tile sees.
        whole: (C, factor·H, factor·W); it may end before the tile does, where the image had been padded.
        rows: of the tile, before enlargement.
        columns: of the tile, before enlargement.
        factor: result pixels for each pixel along a side.
    """
    top, left = (rows.start - rows.low) * factor, (columns.start - columns.low) * factor
    first_row, first_column = rows.start * factor, columns.start * factor
    height = min(whole.shape[1], rows.stop * factor) - first_row
    width = min(whole.shape[2], columns.stop * factor) - first_column
    if height > 0 and width > 0:
        own = part[:, top : top + height, left : left + width]
        whole[:, first_row : first_row + height, first_column : first_column + width] = own


def fill(features: Array, image: Array, grid: Grid, stage: Stage, check: Callable[[], None]) -> None:
    """Write what `stage` makes of the image: (1, C, H, W) → `features` (nf, H, W), tile by tile."""
    for rows in grid.rows:
        for columns in grid.columns:
            check()
            place(stage(cut(image, rows, columns), rows, columns)[0], features, rows, columns)


def apply(
    features: Array,
    grid: Grid,
    stage: Stage,
    check: Callable[[], None],
    done: Callable[[int], None],
    scratch: Scratch,
) -> Array:
    """Replace features by what a stage makes of them.

    Args:
        features: (nf, H, W), read and written.
        grid: tiles, with the margin that the stage reaches.
        stage: makes new features from a tile, which it must not keep.
        check: called before each tile; may raise.
        done: called after each tile with the pixels that it saw.
        scratch: for the tiles; the next stage may use it too.

    Returns:
        The new features: `features` itself, or the stage's own array when one tile in memory is all there is.
    """
    if grid.tiles == 1:
        check()
        result: Array = stage(features[np.newaxis], grid.rows[0], grid.columns[0])[0]
        done(features[0].size)
        if not isinstance(features, np.memmap):
            return result
        features[...] = result
        return features
    channels, _, width = features.shape
    scratch.reserve("band", channels, grid.tallest, width)
    scratch.reserve("tile", channels, grid.tallest, grid.widest if len(grid.columns) > 1 else 0)
    carried = features[:, :0]
    for index, rows in enumerate(grid.rows):
        band = scratch.array("band", channels, rows.high - rows.low, width)
        band[:, : carried.shape[1]] = carried
        band[:, carried.shape[1] :] = features[:, rows.low + carried.shape[1] : rows.high]
        if index + 1 < len(grid.rows):
            # Rows that the next band sees and this one is about to replace, as they were.
            shared = band[:, grid.rows[index + 1].low - rows.low : rows.stop - rows.low]
            carried = scratch.array("carried", *shared.shape)
            carried[...] = shared
        for columns in grid.columns:
            check()
            tile = _tile(band, columns, scratch)
            place(stage(tile, rows, columns)[0], features, rows, columns)
            done(tile[0, 0].size)
    return features


def _tile(band: Array, columns: Span, scratch: Scratch) -> Array:
    """What a tile sees of a band (C, h, W): (1, C, h, w), C-contiguous; the band itself when it sees all of it."""
    seen = band[np.newaxis, :, :, columns.low : columns.high]
    if seen.shape[3] == band.shape[2]:
        return seen
    tile = scratch.array("tile", *seen.shape)
    tile[...] = seen
    return tile
