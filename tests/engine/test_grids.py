"""Cuts of an image: they cover it, they fit, and they cost little."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from bsrgan_backend.engine import grids
from bsrgan_backend.engine.grids import Grid, Widths
from bsrgan_backend.engine.planning import BLOCK_MARGIN, TAIL_MARGIN
from support.covering import assert_covers

MANY = settings(deadline=None, max_examples=150)
SIDES = st.integers(1, 5000)
EVEN = Widths(multiple=16, even=1.15, odd=1.45)


@MANY
@given(SIDES, SIDES, st.integers(0, 40), st.integers(4096, 10**6))
def test_best_grid_covers_and_fits(height: int, width: int, margin: int, limit: int) -> None:
    """Tiles cover the image evenly, and none sees more than the limit unless its sides are the shortest allowed."""
    grid = grids.best_grid(height, width, margin, limit)
    assert_covers(grid, height, width, margin)
    shortest = (2 * grids.SMALLEST_CORE_PX + 2 * margin) ** 2
    assert grid.largest_px <= max(limit, shortest, 2 * (2 * margin + 64) * limit // 4096)
    for spans, length in ((grid.rows, height), (grid.columns, width)):
        assert len(spans) == 1 or length // len(spans) >= grids.SMALLEST_CORE_PX


@MANY
@given(SIDES, SIDES, st.integers(1, 10**6))
def test_strips_cover_and_fit(height: int, width: int, limit: int) -> None:
    """Strips of the tail cover the image and keep the limit, down to strips that are all margin."""
    grid = grids.strips(height, width, TAIL_MARGIN, limit)
    assert_covers(grid, height, width, TAIL_MARGIN)
    assert grid.largest_px <= max(limit, 2 * (2 * grids.SMALLEST_CORE_PX + 2 * TAIL_MARGIN) ** 2)


@MANY
@given(SIDES, SIDES, st.integers(0, 40), st.integers(4096, 10**6), st.sampled_from((2, 8, 16)))
def test_tiles_have_widths_that_suit_the_engine(
    height: int, width: int, margin: int, limit: int, multiple: int
) -> None:
    """Where widths matter, columns see a multiple, at least their margin, and no more than the limit or the image."""
    grid = grids.best_grid(height, width, margin, limit, Widths(multiple, 1.1, 1.4))
    assert_covers(Grid(grid.rows, grids.spans(width, len(grid.columns), margin)), height, width, margin)
    for span, needed in zip(grid.columns, grids.spans(width, len(grid.columns), margin), strict=True):
        seen = span.high - span.low
        assert (span.start, span.stop) == (needed.start, needed.stop)
        assert 0 <= span.low <= needed.low < needed.high <= span.high <= width
        assert seen % multiple == 0 or seen == width
        assert seen - (needed.high - needed.low) < multiple
    shortest = (2 * grids.SMALLEST_CORE_PX + 2 * margin + multiple) ** 2
    assert grid.largest_px <= max(limit, shortest, 2 * (2 * margin + 64 + multiple) * limit // 4096)


@pytest.mark.parametrize(
    ("width", "margin", "columns"), [(512, 15, 1), (501, 15, 2), (500, 15, 2), (500, 90, 1), (77, 15, 1)]
)
def test_a_slow_width_is_cut_where_that_costs_less(width: int, margin: int, columns: int) -> None:
    """A picture that fits in one piece is cut if its width slows the engine down by more than the margins do."""
    assert len(grids.best_grid(512, width, margin, 512 * 512, EVEN).columns) == columns


def test_a_square_that_fits_is_not_cut() -> None:
    """A limit as large as the image leaves one tile without a margin."""
    grid = grids.best_grid(470, 470, BLOCK_MARGIN, 470 * 470)
    assert grid.tiles == 1
    assert grid.total_px == 470 * 470


def test_cuts_are_the_cheapest() -> None:
    """No other number of rows and columns that fits lets the tiles see fewer pixels."""
    height, width, limit = 700, 1100, 90_000
    best = grids.best_grid(height, width, BLOCK_MARGIN, limit)
    for rows in range(1, 20):
        for columns in range(1, 20):
            other = Grid(grids.spans(height, rows, BLOCK_MARGIN), grids.spans(width, columns, BLOCK_MARGIN))
            assert other.largest_px > limit or other.total_px >= best.total_px
