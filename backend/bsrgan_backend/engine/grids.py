"""Cuts of an image into tiles, each with what it sees around its own part: pure arithmetic."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

SMALLEST_CORE_PX = 32
"""Shortest side that a cut may leave, so that no tile is all margin."""


@dataclass(frozen=True)
class Span:
    """One tile along one axis: its own part `start:stop` within what it is given to see, `low:high`."""

    start: int
    stop: int
    low: int
    high: int

    def moved(self, by: int) -> Span:
        """The same span further along the axis."""
        return Span(self.start + by, self.stop + by, self.low + by, self.high + by)


@dataclass(frozen=True)
class Grid:
    """Tiles that cover an image: every row span with every column span."""

    rows: tuple[Span, ...]
    columns: tuple[Span, ...]

    @property
    def tiles(self) -> int:
        """How many tiles."""
        return len(self.rows) * len(self.columns)

    @property
    def tallest(self) -> int:
        """Most rows that a tile sees."""
        return max(span.high - span.low for span in self.rows)

    @property
    def widest(self) -> int:
        """Most columns that a tile sees."""
        return max(span.high - span.low for span in self.columns)

    @property
    def largest_px(self) -> int:
        """Most pixels that a tile sees."""
        return self.tallest * self.widest

    @property
    def sizes(self) -> int:
        """How many different sizes its tiles have."""
        return len({r.high - r.low for r in self.rows}) * len({c.high - c.low for c in self.columns})

    @property
    def total_px(self) -> int:
        """Pixels that all tiles see together."""
        return sum(r.high - r.low for r in self.rows) * sum(c.high - c.low for c in self.columns)


@dataclass(frozen=True)
class Widths:
    """How fast tiles of different widths are.

    Attributes:
        multiple: of which the fastest widths are multiples; tiles see a little more than they need to be such.
        even: time that other even widths take, relative to those.
        odd: likewise of odd widths.
    """

    multiple: int = 1
    even: float = 1.0
    odd: float = 1.0

    def slowness(self, width: int) -> float:
        """Time for a pixel of a tile of this width, relative to the fastest ones."""
        if width % self.multiple == 0:
            return 1.0
        return self.odd if width % 2 else self.even


ALL_ALIKE = Widths()


def spans(length: int, count: int, margin: int, multiple: int = 1) -> tuple[Span, ...]:
    """Cut `length` into `count` parts that differ by at most one, each seeing `margin` more on either side.

    They see still more where that makes a multiple of `multiple`, as far as `length` goes.
    """
    edges = [length * index // count for index in range(count + 1)]
    return tuple(_seeing(start, stop, length, margin, multiple) for start, stop in itertools.pairwise(edges))


def _seeing(start: int, stop: int, length: int, margin: int, multiple: int) -> Span:
    low, high = max(0, start - margin), min(length, stop + margin)
    lacking = (low - high) % multiple
    above = min(lacking, length - high)
    return Span(start, stop, max(0, low - (lacking - above)), high + above)


def fixed_grid(height: int, width: int, margin: int, side: int, multiple: int = 1) -> Grid:
    """Tiles of at most `side` pixels a side, margin not counted; their widths are multiples where there is room."""
    rows, columns = math.ceil(height / side), math.ceil(width / side)
    return Grid(spans(height, rows, margin), spans(width, columns, margin, multiple))


def best_grid(height: int, width: int, margin: int, limit_px: int, widths: Widths = ALL_ALIKE) -> Grid:
    """The tiles that take least time in all while none sees more than `limit_px`; ties go to lower bands of tiles.

    Cuts are at least `SMALLEST_CORE_PX` apart, so a limit below what that takes is exceeded.
    """
    best: tuple[float, int, int] | None = None
    for rows in range(1, max(1, height // SMALLEST_CORE_PX) + 1):
        seen_rows = _longest(height, rows, margin)
        for columns in _counts(width, margin, limit_px // seen_rows, widths):
            cost = (height + 2 * margin * (rows - 1)) * _seen_columns(width, columns, margin, widths)
            candidate = (float(cost), rows, columns)
            best = candidate if best is None or candidate[0] <= best[0] else best
    if best is None:
        best = (0.0, max(1, height // SMALLEST_CORE_PX), max(1, width // SMALLEST_CORE_PX))
    return Grid(spans(height, best[1], margin), spans(width, best[2], margin, widths.multiple))


def _counts(width: int, margin: int, limit: int, widths: Widths) -> tuple[int, ...]:
    """In how many columns a picture may be cut: as few as fit, or two where in one piece its width is a slow one."""
    if width > limit:
        count = _fewest(width, margin, limit - widths.multiple + 1)
        return () if count is None else (count,)
    is_worth_a_cut = widths.slowness(width) > 1.0 and width >= 2 * SMALLEST_CORE_PX
    return (1, 2) if is_worth_a_cut else (1,)


def _seen_columns(width: int, count: int, margin: int, widths: Widths) -> float:
    """Columns that the tiles of a row see together, slow ones counted more; about so many where they are widened."""
    if count == 1:
        return width * widths.slowness(width)
    return width + 2 * margin * (count - 1) + count * (widths.multiple - 1) / 2


def _longest(length: int, count: int, margin: int) -> int:
    """Most that a part sees when `length` is cut into `count`."""
    sides = 0 if count == 1 else 1 if count == 2 else 2
    return min(length, math.ceil(length / count) + sides * margin)


def _fewest(length: int, margin: int, limit: int) -> int | None:
    """Fewest parts of `length` that see at most `limit` each, or None if the parts would be too short."""
    if length <= limit:
        return 1
    if 2 * (limit - margin) >= length:
        count = 2
    elif limit > 2 * margin:
        count = max(3, math.ceil(length / (limit - 2 * margin)))
    else:
        return None
    return count if length // count >= SMALLEST_CORE_PX else None


def strips(height: int, width: int, margin: int, limit_px: int) -> Grid:
    """Tiles as wide as the image where rows enough fit into `limit_px`, cut in columns only beyond that."""
    rows_seen = max(limit_px // width, min(height, SMALLEST_CORE_PX))
    rows = _fewest_rows(height, margin, rows_seen)
    columns = _fewest(width, margin, max(limit_px // _longest(height, rows, margin), SMALLEST_CORE_PX + 2 * margin))
    return Grid(spans(height, rows, margin), spans(width, columns or max(1, width // SMALLEST_CORE_PX), margin))


def _fewest_rows(height: int, margin: int, rows_seen: int) -> int:
    return 1 if height <= rows_seen else math.ceil(height / max(1, rows_seen - 2 * margin))
