"""The degradation's own timings."""

from __future__ import annotations

from bsrgan_backend.cli import degrade_bench


def test_every_figure_is_measured():
    """A small run gives each of the figures, above 0, with the number of runs behind it."""
    shown: list[str] = []
    timings = degrade_bench.measure(shown.append, side=64, seeds=12, count=3, processes=1)
    assert [timing.name.rsplit(", ", 1)[1] for timing in timings] == [
        "camera off", "as drawn", "seeds with a camera", "files written",
    ]  # fmt: skip
    assert all(timing.seconds > 0 for timing in timings)
    assert "mean of 12" in timings[1].note
    assert len(shown) == 2
