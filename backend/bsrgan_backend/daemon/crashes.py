"""How often workers were lost, and which inputs were at work then."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable

from bsrgan_backend.daemon.jobs import Job
from bsrgan_backend.errors import BackendError

RESTARTS = 3
RESTART_WINDOW_S = 300.0
DEATHS_ALLOWED = 2
_INPUTS_REMEMBERED = 256


class Crashes:
    """Decides when no more workers are started, and which inputs are not tried again.

    Attributes:
        count: workers lost since the start.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.count = 0
        self._clock = clock
        self._times: deque[float] = deque()
        self._deaths: OrderedDict[tuple[int, ...], int] = OrderedDict()

    def note(self) -> None:
        """A worker was lost."""
        self.count += 1
        self._times.append(self._clock())

    def blame(self, job: Job) -> bool:
        """A worker was lost while it worked on this job; True when its input is not tried again."""
        self._deaths[job.fingerprint] = self._deaths.pop(job.fingerprint, 0) + 1
        if len(self._deaths) > _INPUTS_REMEMBERED:
            self._deaths.popitem(last=False)
        return self.is_poisoned(job)

    def is_poisoned(self, job: Job) -> bool:
        """Whether this input has already ended two workers."""
        return self._deaths.get(job.fingerprint, 0) >= DEATHS_ALLOWED

    def refuse_if_broken(self) -> None:
        """Check that a worker may be started.

        Raises:
            BackendError: WORKER_CRASHED, when it died too often within five minutes.
        """
        now = self._clock()
        while self._times and now - self._times[0] > RESTART_WINDOW_S:
            self._times.popleft()
        if len(self._times) > RESTARTS:
            wait_s = math.ceil(RESTART_WINDOW_S - (now - self._times[0]))
            raise BackendError(
                "WORKER_CRASHED",
                f"The worker stopped {len(self._times)} times within five minutes and rests for {wait_s} seconds; "
                "see the log that 'gimp-bsrgan status' names.",
            )
