"""A contact sheet: many results on one page, each with a line below it."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from bsrgan_backend.imaging.pixels import Floats, Pixels, split

Levels = npt.NDArray[np.uint8]

MOST_SIDE_PX = 8000
"""Sheets get smaller cells rather than longer sides."""

_CELL_PX, _LEAST_CELL_PX = 192, 24
_GAP_PX, _LINE_PX = 6, 18
_PAPER, _INK = 255, 40
_LETTER_PX = 0.4


def columns_for(count: int) -> int:
    """Cells side by side: about as many as below one another, and rather more where the last row gets full.

    Args:
        count: of cells, at least 1.
    """
    square = math.isqrt(count - 1) + 1
    return min(range(square, 2 * square), key=lambda columns: (-count % columns, columns))


def cell_px(count: int) -> int:
    """The side of a cell of a sheet with so many of them, px.

    Args:
        count: of cells, at least 1.
    """
    columns = columns_for(count)
    across = (MOST_SIDE_PX - _GAP_PX) // columns - _GAP_PX
    down = (MOST_SIDE_PX - _GAP_PX) // -(-count // columns) - _GAP_PX - _LINE_PX
    return max(min(_CELL_PX, across, down), _LEAST_CELL_PX)


def thumbnail(picture: Pixels, side: int) -> Levels:
    """A picture fitted into a square.

    Small ones are enlarged with visible pixels, large ones averaged; what can be seen through lies on white.

    Args:
        picture: (H, W, 1 to 4) u8, u16, f16 or f32.
        side: of the square, px.

    Returns:
        (side or less, side or less, 3) u8 RGB.
    """
    colour, alpha = split(picture)
    height, width = colour.shape[:2]
    factor = side / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    kind = cv2.INTER_NEAREST_EXACT if factor >= 1 else cv2.INTER_AREA
    shown: Floats = cv2.resize(_on_paper(colour, alpha), size, interpolation=kind)
    levels: Levels = np.rint(np.clip(shown, 0.0, 1.0) * np.float32(255)).astype(np.uint8)
    return levels


def contact_sheet(cells: list[tuple[Levels, str]], side: int) -> Levels:
    """Lay thumbnails out in rows.

    Args:
        cells: of `thumbnail`, each with its caption (ASCII).
        side: that the thumbnails were fitted into, px.

    Returns:
        (H, W, 3) u8 RGB.
    """
    columns = columns_for(len(cells))
    rows = -(-len(cells) // columns)
    down, across = side + _LINE_PX + _GAP_PX, side + _GAP_PX
    sheet: Levels = np.full((rows * down + _GAP_PX, columns * across + _GAP_PX, 3), _PAPER, np.uint8)
    for number, (cell, caption) in enumerate(cells):
        row, column = divmod(number, columns)
        top, left = _GAP_PX + row * down, _GAP_PX + column * across
        height, width = cell.shape[:2]
        above, before = top + (side - height) // 2, left + (side - width) // 2
        sheet[above : above + height, before : before + width] = cell
        _write(sheet[top + side : top + side + _LINE_PX, left : left + side], caption)
    return sheet


def _on_paper(colour: Floats, alpha: Floats | None) -> Floats:
    if colour.shape[2] == 1:
        colour = np.repeat(colour, 3, axis=2)
    if alpha is None:
        return colour
    shown: Floats = np.float32(1.0) + alpha[..., None] * (colour - np.float32(1.0))
    return shown


def _write(line: Levels, caption: str) -> None:
    """Write a caption into a part of the sheet; what does not fit is cut off."""
    # OpenCV draws into arrays of its own layout only.
    drawn = np.ascontiguousarray(line)
    place = (0, _LINE_PX - 5)
    cv2.putText(drawn, caption, place, cv2.FONT_HERSHEY_SIMPLEX, _LETTER_PX, (_INK,) * 3, 1, cv2.LINE_AA)
    line[:] = drawn
