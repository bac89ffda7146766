"""Progress lines, tables and words for sizes and times."""

from __future__ import annotations

import io
import os
import unicodedata

import pytest

from bsrgan_backend.cli import progress
from bsrgan_backend.cli.progress import ProgressBar, ProgressLines, bar, duration_text
from bsrgan_backend.cli.table import aligned, size_text


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True

    def fileno(self) -> int:
        """That of some descriptor."""
        return 2


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


def shown_in(monkeypatch, columns: int, text: str, label: str) -> str:
    """What a terminal of so many columns gets."""
    monkeypatch.setattr(progress.os, "get_terminal_size", lambda _number: os.terminal_size((columns, 24)))
    stream = Terminal()
    ProgressBar(stream).show(text, label)
    return stream.getvalue().removeprefix("\r\033[K")


def columns_of(text: str) -> int:
    """Columns on a terminal."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


@pytest.mark.parametrize("columns", [10, 20, 40, 60, 80, 200])
@pytest.mark.parametrize("name", ["a.png", "long " * 30 + ".png", "\u732b" * 50 + ".jpg"])
@pytest.mark.parametrize("text", [bar(3, 4), f"{bar(3, 4)}  2 min 5 s left", "loading the model"])
def test_a_line_is_never_wrapped(monkeypatch, columns, name, text):
    """A line of any text stays within the terminal, so that the next one replaces all of it."""
    shown = shown_in(monkeypatch, columns, text, f"3/10 {name}")
    assert columns_of(shown) < columns
    assert shown


def test_a_long_name_loses_its_middle(monkeypatch):
    """The number before a long name, its ending, the bar and the time are kept."""
    shown = shown_in(monkeypatch, 80, f"{bar(1, 2)}  8 s left", f"3/10 {'x' * 200}.png")
    assert shown.startswith("3/10 xx")
    assert "...x" in shown
    assert shown.endswith(f"xx.png  {bar(1, 2)}  8 s left")
    assert len(shown) == 79


def test_a_narrow_terminal_has_no_bar(monkeypatch):
    """Where bar and name do not fit beside each other the percentage alone is shown."""
    assert shown_in(monkeypatch, 40, f"{bar(1, 2)}  8 s left", "photo.png") == "photo.png  50 %  8 s left"


def test_a_label_does_not_act(monkeypatch):
    """Control characters in the name of a file are shown as escapes."""
    assert shown_in(monkeypatch, 80, "reading", "a\x1b[31m\n.png") == r"a\x1b[31m\n.png  reading"


def test_a_terminal_that_does_not_know_its_size_has_80_columns(monkeypatch):
    """Some terminals say 0, and some streams are none that could be asked."""
    shown = shown_in(monkeypatch, 0, bar(1, 2), "x" * 100)
    monkeypatch.undo()
    stream = Terminal()
    stream.fileno = io.StringIO().fileno
    ProgressBar(stream).show(bar(1, 2), "x" * 100)
    assert stream.getvalue().removeprefix("\r\033[K") == shown
    assert len(shown) == 79


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
