"""Units: where pixels lie, and what lies beyond the picture."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bsrgan_backend.engine.winograd.layout import Layout
from bsrgan_backend.engine.winograd.transforms import EXACT, FAST
from support.winograd_units import noise, unpacked

sides = st.integers(1, 2000)
schemes = st.sampled_from([EXACT, FAST])
small = (st.integers(1, 60), st.integers(1, 900), schemes)


@given(sides, sides, schemes)
def test_panels_cover_the_picture_in_whole_registers(height, width, scheme):
    """Panels are of even width, not too wide, and no panel lies wholly beyond the picture."""
    layout = Layout.of(height, width, scheme)
    tile, step = scheme.tile, scheme.column_step
    assert layout.columns % step == 0
    assert layout.columns <= scheme.most_columns
    assert tile * layout.columns * (layout.panels - 1) < width <= tile * layout.tiles
    assert tile * (layout.units - 1) < height <= tile * layout.units


@given(*small)
def test_pixels_come_back(height, width, scheme):
    """A picture packed into units and unpacked is itself, and zero lies beyond its edges and channels."""
    layout = Layout.of(height, width, scheme)
    image = noise(3, height, width)
    units = [layout.pack(image, number, 4) for number in range(layout.units)]
    assert units[0].shape == layout.shape(4)
    assert np.array_equal(unpacked(layout, units)[:3], image)
    assert sum(float(np.abs(unit).sum()) for unit in units) <= float(np.abs(image).sum(dtype=np.float64)) * 1.001


@given(*small)
def test_what_lies_beyond_is_cleared_and_nothing_else(height, width, scheme):
    """Clearing keeps the picture's pixels and leaves zero everywhere else."""
    layout = Layout.of(height, width, scheme)
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
