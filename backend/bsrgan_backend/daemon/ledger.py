"""Every change of a job's state goes through here: it is logged, counted, and told to the job's session once."""

from __future__ import annotations

from collections.abc import Callable

from bsrgan_backend.daemon.jobs import Job, JobTable
from bsrgan_backend.daemon.logs import log
from bsrgan_backend.daemon.sessions import Session, Sessions
from bsrgan_wire import limits
from bsrgan_wire.errors import CODES
from bsrgan_wire.messages import Progress

_TEXT_CHARACTERS = 1024


class Ledger:
    """Jobs and sessions together.

    Attributes:
        done, failed: jobs that have got ready or failed since the start.
    """

    def __init__(self, jobs: JobTable, sessions: Sessions, clock: Callable[[], float]) -> None:
        self.jobs = jobs
        self.sessions = sessions
        self._clock = clock
        self.done = 0
        self.failed = 0

    def change(self, job: Job, state: str, code: str = "", text: str = "", *, ref: int = 0) -> None:
        """Move a job to `state` and tell its session.

        Args:
            job: the job.
            state: the next state.
            code: why it failed or was cancelled; a key of `CODES`.
            text: the user's sentence, the code's own when empty.
            ref: number of the client's message that this answers.
        """
        if code and not text:
            text = CODES[code].text
        job.move(state, code, text[:_TEXT_CHARACTERS])
        job.touched = self._clock()
        self.done += state == "ready"
        self.failed += state == "failed"
        self.jobs.settle(job)
        self.tell(job, ref)
        # What a client does not wait for comes after what it is told.
        job.tidy()
        log.info("job %s %s%s", job.id[:8], state, f" {code}" if code else "")

    def tell(self, job: Job, ref: int = 0) -> None:
        """Send a job's STATE to its session, if that exists."""
        session = self.session_of(job)
        if session is not None:
            self.sessions.post(session, job.report(), ref)

    def session_of(self, job: Job) -> Session | None:
        """The session that a job belongs to."""
        return self.sessions.by_id(job.owner)

    def send_progress(self) -> None:
        """Send the latest progress of each job that has some, at most ten times a second; it may get lost."""
        now = self._clock()
        for job in self.jobs:
            if job.progress_is_new and job.progress is not None and now >= job.progress_due:
                session = self.session_of(job)
                if session is not None and self.sessions.offer(session, job.progress):
                    job.progress_is_new = False
                job.progress_due = now + limits.PROGRESS_INTERVAL_S

    def update_positions(self) -> None:
        """Give each queued job its place: `done` counts the jobs ahead of it, `total` those that run or wait."""
        queue = self.jobs.queue()
        ahead = len(self.jobs.running())
        for position, job in enumerate(queue, start=ahead):
            job.note_progress(Progress(job.id, "queued", position, ahead + len(queue), "jobs"))
