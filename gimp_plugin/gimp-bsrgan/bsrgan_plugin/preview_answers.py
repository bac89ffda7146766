"""The jobs of a preview as the main loop sees them: answers arrive there, and for the latest wish only."""

from __future__ import annotations

from collections.abc import Callable

from gi.repository import GLib

from bsrgan_plugin.preview_jobs import DEBOUNCE_S, Answer, PreviewJobs, Wish


class PreviewAnswers:
    """`PreviewJobs` for callers in the main thread.

    GTK and GIMP may be touched in the main thread only, and an answer on its way there can be outdated by a new wish.
    """

    def __init__(
        self,
        endpoint: str,
        take: Callable[[Answer], None],
        show_progress: Callable[[str], None],
        debounce_s: float = DEBOUNCE_S,
    ) -> None:
        """Prepare the thread; `start` begins it.

        Args:
            endpoint: as in the procedure.
            take: given the answer to the latest wish; closes its pixels.
            show_progress: given a line of text about the latest wish.
            debounce_s: how long a wish waits for another one.
        """
        self._take = take
        self._show_progress = show_progress
        self._number = 0
        self._jobs = PreviewJobs(
            endpoint,
            lambda number, answer: GLib.idle_add(self._on_answer, number, answer),
            lambda number, text: GLib.idle_add(self._on_progress, number, text),
            debounce_s,
        )

    @property
    def is_working(self) -> bool:
        """Whether an answer is awaited."""
        return self._number != 0

    def start(self) -> None:
        """Begin to grant wishes."""
        self._jobs.start()

    def wish(self, wish: Wish) -> None:
        """Ask for something else than before."""
        self._number = self._jobs.wish(wish)

    def withdraw(self) -> None:
        """Ask for nothing; what is at work is cancelled."""
        if self._number:
            self._number = 0
            self._jobs.withdraw()

    def stop(self) -> None:
        """End the thread; neither function is called afterwards."""
        self._number = 0
        self._jobs.stop()

    def _on_progress(self, number: int, text: str) -> bool:
        if number == self._number:
            self._show_progress(text)
        return False  # GLib: not again

    def _on_answer(self, number: int, answer: Answer) -> bool:
        if number == self._number:
            self._number = 0
            self._take(answer)
        elif answer.pixels is not None:
            answer.pixels.close()
        return False  # GLib: not again
