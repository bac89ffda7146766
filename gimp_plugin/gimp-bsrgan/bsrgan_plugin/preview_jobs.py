"""The preview's jobs: a thread that lets the daemon work for the latest wish only. Without gi."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from bsrgan_plugin import connection, outcomes
from bsrgan_plugin.outputs import Size
from bsrgan_plugin.pixel_file import PixelFile
from bsrgan_plugin.progress_text import previewing
from bsrgan_wire.client import Client, JobCancelled, JobRequest
from bsrgan_wire.messages import Message, Progress, State

DEBOUNCE_S = 0.15
"""A wish is granted when no other has come for so long: a slider that moves makes many."""


@dataclass(frozen=True)
class Wish:
    """What the preview should show.

    Attributes:
        request: the daemon's job.
        rows: `rows(first_row, count)` gives rows of its input; called in another thread.
    """

    request: JobRequest
    rows: Callable[[int, int], bytes]


@dataclass(frozen=True)
class Answer:
    """What became of a wish.

    Attributes:
        pixels: the whole result; None when it failed. The receiver closes it.
        recipe: JSON text of how it was made.
        notes: the daemon's sentences.
        problem: one sentence, when it failed.
        engine_s: the network's part of the time, 0 without one.
    """

    pixels: PixelFile | None = None
    recipe: str = ""
    notes: tuple[str, ...] = ()
    problem: str = ""
    engine_s: float = 0.0


class PreviewJobs:
    """Grants the latest wish, again and again, in a thread of its own; an older wish at work is cancelled."""

    def __init__(
        self,
        endpoint: str,
        tell: Callable[[int, Answer], None],
        tell_progress: Callable[[int, str], None] | None = None,
        debounce_s: float = DEBOUNCE_S,
    ) -> None:
        """Prepare the thread; `start` begins it.

        Args:
            endpoint: as in the procedure.
            tell: called in the thread with the number that `wish` gave and its answer.
            tell_progress: called in the thread with the number and a line of text.
            debounce_s: how long a wish waits for another one.
        """
        self._endpoint = endpoint
        self._tell = tell
        self._tell_progress = tell_progress
        self._debounce_s = debounce_s
        self._changed = threading.Condition()
        self._latest: tuple[int, Wish] | None = None
        self._number = 0
        self._is_stopped = False
        self._thread = threading.Thread(target=self._work, name="preview", daemon=True)

    def start(self) -> None:
        """Begin to grant wishes."""
        self._thread.start()

    def wish(self, wish: Wish) -> int:
        """Ask for something else than before; returns the number of the wish, which its answer bears."""
        with self._changed:
            self._number += 1
            self._latest = (self._number, wish)
            self._changed.notify()
            return self._number

    def withdraw(self) -> None:
        """Ask for nothing; what is at work is cancelled."""
        with self._changed:
            self._number += 1
            self._latest = None
            self._changed.notify()

    def stop(self) -> None:
        """End the thread; `tell` is not called afterwards, unless the thread hangs in the network."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify()
        self._thread.join(connection.CONNECT_TIMEOUT_S)

    # --- the thread ------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            number, wish = taken
            try:
                answer = self._grant(number, wish)
            except (JobCancelled, outcomes.Cancelled):
                continue
            except Exception as error:  # noqa: BLE001 - the thread's boundary: any failure becomes a sentence
                answer = Answer(problem=outcomes.of_error(error).text)
            self._say(number, answer)

    def _take(self) -> tuple[int, Wish] | None:
        """Wait for a wish that stays the latest for a moment; None at the end."""
        with self._changed:
            while not self._is_stopped:
                if self._changed.wait(None if self._latest is None else self._debounce_s):
                    continue
                taken, self._latest = self._latest, None
                return taken
            return None

    def _grant(self, number: int, wish: Wish) -> Answer:
        def check() -> None:
            if self._is_outdated(number):
                raise outcomes.Cancelled

        with connection.open_client(self._endpoint, idle=check) as client:
            return self._run(client, number, wish)

    def _run(self, client: Client, number: int, wish: Wish) -> Answer:
        request = wish.request
        result: list[PixelFile] = []

        def on_event(message: Message) -> None:
            if isinstance(message, State) and message.state == "ready" and not result:
                result.append(PixelFile(Size(message.width, message.height), request.pixel_bytes))
            elif isinstance(message, Progress) and self._tell_progress is not None:
                self._tell_progress(number, previewing(message.phase, message.eta_s))

        try:
            state = client.run(
                request,
                source=wish.rows,
                sink=lambda first, _rows, data: result[0].write(first, data),
                on_event=on_event,
                is_cancelled=lambda: self._is_outdated(number),
            )
        except BaseException:
            for pixels in result:
                pixels.close()
            raise
        return Answer(result[0], state.recipe, state.notes, engine_s=state.engine_s)

    def _say(self, number: int, answer: Answer) -> None:
        if not self._is_outdated(number):
            self._tell(number, answer)
        elif answer.pixels is not None:
            answer.pixels.close()

    def _is_outdated(self, number: int) -> bool:
        with self._changed:
            return self._is_stopped or number != self._number
