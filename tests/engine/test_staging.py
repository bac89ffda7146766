"""Memory of a stage that goes over an image tile by tile; its results are held by the tests of the engine."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from bsrgan_backend.engine import grids, planning, staging
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.synthetic import BSRGAN

ROUND = 1.02
"""Small arrays beside the large ones."""


def run(features, grid, scratch):
    """One stage that adds 1."""
    staging.apply(features, grid, lambda tile, _rows, _columns: tile + 1, lambda: None, lambda _pixels: None, scratch)


@pytest.mark.parametrize(("height", "width", "limit_px"), [(300, 700, 20_000), (700, 300, 20_000), (400, 400, 90_000)])
def test_a_stage_holds_no_more_than_the_plan_says(height, width, limit_px):
    """One band of tiles at a time, the rows kept for the next one, and a tile's copies in and out."""
    grid = grids.best_grid(height, width, planning.BLOCK_MARGIN, limit_px)
    features = np.zeros((BSRGAN.features, height, width), np.float32)
    expected = planning.trunk_arrays(grid, width, BSRGAN)
    tracemalloc.start()
    try:
        run(features, grid, staging.Scratch())
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grid.tiles > 1
    assert 0.85 * expected <= peak <= ROUND * expected


def test_the_next_stage_works_in_the_memory_of_the_one_before():
    """Of a second stage only what the stage itself returns is new."""
    grid = grids.best_grid(300, 700, planning.BLOCK_MARGIN, 20_000)
    features, scratch = np.zeros((8, 300, 700), np.float32), staging.Scratch()
    run(features, grid, scratch)
    tracemalloc.start()
    try:
        run(features, grid, scratch)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (features == 2).all()
    assert peak <= 1.1 * grid.largest_px * features.shape[0] * 4


@pytest.mark.parametrize(
    ("size", "said"), [(1, "1 MB"), (61_440_000, "62 MB"), (10**9, "1.0 GB"), (5 * 10**9, "5.0 GB")]
)
def test_a_full_disk_says_how_much_is_missing(tmp_path, size, said):
    """The sentence never says that nothing is needed."""
    with pytest.raises(BackendError, match=f"needs {said} there") as failed:
        staging.reserve(size, tmp_path / "missing")
    assert failed.value.code == "DISK_FULL"


def test_scratch_grows_and_keeps_its_largest():
    """An array of a name is new memory only where the last ones were too small."""
    scratch = staging.Scratch()
    small = scratch.array("tile", 2, 3)
    large = scratch.array("tile", 4, 5)
    again = scratch.array("tile", 3, 5)
    assert (large.shape, again.shape) == ((4, 5), (3, 5))
    assert np.shares_memory(large, again)
    assert not np.shares_memory(small, large)
    assert not np.shares_memory(again, scratch.array("band", 3, 5))


def test_a_reserve_takes_the_half_where_the_whole_is_not_there(monkeypatch):
    """Each part of the network starts with a reserve, however little an earlier part has left."""
    taken, empty = [], np.empty

    def short(values, dtype):
        taken.append(values * 4)
        if values * 4 > 30 << 20:
            raise MemoryError
        return empty(values, dtype)

    reserve = staging.Reserve(20 << 20)
    monkeypatch.setattr(staging.np, "empty", short)
    reserve.renew()
    assert taken == [], "it is still there"
    reserve.release()
    reserve.renew()
    larger = staging.Reserve(100 << 20)
    assert taken == [20 << 20, 100 << 20, 50 << 20, 25 << 20]
    larger.release()
    monkeypatch.setattr(staging.np, "empty", lambda *_: (_ for _ in ()).throw(MemoryError))
    larger.renew()
    larger.release()
