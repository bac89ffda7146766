"""How a run shows itself in GIMP: a window of its own with Cancel, or the status bar when nobody asked for windows."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from gi.repository import Gimp

from bsrgan_plugin.progress_text import ProgressText


class Progress(Protocol):
    """What a run needs of either kind."""

    state: ProgressText

    def __enter__(self) -> Progress:
        """Show it."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take it away."""

    def show(self) -> None:
        """Show what `state` says now."""

    def idle(self) -> None:
        """Let the user's clicks through; called several times a second."""

    def is_cancelled(self) -> bool:
        """Whether the user wants to stop."""

    def forbid_cancel(self) -> None:
        """From now on the picture changes."""


class StatusBar:
    """GIMP's own progress bar. Its Cancel kills this process, which the daemon notices."""

    def __init__(self) -> None:
        self.state = ProgressText()
        self._shown: tuple[float, str] | None = None

    def __enter__(self) -> StatusBar:
        Gimp.progress_init(self.state.text)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        Gimp.progress_end()

    def show(self) -> None:
        """Show what `state` says now."""
        current = (round(self.state.fraction, 3), self.state.text)
        if current != self._shown:
            Gimp.progress_set_text(self.state.text)
            Gimp.progress_update(self.state.fraction)
            self._shown = current

    def idle(self) -> None:
        """Nothing to let through."""

    def is_cancelled(self) -> bool:
        """Never: GIMP's Cancel leaves nobody to ask."""
        return False

    def forbid_cancel(self) -> None:
        """Nothing to forbid."""


def open_progress(run_mode: Gimp.RunMode, title: str) -> Progress:
    """The right kind for a run: a window titled `title` when a person started it and there is a screen."""
    if run_mode == Gimp.RunMode.NONINTERACTIVE:
        return StatusBar()
    from bsrgan_plugin import progress_window

    if not progress_window.has_screen():
        return StatusBar()
    return progress_window.ProgressWindow(title)
