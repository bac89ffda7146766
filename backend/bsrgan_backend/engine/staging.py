"""Features of a whole image worked on in place, tile by tile, exactly as in one piece.

A stage replaces the features of an image by what a block makes of them. Tiles see original values around their own
part, which their neighbours have replaced already; so every band of tiles works on a copy, and the rows that the
next band still needs are carried over to it. One array of features is all that a run of any length keeps.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine.planning import Grid, Span, spans
from bsrgan_backend.errors import BackendError

Array = npt.NDArray[np.float32]
Stage = Callable[[Array, Span, Span], Array]
"""Takes a tile (1, nf, h, w) with its rows and columns and returns one of the same size."""


def allocate(shape: tuple[int, ...], folder: Path | None) -> Array:
    """Features without values: in memory, or in a file without a name inside `folder`.

    Raises:
        MemoryError: there is none left.
        BackendError: DISK_FULL, before anything is computed.
    """
    if folder is None:
        return np.empty(shape, dtype=np.float32)
    size = int(np.prod(shape, dtype=np.int64)) * 4
    try:
        with tempfile.TemporaryFile(prefix="features-", dir=folder) as file:
            # Reserved now: a disk that fills up under a mapped file kills the process.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            return np.memmap(file, dtype=np.float32, mode="r+", shape=shape)
    except OSError as error:
        text = f"The disk is too full for this picture, which needs {size / 1e9:.1f} GB there for a while; free some."
        raise BackendError("DISK_FULL", text, f"{error}") from error


def cut(values: Array, rows: Span, columns: Span) -> Array:
    """What a tile sees of (1, channels, H, W), C-contiguous; no copy when it sees everything."""
    return np.ascontiguousarray(values[:, :, rows.low : rows.high, columns.low : columns.high])


def regrid(grid: Grid, margin: int) -> Grid:
    """The same tiles with another margin."""
    rows, columns = grid.rows[-1].stop, grid.columns[-1].stop
    return Grid(spans(rows, len(grid.rows), margin), spans(columns, len(grid.columns), margin))


def fill(features: Array, image: Array, grid: Grid, head: Callable[[Array], Array], check: Callable[[], None]) -> None:
    """Write what `head` makes of the image: (1, C, H, W) → `features` (nf, H, W), tile by tile."""
    for rows in grid.rows:
        for columns in grid.columns:
            check()
            _store(head(cut(image, rows, columns)), features, rows, columns)


def apply(features: Array, grid: Grid, stage: Stage, check: Callable[[], None], done: Callable[[int], None]) -> None:
    """Replace `features` (nf, H, W) by what a stage makes of them, in place.

    Args:
        features: read and written.
        grid: tiles, with the margin that the stage reaches.
        stage: makes new features from a tile.
        check: called before each tile; may raise.
        done: called after each tile with the pixels that it saw.
    """
    if grid.tiles == 1:
        check()
        features[...] = stage(features[np.newaxis], grid.rows[0], grid.columns[0])[0]
        done(features[0].size)
        return
    carried = features[:, :0]
    for index, rows in enumerate(grid.rows):
        band = np.concatenate((carried, features[:, rows.low + carried.shape[1] : rows.high]), axis=1)
        if index + 1 < len(grid.rows):
            # Rows that the next band sees and this one is about to replace, as they were.
            carried = band[:, grid.rows[index + 1].low - rows.low : rows.stop - rows.low].copy()
        for columns in grid.columns:
            check()
            tile = np.ascontiguousarray(band[np.newaxis, :, :, columns.low : columns.high])
            _store(stage(tile, rows, columns), features, rows, columns)
            done(tile[0, 0].size)


def _store(tile: Array, features: Array, rows: Span, columns: Span) -> None:
    features[:, rows.start : rows.stop, columns.start : columns.stop] = tile[
        0, :, rows.start - rows.low : rows.stop - rows.low, columns.start - columns.low : columns.stop - columns.low
    ]


def place(result: Array, strip: Array, rows: Span, columns: Span, factor: int) -> None:
    """Put a tail tile's own part into its strip.

    Args:
        result: (C_out, factor·h, factor·w), what the tail gave for all that the tile sees.
        strip: (rows, sW, C_out); it may end before the tile does, where the image had been padded.
        rows: of the tile, in features.
        columns: of the tile, in features.
        factor: result pixels for each feature pixel along a side.
    """
    top, left = (rows.start - rows.low) * factor, (columns.start - columns.low) * factor
    first = columns.start * factor
    width = min(strip.shape[1], columns.stop * factor) - first
    if width > 0:
        own = result[:, top : top + strip.shape[0], left : left + width]
        strip[:, first : first + width] = own.transpose(1, 2, 0)
