"""What waits for the thread that owns the engine: orders in turn, and previews that may go out of turn."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bsrgan_wire.tasks import TASKS, Task


@dataclass
class Run:
    """A `run` message between the thread that reads and the one that works.

    Fields below are guarded by the service's lock, but for `paused_s`, which is the working thread's.

    Attributes:
        message: the order.
        files: descriptors of input and output.
        cancelled: set once it is to stop.
        in_engine: the task is at work, and asks itself whether it is to stop.
        is_paused: another one has been let pass and is at work meanwhile.
        answered: its only answer has been sent.
        paused_s: how long others were let pass.
    """

    message: dict[str, Any]
    files: list[int]
    cancelled: threading.Event = field(default_factory=threading.Event)
    in_engine: bool = False
    is_paused: bool = False
    answered: bool = False
    paused_s: float = 0.0

    @property
    def job(self) -> str:
        """The job's id."""
        return str(self.message.get("job", ""))

    @property
    def task(self) -> str:
        """The task's name, known or not."""
        return str(self.message.get("task", ""))

    @property
    def is_urgent(self) -> bool:
        """Whether it may pass another one that is at work."""
        return TASKS.get(self.task, Task()).is_urgent


WARM_UP = Run({}, [])
"""Stands in the inbox for the wish to import the runtime now."""


class Inbox:
    """A queue for one reader; None at its end means that nothing comes any more."""

    def __init__(self) -> None:
        self._waiting: deque[Run | None] = deque()
        self._changed = threading.Condition()  # protects _waiting

    def put(self, run: Run | None) -> None:
        """Add at the end."""
        with self._changed:
            self._waiting.append(run)
            self._changed.notify()

    def get(self) -> Run | None:
        """Take the first, as soon as there is one."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            return self._waiting.popleft()

    def take(self, is_wanted: Callable[[Run], bool]) -> Run | None:
        """Take the first that is wanted, or None at once."""
        if not self._waiting:
            return None
        with self._changed:
            found = next((run for run in self._waiting if run is not None and is_wanted(run)), None)
            if found is not None:
                self._waiting.remove(found)
            return found
