"""Progress on a terminal as one line that changes; elsewhere silence."""

from __future__ import annotations

import os
import re
import time
from types import TracebackType
from typing import TextIO

from bsrgan_backend.cli.language import _, printable
from bsrgan_backend.cli.table import columns, size_text

WIDTH = 24
_INTERVAL_S = 0.1
_LINE_INTERVAL_S = 1.0
_USUAL_COLUMNS = 80
_SHORTEST = 12
"""Columns below which a name says nothing any more."""
_BAR = re.compile(r"\[#*\.*\] *")


def bar(done: float, total: float) -> str:
    """A bar with the percentage behind it: "[######......] 50 %"."""
    share = min(max(done / total, 0.0), 1.0) if total > 0 else 0.0
    full = int(share * WIDTH)
    return f"[{'#' * full}{'.' * (WIDTH - full)}] {share * 100:3.0f} %"


def fitted(text: str, label: str, width: int) -> str:
    """A line for a terminal: where room is short the label loses its middle, then the text its bar.

    Args:
        text: how far it is, perhaps with a bar.
        label: what it is about, or empty.
        width: columns that there are.
    """
    if label and columns(label) + 2 + columns(text) > width:
        if width - columns(text) - 2 < min(_SHORTEST, columns(label)):
            text = _BAR.sub("", text)
        label = shortened(label, max(width - columns(text) - 2, 0))
    elif columns(text) > width:
        text = _BAR.sub("", text)
    return shortened(f"{label}  {text}" if label else text, width)


def shortened(text: str, width: int) -> str:
    """A text with "..." for its middle where it is too long.

    Args:
        text: any characters.
        width: columns that it may take.
    """
    if columns(text) <= width:
        return text
    room = width - 3
    if room < 2:
        return _start(text, width)
    tail = _start(text[::-1], room // 2)[::-1]
    return f"{_start(text, room - columns(tail))}...{tail}"


def _start(text: str, width: int) -> str:
    """As many characters as fit."""
    taken = 0
    for place, character in enumerate(text):
        taken += columns(character)
        if taken > width:
            return text[:place]
    return text


def duration_text(seconds: float) -> str:
    """Seconds in words: "8 s", "2 min 5 s", "1 h 3 min"."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return _("{seconds} s").format(seconds=whole)
    if whole < 3600:
        return _("{minutes} min {seconds} s").format(minutes=whole // 60, seconds=whole % 60)
    return _("{hours} h {minutes} min").format(hours=whole // 3600, minutes=whole % 3600 // 60)


class ProgressBar:
    """One line on a terminal that is wiped at the end; nothing at all when the stream is none."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_shown = stream.isatty()
        self._last_s = 0.0

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def show(self, text: str, label: str = "") -> None:
        """Show a line, at most ten times a second; `label` before `text` is what may be shortened."""
        now = time.monotonic()
        if self._is_shown and now - self._last_s >= _INTERVAL_S:
            self._last_s = now
            # The last column stays free: many terminals go on to the next line there.
            self._stream.write(f"\r\033[K{fitted(text, printable(label), self._columns() - 1)}")
            self._stream.flush()

    def _columns(self) -> int:
        """Of the terminal; asked each time, because windows change their size."""
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or _USUAL_COLUMNS
        except (OSError, ValueError):
            return _USUAL_COLUMNS

    def bytes(self, done: int, total: int) -> None:
        """Show how much of a download is there; `total` is 0 when it is not known."""
        amount = _("{done} of {total}").format(done=size_text(done), total=size_text(total))
        self.show(f"{bar(done, total)}  {amount}" if total else size_text(done))

    def clear(self) -> None:
        """Wipe the line, so that others may write."""
        if self._is_shown and self._last_s:
            self._stream.write("\r\033[K")
            self._stream.flush()
            self._last_s = 0.0


class ProgressLines(ProgressBar):
    """A line of text each second, for a program that shows them in its own way."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._is_shown = True

    def show(self, text: str, label: str = "") -> None:
        """Print a line, at most once a second; `label` goes before `text`."""
        now = time.monotonic()
        if now - self._last_s >= _LINE_INTERVAL_S:
            self._last_s = now
            self._stream.write(f"{label}  {text}\n" if label else f"{text}\n")
            self._stream.flush()

    def clear(self) -> None:
        """Lines stay."""
