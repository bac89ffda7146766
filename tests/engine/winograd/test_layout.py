"""Units: where pixels lie, and what lies beyond the picture."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bsrgan_backend.engine.winograd.layout import COLUMN_STEP, Layout
from support.winograd_units import noise, unpacked

sides = st.integers(1, 400)
most_columns = st.integers(1, 100)


@given(sides, sides, most_columns)
def test_panels_cover_the_picture_in_whole_registers(height, width, most):
    """Panels hold a multiple of 16 tiles each and no panel lies wholly beyond the picture."""
    layout = Layout.of(height, width, most)
    assert layout.columns % COLUMN_STEP == 0
    assert layout.columns <= max(COLUMN_STEP, most)
    assert 4 * layout.columns * (layout.panels - 1) < width <= 4 * layout.tiles
    assert 4 * (layout.units - 1) < height <= 4 * layout.units


@given(st.integers(1, 60), st.integers(1, 200), st.sampled_from([16, 32, 80]))
def test_pixels_come_back(height, width, most):
    """A picture packed into units and unpacked is itself, and zero lies beyond its edges and channels."""
    layout = Layout.of(height, width, most)
    image = noise(3, height, width)
    units = [layout.pack(image, number, 4) for number in range(layout.units)]
    assert units[0].shape == layout.shape(4)
    assert np.array_equal(unpacked(layout, units)[:3], image)
    assert sum(float(np.abs(unit).sum()) for unit in units) <= float(np.abs(image).sum(dtype=np.float64)) * 1.001


@given(st.integers(1, 60), st.integers(1, 200), st.sampled_from([16, 32, 80]))
def test_what_lies_beyond_is_cleared_and_nothing_else(height, width, most):
    """Clearing keeps the picture's pixels and leaves zero everywhere else."""
    layout = Layout.of(height, width, most)
    units = [np.ones(layout.shape(2), np.float32) for _ in range(layout.units)]
    for number, unit in enumerate(units):
        layout.clear(unit, number)
    assert unpacked(layout, units).min() == 1
    assert sum(float(unit.sum()) for unit in units) == 2 * height * width


@given(sides, sides)
def test_a_doubled_layout_has_two_tiles_for_each(height, width):
    """Doubling keeps the panels' width, so tiles are found by number."""
    layout = Layout.of(height, width)
    wide = layout.doubled()
    assert (wide.height, wide.width) == (2 * height, 2 * width)
    assert (wide.panels, wide.columns) == (2 * layout.panels, layout.columns)
