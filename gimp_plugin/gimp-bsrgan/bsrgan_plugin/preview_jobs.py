"""The preview's jobs: a thread that lets the daemon degrade the whole picture for the latest wish only. Without gi."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bsrgan_plugin import connection, outcomes
from bsrgan_plugin.degrade_options import TASK
from bsrgan_plugin.outputs import Size
from bsrgan_plugin.pixel_file import PixelFile
from bsrgan_wire.client import Client, JobCancelled, JobRequest
from bsrgan_wire.messages import Message, State

DEBOUNCE_S = 0.15
"""A wish is granted when no other has come for so long: a slider that moves makes many."""


@dataclass(frozen=True)
class Wish:
    """What the preview should show.

    Attributes:
        parameters: of the daemon's task.
        result: the size of the result; None when the degradation decides.
    """

    parameters: Mapping[str, str]
    result: Size | None


@dataclass(frozen=True)
class Answer:
    """What became of a wish.

    Attributes:
        pixels: the whole result; None when it failed. The receiver closes it.
        recipe: JSON text of how it was made.
        notes: the daemon's sentences.
        problem: one sentence, when it failed.
    """

    pixels: PixelFile | None = None
    recipe: str = ""
    notes: tuple[str, ...] = ()
    problem: str = ""


class PreviewJobs:
    """Grants the latest wish, again and again, in a thread of its own; an older wish at work is cancelled."""

    def __init__(
        self, endpoint: str, source: PixelFile, channels: int, dtype: str, tell: Callable[[int, Answer], None]
    ) -> None:
        """Prepare the thread; `start` begins it.

        Args:
            endpoint: as in the procedure.
            source: the picture's rows; all of them are there when the first wish comes.
            channels: of the picture, 1 to 4.
            dtype: `u8` or `f32`.
            tell: called in the thread with the number that `wish` gave and its answer.
        """
        self._endpoint = endpoint
        self._source = source
        self._channels = channels
        self._dtype = dtype
        self._tell = tell
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
                if self._changed.wait(None if self._latest is None else DEBOUNCE_S):
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
        request = degrade_request(self._source.size, self._channels, self._dtype, wish.result, wish.parameters)
        result: list[PixelFile] = []

        def on_event(message: Message) -> None:
            if isinstance(message, State) and message.state == "ready" and not result:
                result.append(PixelFile(Size(message.width, message.height), request.pixel_bytes))

        try:
            state = client.run(
                request,
                source=self._source.rows,
                sink=lambda first, _rows, data: result[0].write(first, data),
                on_event=on_event,
                is_cancelled=lambda: self._is_outdated(number),
            )
        except BaseException:
            for pixels in result:
                pixels.close()
            raise
        return Answer(result[0], state.recipe, state.notes)

    def _say(self, number: int, answer: Answer) -> None:
        if not self._is_outdated(number):
            self._tell(number, answer)
        elif answer.pixels is not None:
            answer.pixels.close()

    def _is_outdated(self, number: int) -> bool:
        with self._changed:
            return self._is_stopped or number != self._number


def degrade_request(
    size: Size, channels: int, dtype: str, result: Size | None, parameters: Mapping[str, str]
) -> JobRequest:
    """The daemon's job for a degradation.

    Args:
        size: of the picture.
        channels: of the picture, 1 to 4.
        dtype: `u8` or `f32`.
        result: the size that is asked for; None when the degradation decides.
        parameters: from `degrade_options.parameters`.
    """
    asked = result or Size(0, 0)
    return JobRequest(
        width=size.width,
        height=size.height,
        channels=channels,
        dtype=dtype,
        out_width=asked.width,
        out_height=asked.height,
        task=TASK,
        params=dict(parameters),
    )
