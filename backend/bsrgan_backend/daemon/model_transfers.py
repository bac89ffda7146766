"""The transfer of a model under way: a process of its own, one at a time, followed over its line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bsrgan_backend.daemon import answers
from bsrgan_backend.daemon.logs import log
from bsrgan_backend.daemon.workers import WorkerStarter
from bsrgan_backend.errors import BackendError
from bsrgan_backend.link import Link, LinkClosed
from bsrgan_wire import limits

END_S = 3.0
"""A process that was told to end is killed after this time."""

COMMAND = (sys.executable, "-m", "bsrgan_backend.worker.model_transfer")


@dataclass(frozen=True)
class Transfer:
    """What is known of the latest transfer; the fields are those of MODELS_REPORT."""

    number: int = 0
    phase: str = "none"
    what: str = ""
    done: int = 0
    total: int = 0
    made: str = ""
    code: str = ""
    text: str = ""


class ModelTransfers:
    """Starts, follows and ends transfers; none of its calls waits.

    Attributes:
        latest: the transfer under way, or the one before.
    """

    def __init__(self, root: Path, starter: WorkerStarter, clock: Callable[[], float]) -> None:
        self.latest = Transfer()
        self._root = root
        self._starter = starter
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._link: Link | None = None
        self._end: Transfer | None = None
        self._kill_at = 0.0

    def start(self, action: str, name: str, what: str) -> None:
        """Begin a transfer.

        Args:
            action: "get" or "add".
            name: the model's id or the file's path.
            what: how people are told of it.

        Raises:
            BackendError: another one is under way, or no process can be started.
        """
        if self._process is not None:
            raise BackendError(
                "BAD_PARAM", f"{self.latest.what} is still being installed; wait for its end or cancel it."
            )
        words = [*COMMAND, "--root", str(self._root), action]
        try:
            # What begins with a dash is no option: the name comes behind "--".
            self._process, self._link = self._starter.spawn(words, ["--", name])
        except OSError as error:
            log.error("a model transfer cannot be started: %s", error)
            raise BackendError("INTERNAL", "The process that installs models could not be started.") from error
        self._end = None
        self.latest = Transfer(self.latest.number + 1, "running", what[: limits.MODEL_TEXT_BYTES])
        log.info("model transfer %d: %s", self.latest.number, action)

    def stop(self) -> None:
        """Have the transfer end; what it has begun is undone first."""
        if self._link is not None:
            self._let_go("cancelled")

    def links(self) -> set[int]:
        """What to poll for its words."""
        return set() if self._link is None else {self._link.fileno()}

    def read(self, link: int) -> None:
        """Read what the process says, if `link` is its line."""
        if self._link is None or self._link.fileno() != link:
            return
        try:
            messages = self._link.receive()
        except LinkClosed:
            self._let_go(
                "failed", "WORKER_CRASHED", "The process that installs the model stopped unexpectedly; try again."
            )
            return
        for message, _files in messages:
            if self._end is None:
                self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        kind = message.get("t")
        if kind == "progress":
            done, total = message.get("done"), message.get("total")
            if type(done) is int and type(total) is int and 0 <= done <= 2**53 and 0 <= total <= 2**53:
                self.latest = replace(self.latest, done=done, total=total)
        elif kind == "done":
            self.latest = replace(self.latest, made=str(message.get("model", ""))[:64])
            self._let_go("done")
        elif kind == "failed":
            error = answers.failure(message)
            self._let_go("failed", error.code, error.text[:1024])

    def _let_go(self, phase: str, code: str = "", text: str = "") -> None:
        """Without its line the process ends by itself; the transfer is over when it has."""
        self._end = replace(self.latest, phase=phase, code=code, text=text)
        if self._link is not None:
            self._link.close()
            self._link = None
        self._kill_at = self._clock() + END_S

    def tick(self) -> None:
        """Reap a process that has ended, and kill one that does not."""
        if self._process is None or self._end is None:
            return
        if self._process.poll() is not None:
            self._settle(self._end)
        elif self._clock() >= self._kill_at:
            self._process.kill()

    def _settle(self, end: Transfer) -> None:
        self._process = None
        self.latest = end
        log.info("model transfer %d: %s %s", end.number, end.phase, end.code)

    def is_ending(self) -> bool:
        """Whether a process must be reaped soon."""
        return self._process is not None and self._end is not None

    def close(self) -> None:
        """End the transfer and its process, and wait for that; at most for `END_S`."""
        self.stop()
        if self._process is None or self._end is None:
            return
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._settle(self._end)
