"""The page with all results."""

from __future__ import annotations

import numpy as np
import pytest

from bsrgan_backend.degradation.contact_sheet import (
    MOST_SIDE_PX,
    cell_px,
    columns_for,
    contact_sheet,
    thumbnail,
)


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (3, 3), (4, 2), (7, 4), (10, 5), (12, 4), (500, 25)])
def test_rows_get_full(count, columns):
    """The grid is about square, with as few empty places as possible."""
    assert columns_for(count) == columns


@pytest.mark.parametrize("count", [1, 10, 500, 10_000])
def test_sheets_stay_bounded(count):
    """However many results there are, the page has a bearable size and every cell can be seen."""
    side = cell_px(count)
    cell = np.zeros((side, side, 3), np.uint8)
    sheet = contact_sheet([(cell, "x")] * count, side)
    assert max(sheet.shape) <= MOST_SIDE_PX
    assert (sheet == 0).all(axis=2).sum() >= count * side * side


def test_a_thumbnail_keeps_pixels_and_proportions():
    """Small pictures are enlarged with visible pixels, large ones averaged, gray and clear ones shown on white."""
    small = np.arange(6, dtype=np.uint8).reshape(2, 3, 1) * 40
    np.testing.assert_array_equal(thumbnail(small, 6)[..., 1], small[..., 0].repeat(2, axis=0).repeat(2, axis=1))
    large = np.zeros((40, 80, 4), np.uint16)
    large[:, 40:, 3] = 65535
    shown = thumbnail(large, 8)
    assert shown.shape == (4, 8, 3)
    assert (shown[:, :4] == 255).all()
    assert (shown[:, 4:] == 0).all()


def test_captions_are_written_below():
    """A caption stands in its own line and never in a picture."""
    cell = np.zeros((64, 64, 3), np.uint8)
    plain, written = (contact_sheet([(cell, text)], 64) for text in ("", "seed 123456789012345678"))
    np.testing.assert_array_equal(plain[:70], written[:70])
    assert (plain[70:] != written[70:]).any()
