"""Memory of a stage that goes over an image tile by tile; its results are held by the tests of the engine."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from bsrgan_backend.engine import planning, staging
from bsrgan_backend.models.synthetic import BSRGAN

ROUND = 1.02
"""Small arrays beside the large ones."""


@pytest.mark.parametrize(("height", "width", "limit_px"), [(300, 700, 20_000), (700, 300, 20_000), (400, 400, 90_000)])
def test_a_stage_holds_no_more_than_the_plan_says(height, width, limit_px):
    """One band of tiles at a time, the rows kept for the next one, and a tile's copies in and out."""
    grid = planning.best_grid(height, width, planning.BLOCK_MARGIN, limit_px)
    features = np.zeros((BSRGAN.features, height, width), np.float32)
    expected = planning.trunk_arrays(grid, width, BSRGAN)
    tracemalloc.start()
    try:
        staging.apply(features, grid, lambda tile, _rows, _columns: tile + 1, lambda: None, lambda _pixels: None)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grid.tiles > 1
    assert 0.85 * expected <= peak <= ROUND * expected
