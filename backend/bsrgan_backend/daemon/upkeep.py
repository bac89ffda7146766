"""What time does: clients that fall silent, jobs without a client, results that nobody fetches."""

from __future__ import annotations

from collections.abc import Callable

from bsrgan_backend.daemon.dispatch import Dispatcher
from bsrgan_backend.daemon.jobs import LIVE, Job
from bsrgan_backend.daemon.ledger import Ledger
from bsrgan_backend.daemon.requests import Desk
from bsrgan_backend.settings import Settings
from bsrgan_wire import limits

UPLOAD_SILENCE_S = 120.0
"""An upload that does not move for so long gives its place in the queue and its disk space back."""

_LEFT_ALONE = (
    "The job was stopped because the program that had asked for it did not say anything for too long; try again."
)


class Upkeep:
    """Run it about once a second; it only compares readings of one monotonic clock."""

    def __init__(
        self, ledger: Ledger, dispatcher: Dispatcher, desk: Desk, settings: Settings, clock: Callable[[], float]
    ) -> None:
        self._ledger = ledger
        self._dispatcher = dispatcher
        self._desk = desk
        self._settings = settings
        self._clock = clock

    def run(self) -> None:
        """Apply every limit of time once."""
        sessions, now = self._ledger.sessions, self._clock()
        sessions.find_silent()
        for job in self._ledger.jobs:
            self._note_owner(job, now)
            if job.state in LIVE:
                self._check_live(job, now)
            elif job.state == "ready" and now - job.touched > self._settings.result_ttl_s:
                self._ledger.change(job, "released", "RESULT_EXPIRED")
        sessions.forget_orphans(limits.ORPHAN_GRACE_S)

    def _note_owner(self, job: Job, now: float) -> None:
        session = self._ledger.session_of(job)
        if session is not None and session.orphan_since is None:
            job.orphan_since = None
        elif job.orphan_since is None:
            job.orphan_since = now if session is None or session.orphan_since is None else session.orphan_since

    def _check_live(self, job: Job, now: float) -> None:
        is_orphan = job.orphan_since is not None and now - job.orphan_since > self._settings.orphan_grace_s
        if is_orphan:
            self._dispatcher.cancel(job, "TIMEOUT", _LEFT_ALONE)
        elif job.state == "uploading" and now - job.touched > UPLOAD_SILENCE_S:
            self._ledger.change(job, "failed", "TIMEOUT", "The picture did not arrive completely; try again.")
