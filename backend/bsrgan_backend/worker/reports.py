"""What the worker tells the supervisor: one locked way out, progress at a bearable rate, signs of life."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from bsrgan_backend.link import Link, LinkClosed
from bsrgan_backend.worker import process
from bsrgan_wire import limits

Clock = Callable[[], float]
_HEARTBEAT_S = 1.0

PARTS = 100
"""Progress is told in so many parts of the whole."""


class Outbox:
    """Sends messages from any thread, one at a time.

    Attributes:
        closed: called once the other process is gone; in the worker it ends the process.
    """

    def __init__(self, link: Link, closed: Callable[[], None]) -> None:
        self._link = link
        self._lock = threading.Lock()  # protects the link's sending side
        self.closed = closed

    def send(self, *messages: dict[str, Any]) -> None:
        """Send messages at once; a closed line is not an error here but the end of this process."""
        try:
            with self._lock:
                self._link.send_all(messages)
        except LinkClosed:
            self.closed()


class Heartbeat:
    """Sends `memory` every second while there is a job, from a thread of its own."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._jobs = 0
        self._change = threading.Condition()  # protects _jobs
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def begin(self) -> None:
        """One more job waits or runs."""
        with self._change:
            self._jobs += 1
            self._change.notify()

    def end(self) -> None:
        """One job fewer."""
        with self._change:
            self._jobs -= 1

    def _beat(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._jobs > 0)
            self._outbox.send({"t": "memory", "rss": process.resident_bytes()})
            time.sleep(_HEARTBEAT_S)


def finishing(job: str) -> dict[str, Any]:
    """The message that a job's last phase begins, for a job whose answer is ready to go with it."""
    told: list[dict[str, Any]] = []
    Progress(job, told.append).phase("finishing")
    return told[0]


class Progress:
    """The progress of one job: at most ten messages a second, never backwards, with the time left.

    A phase's first and last message always go out; between them the latest counts. The engine's units of equal time
    become hundredths: their numbers mean nothing to a person.

    Attributes:
        rate: units per second in the engine's last phase; 0 before anything was done.
    """

    def __init__(self, job: str, send: Callable[[dict[str, Any]], None], clock: Clock = time.monotonic) -> None:
        self.rate = 0.0
        self._job = job
        self._send = send
        self._clock = clock
        self._phase = ""
        self._measured_from = (0.0, 0)
        self._sent_at = 0.0
        self._sent = -1

    def phase(self, name: str, rate: float = 0.0) -> None:
        """Begin a phase and say so.

        Args:
            name: "loading", "running" or "finishing".
            rate: units per second to expect until they are measured, 0 for unknown.
        """
        self._phase = name
        self._measured_from = (self._clock(), 0)
        self._sent = -1
        self.rate = rate
        if name != "running":
            self.advance(0, 1)

    def skip(self, seconds: float) -> None:
        """Leave out time in which the job was not at work, so that the time left is not overestimated."""
        since, behind = self._measured_from
        self._measured_from = (since + seconds, behind)

    def advance(self, done: int, total: int, tile: int = 0, tiles: int = 0) -> None:
        """Say how much of the phase is done.

        Args:
            done: units of equal time that are behind.
            total: units in all, at least 1.
            tile: pieces of the picture that are behind.
            tiles: pieces in all, 0 when the phase has none.
        """
        now = self._clock()
        self._measure(now, done)
        share = min(PARTS, PARTS * done // total)
        is_news = share > self._sent
        is_due = self._sent < 0 or share == PARTS or now - self._sent_at >= limits.PROGRESS_INTERVAL_S
        if is_news and is_due:
            self._sent_at, self._sent = now, share
            eta = round((total - done) / self.rate, 1) if self.rate > 0 else -1.0
            self._send(
                {
                    "t": "progress",
                    "job": self._job,
                    "phase": self._phase,
                    "done": share,
                    "total": PARTS,
                    "unit": "percent",
                    "tile": tile,
                    "tiles": tiles,
                    "eta": eta,
                }
            )

    def _measure(self, now: float, done: int) -> None:
        since, behind = self._measured_from
        if done > behind and now > since:
            self.rate = (done - behind) / (now - since)
            if behind == 0:
                # The first step holds what is done only once; later rates leave it out.
                self._measured_from = (now, done)
