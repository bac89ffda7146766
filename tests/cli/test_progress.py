"""Progress lines, tables and words for sizes and times."""

from __future__ import annotations

import io

import pytest

from bsrgan_backend.cli import progress
from bsrgan_backend.cli.progress import ProgressBar, ProgressLines, bar, duration_text
from bsrgan_backend.cli.table import aligned, size_text


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def test_nothing_is_written_where_no_terminal_is():
    """A pipe or a file gets no progress at all."""
    stream = io.StringIO()
    with ProgressBar(stream) as shown:
        shown.show("50 %")
    assert stream.getvalue() == ""


def test_a_terminal_line_is_wiped_at_the_end():
    """On a terminal the line is shown and leaves nothing behind."""
    stream = Terminal()
    with ProgressBar(stream) as shown:
        shown.show("50 %")
    assert "50 %" in stream.getvalue()
    assert stream.getvalue().endswith("\r\033[K")


def test_a_terminal_is_not_flooded(monkeypatch):
    """At most ten lines a second are written."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    stream = Terminal()
    shown = ProgressBar(stream)
    for step in range(100):
        now[0] = 100.0 + step / 100
        shown.show(f"<{step}>")
    assert 8 <= stream.getvalue().count("<") <= 11


def test_progress_lines_are_plain_lines():
    """For another program progress is whole lines without control characters."""
    stream = io.StringIO()
    with ProgressLines(stream) as shown:
        shown.bytes(5_000_000, 10_000_000)
    assert stream.getvalue().endswith("50 %  5 MB of 10 MB\n")
    assert "\033" not in stream.getvalue()


@pytest.mark.parametrize(
    ("done", "total", "text"), [(0, 10, "  0 %"), (10, 10, "100 %"), (12, 10, "100 %"), (1, 0, "  0 %")]
)
def test_bars_stay_within_bounds(done, total, text):
    """A bar is between empty and full, also for odd numbers."""
    drawn = bar(done, total)
    assert drawn.endswith(text)
    assert drawn.count("#") + drawn.count(".") == progress.WIDTH


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s"), (3780, "1 h 3 min"), (-1, "0 s")],
)
def test_times_in_words(seconds, text):
    """Times are said in the two largest units."""
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (67_046_751, "67 MB"), (123_456_789_012, "123 GB")],
)
def test_sizes_in_words(count, text):
    """Sizes are said in decimal units with at most three digits."""
    assert size_text(count) == text


def test_tables_are_aligned():
    """Columns start at the same place, and lines have no blanks at their end."""
    assert aligned([("a", "1", "x"), ("long", "22", "")], frozenset({1})) == "a      1  x\nlong  22"
