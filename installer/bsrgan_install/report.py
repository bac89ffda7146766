"""What the installer prints: one line for each step, and one sentence when a step fails."""

from __future__ import annotations

import os
import sys


class InstallError(Exception):
    """A step failed; `str()` is one sentence: what happened and what to do."""


def open_closed_streams() -> None:
    """Give output and errors a place when the caller has closed them (`>&-`): Python then has none at all."""
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")


class Report:
    """Prints the steps as they end; marks become plain words where the terminal cannot show them."""

    def __init__(self) -> None:
        encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower()
        fancy = encoding.replace("-", "").startswith("utf")
        self._done, self._note, self._fail = ("✓", "•", "✗") if fancy else ("ok", "--", "failed:")
        self.notes: list[str] = []

    def start(self, text: str) -> None:
        """Say what takes a while now; shown only on a terminal, where the end of the step replaces it."""
        if sys.stdout.isatty():
            print(_shown(f"… {text}"), end="\r", flush=True)

    def done(self, text: str) -> None:
        """A step succeeded."""
        self._line(f"{self._done} {text}")

    def note(self, text: str) -> None:
        """Something that the user should know; it is no failure."""
        self.notes.append(text)
        self._line(f"{self._note} {text}")

    def failed(self, text: str) -> None:
        """The installer ends here; one sentence on stderr."""
        if sys.stdout.isatty():
            print(self._fail, end=" ", flush=True)
        sys.stdout.flush()
        print(text, file=sys.stderr, flush=True)

    def say(self, text: str = "") -> None:
        """A plain line."""
        self._line(text)

    def _line(self, text: str) -> None:
        clear = "\r\033[K" if sys.stdout.isatty() else ""
        print(_shown(f"{clear}{text}"), flush=True)


def _shown(text: str) -> str:
    """The text with a question mark for each character that the terminal cannot show."""
    encoding = sys.stdout.encoding or "ascii"
    return text.encode(encoding, "replace").decode(encoding)
