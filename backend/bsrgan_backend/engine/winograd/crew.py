"""Threads that share the work on one picture, and the one that watches over them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import numpy as np

_LOOK_S = 0.05
"""Time between two looks at progress and at `check`: a stop or a preview waits no longer."""


class _Abandoned(Exception):
    """Another thread has failed, or the run was stopped."""


class Crew:
    """Runs a piece of work in several threads while the caller's thread asks whether to go on.

    Args:
        threads: that work.
        check: called with the crew in the caller's thread all the while, and once at the start; what it raises ends
            the run. It may do other work meanwhile, during which the threads can be held back with `paused`.
    """

    def __init__(self, threads: int, check: Callable[[Crew], None]) -> None:
        self.threads = threads
        self._check = check
        self._changed = threading.Condition()
        self._marks: dict[object, int] = {}
        self._running = 0
        self._failure: BaseException | None = None
        self._is_over = False
        self._may_run = threading.Event()
        self._may_run.set()

    def run(self, work: Callable[[int], None]) -> None:
        """Call `work` with 0, 1, ... in as many threads, and return when all have.

        Raises:
            MemoryError: the system gives no more threads.
            BaseException: what `check`, or the first thread to fail, has raised; all threads have ended by then.
        """
        self._running = self.threads
        names = [f"rows-{number}" for number in range(self.threads)]
        threads = [
            threading.Thread(target=self._work, args=(work, number), name=name, daemon=True)
            for number, name in enumerate(names)
        ]
        try:
            _start(threads)
            self._check(self)
            while self._wait():
                self._check(self)
        finally:
            self._end()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
        if self._failure is not None:
            try:
                raise self._failure
            finally:
                # Its traceback holds this crew and the threads' arrays, which whoever tries again needs the room of.
                self._failure = None

    def step(self) -> None:
        """To be called by the threads every few milliseconds: waits while they are held back, ends after a stop."""
        self._may_run.wait()
        if self._is_over:
            raise _Abandoned

    def mark(self, key: object, value: int) -> None:
        """Say how far something is."""
        with self._changed:
            self._marks[key] = value
            self._changed.notify_all()

    def marked(self, key: object) -> int:
        """How far something is; -1 before its first mark."""
        return self._marks.get(key, -1)

    def await_mark(self, key: object, value: int) -> None:
        """Wait until something is as far as that."""
        self.step()
        if self.marked(key) >= value:
            return
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or self.marked(key) >= value)
        self.step()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Hold the threads back at their next step."""
        self._may_run.clear()
        try:
            yield
        finally:
            self._may_run.set()

    def _work(self, work: Callable[[int], None], number: int) -> None:
        try:
            # Values that overflow are found in the result; NumPy's warnings of them would say nothing to anybody.
            with np.errstate(all="ignore"):
                work(number)
        except _Abandoned:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._failure = self._failure or error
            self._end()
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _wait(self) -> bool:
        """Whether threads still work after a while."""
        with self._changed:
            self._changed.wait_for(lambda: self._running == 0, _LOOK_S)
            return self._running > 0

    def _end(self) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        self._may_run.set()


def _start(threads: list[threading.Thread]) -> None:
    try:
        for thread in threads:
            thread.start()
    except RuntimeError as error:
        # What Python says when the system refuses one, for want of memory mostly.
        raise MemoryError(str(error)) from error
