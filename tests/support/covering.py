"""What every cut of an image must hold."""

from __future__ import annotations

import itertools

from bsrgan_backend.engine.grids import Grid


def assert_covers(grid: Grid, height: int, width: int, margin: int) -> None:
    """Own parts follow each other without gap, are even, and see exactly their margin within the image."""
    for spans, length in ((grid.rows, height), (grid.columns, width)):
        assert spans[0].start == 0
        assert spans[-1].stop == length
        assert all(a.stop == b.start for a, b in itertools.pairwise(spans))
        sizes = [span.stop - span.start for span in spans]
        assert min(sizes) >= 1
        assert max(sizes) - min(sizes) <= 1
        for span in spans:
            assert span.low == max(0, span.start - margin)
            assert span.high == min(length, span.stop + margin)
