"""Those who share the work on one picture, and threads as the simplest of them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine import staging
from bsrgan_backend.engine.winograd.layout import Layout

Array = npt.NDArray[np.float32]

LOOK_S = 0.05
"""Time between two looks at progress and at the employer's `check`: a stop or a preview waits no longer."""


class Abandoned(Exception):
    """Another member has failed, or the run was stopped."""


class Member(Protocol):
    """What a member of a crew has of the others.

    Attributes:
        threads: members that there are.
    """

    threads: int

    def step(self) -> None:
        """To be called every few milliseconds: waits while all are held back, and raises `Abandoned` after a stop."""

    def mark(self, key: int, value: int) -> None:
        """Say how far something is; what was written before is there for those who see it."""

    def await_mark(self, key: int, value: int) -> None:
        """Wait until something is as far as that; -1 is what everything is at the start."""


class Task(Protocol):
    """Work that can be shared."""

    @property
    def layout(self) -> Layout:
        """Of the picture."""

    @property
    def marks(self) -> int:
        """How many things are marked: the keys are smaller."""

    def work(self, number: int, crew: Member) -> None:
        """Do the part of the member with this number."""

    def order(self) -> tuple[dict[str, Any], Sequence[Array]]:
        """What makes the same work in another process: words for it, and arrays."""


class Crew(Protocol):
    """Those who share the work, as their employer sees them.

    Attributes:
        threads: members that there are.
    """

    threads: int

    def allocate(self, shape: tuple[int, ...], folder: Path | None) -> Array:
        """Room that all members see, in memory or in a file; as `staging.allocate`."""

    def run(self, task: Task) -> None:
        """Have some work done, and return when it is.

        Raises:
            MemoryError: a member got none, or could not be had.
            BaseException: what the employer's check, or the first member to fail, has raised; none works by then.
        """

    def mark(self, key: int, value: int) -> None:
        """As a member's."""

    def marked(self, key: int) -> int:
        """How far something is."""

    def paused(self) -> contextlib.AbstractContextManager[None]:
        """Hold the members back at their next step."""


class Threads:
    """A crew of threads. All their short steps wait for one another: Python runs one of them at a time.

    Args:
        threads: that work.
        check: called with the crew in the caller's thread all the while, and once at the start; what it raises ends
            the run. It may do other work meanwhile, during which the threads can be held back with `paused`.
    """

    def __init__(self, threads: int, check: Callable[[Crew], None]) -> None:
        self.threads = threads
        self._check = check
        self._changed = threading.Condition()
        self._marks: dict[int, int] = {}
        self._running = 0
        self._failure: BaseException | None = None
        self._is_over = False
        self._may_run = threading.Event()
        self._may_run.set()

    def allocate(self, shape: tuple[int, ...], folder: Path | None) -> Array:
        """Room in this process."""
        return staging.allocate(shape, folder)

    def run(self, task: Task) -> None:
        """Have some work done by as many threads."""
        self._running = self.threads
        names = [f"rows-{number}" for number in range(self.threads)]
        threads = [
            threading.Thread(target=self._work, args=(task, number), name=name, daemon=True)
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
        """As a member's."""
        self._may_run.wait()
        if self._is_over:
            raise Abandoned

    def mark(self, key: int, value: int) -> None:
        """As a member's."""
        with self._changed:
            self._marks[key] = value
            self._changed.notify_all()

    def marked(self, key: int) -> int:
        """How far something is."""
        return self._marks.get(key, -1)

    def await_mark(self, key: int, value: int) -> None:
        """As a member's."""
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

    def _work(self, task: Task, number: int) -> None:
        try:
            # Values that overflow are found in the result; NumPy's warnings of them would say nothing to anybody.
            with np.errstate(all="ignore"):
                task.work(number, self)
        except Abandoned:
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
            self._changed.wait_for(lambda: self._running == 0, LOOK_S)
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
