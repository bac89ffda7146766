"""What welcomed clients ask: one method for each kind of message."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bsrgan_backend.daemon import intake
from bsrgan_backend.daemon.dispatch import Dispatcher
from bsrgan_backend.daemon.greeting import Greeter
from bsrgan_backend.daemon.identity import Identity
from bsrgan_backend.daemon.jobs import ENDED, WAITING, Job
from bsrgan_backend.daemon.ledger import Ledger
from bsrgan_backend.daemon.logs import log
from bsrgan_backend.daemon.sessions import Session
from bsrgan_backend.daemon.spool import Spool
from bsrgan_backend.errors import BackendError
from bsrgan_backend.settings import Settings
from bsrgan_wire import checksum, codec, limits
from bsrgan_wire.codec import Buffer, Envelope
from bsrgan_wire.errors import CODES, FrameError
from bsrgan_wire.messages import (
    Accepted,
    Attach,
    Bye,
    Cancel,
    Cancelled,
    Chunk,
    Commit,
    Credit,
    Error,
    Fetch,
    Hello,
    Ping,
    Pong,
    Put,
    Release,
    Released,
    Shutdown,
    Status,
    StatusReport,
    Submit,
)
from bsrgan_wire.tasks import TASKS

_COUNTED = frozenset({"protocol", "auth"})


class Refusal(Exception):
    """A request that is answered with an ERROR; `job` is the job it was about, if any."""

    def __init__(self, code: str, text: str = "", detail: str = "", job: str = "") -> None:
        self.code = code
        self.text = text or CODES[code].text
        self.detail = detail
        self.job = job
        super().__init__(code)


class Desk:
    """Answers clients.

    Attributes:
        is_stopping: a client has asked for SHUTDOWN, or the daemon is on its way down: no new jobs.
        wants_stop: a client has asked for SHUTDOWN.
    """

    def __init__(
        self,
        ledger: Ledger,
        dispatcher: Dispatcher,
        spool: Spool,
        settings: Settings,
        root: Path,
        identity: Identity,
        clock: Callable[[], float],
        report: Callable[[], dict[str, Any]],
        others: Mapping[type, Callable[[Session, Any, Envelope], None]],
    ) -> None:
        self._ledger = ledger
        self._sessions = ledger.sessions
        self._dispatcher = dispatcher
        self._spool = spool
        self._settings = settings
        self._root = root
        self._clock = clock
        self._report = report
        self._greeter = Greeter(ledger.sessions, identity)
        self.is_stopping = False
        self.wants_stop = False
        self._handlers: dict[type, Callable[[Session, Any, Envelope], None]] = {
            Submit: self._submit,
            Put: self._put,
            Commit: self._commit,
            Fetch: self._fetch,
            Release: self._release,
            Cancel: self._cancel,
            Attach: self._attach,
            Ping: self._ping,
            Status: self._status,
            Shutdown: self._shutdown,
            Bye: self._bye,
            **others,
        }

    def answer(self, routing_id: bytes, frames: list[Buffer], connection: int = -1) -> None:
        """Answer one message, whatever it is; this is the boundary behind which no client can cause an exception.

        Args:
            routing_id: the connection.
            frames: the message's frames without the routing id.
            connection: the descriptor that libzmq received it from.
        """
        if self._sessions.is_blocked(routing_id):
            return
        session = self._sessions.of(routing_id)
        if session is None:
            self._greeter.answer(routing_id, frames, connection)
            return
        if self._sessions.hear(session):
            log.info("session %s is back", session.id[:8])
        ref = 0
        try:
            envelope = codec.decode(frames, codec.CLIENT_KINDS)
            ref = envelope.seq
            self._handle(session, envelope)
        except FrameError as error:
            self._refuse(session, Refusal(error.code, error.text, error.detail), error.ref or ref)
        except Refusal as refusal:
            self._refuse(session, refusal, ref)
        except BackendError as error:
            self._refuse(session, Refusal(error.code, error.text, error.detail), ref)
        except Exception as error:  # noqa: BLE001 - the boundary: one client's message never ends the daemon
            log.exception("request failed")
            self._refuse(session, Refusal("INTERNAL", detail=type(error).__name__), ref)

    def _handle(self, session: Session, envelope: Envelope) -> None:
        message = envelope.message
        if isinstance(message, Hello):
            raise Refusal("SEQUENCE", detail="HELLO again")
        if envelope.session != session.id:
            raise Refusal("AUTH", "The message names another session than its connection's.")
        self._handlers[type(message)](session, message, envelope)

    def _refuse(self, session: Session, refusal: Refusal, ref: int) -> None:
        facts = CODES[refusal.code]
        self._sessions.post(
            session,
            Error(refusal.code, facts.klass, facts.retry, refusal.text[:1024], refusal.detail[:1024], refusal.job),
            ref,
        )
        if facts.klass not in _COUNTED:
            return
        if self._sessions.count_error(session.routing_id) >= limits.PROTOCOL_ERRORS:
            log.warning("session %s closed after %d protocol errors", session.id[:8], session.errors)
            for job in self._ledger.jobs.owned(session.id):
                self.discard(job)
            self._sessions.post(session, Bye("too many protocol errors"))
            self._sessions.close(session, block=True)

    # --- jobs --------------------------------------------------------------------------------------------------

    def _job(self, session: Session, job_id: str) -> Job:
        """The session's own job; another session's is as unknown as none at all."""
        job = self._ledger.jobs.find(job_id)
        if job is None or job.owner != session.id:
            raise Refusal("JOB_UNKNOWN", job=job_id)
        job.touched = self._clock()
        return job

    def _submit(self, session: Session, submit: Submit, envelope: Envelope) -> None:
        known = self._ledger.jobs.find(submit.job)
        if known is not None and not self._is_replaced(known, session):
            self._submit_again(session, known, submit, envelope.seq)
            return
        try:
            job = self._new_job(session, submit)
        except BackendError as error:
            raise Refusal(error.code, error.text, error.detail, submit.job) from None
        self._ledger.jobs.add(job)
        self._accept(session, job, envelope.seq)
        log.info(
            "job %s: %d x %d x %d %s to %d x %d, model %s",
            *(job.id[:8], submit.width, submit.height, submit.channels, submit.dtype),
            *(submit.out_width, submit.out_height, job.model),
        )
        # The worker starts while the pixels arrive.
        self._dispatcher.wake()

    def _is_replaced(self, known: Job, session: Session) -> bool:
        """A client that lost its connection before ACCEPTED starts its upload again under the same id."""
        if known.owner == session.id or known.state != "uploading":
            return False
        owner = self._sessions.by_id(known.owner)
        if owner is not None and owner.orphan_since is None:
            return False
        self._ledger.change(known, "cancelled", "CANCELLED")
        return True

    def _submit_again(self, session: Session, known: Job, submit: Submit, ref: int) -> None:
        if known.owner != session.id or known.submit != submit:
            raise Refusal("BAD_PARAM", "A job of this id exists already.", job=submit.job)
        if known.state in ENDED:
            raise Refusal("JOB_DONE", job=known.id)
        self._accept(session, known, ref)

    def _accept(self, session: Session, job: Job, ref: int) -> None:
        others = [*self._ledger.jobs.queue(), *self._ledger.jobs.running()]
        ahead = sum(other.is_urgent or not job.is_urgent for other in others)
        self._sessions.post(session, Accepted(job.id, limits.CHUNK_BYTES, limits.CREDIT, ahead), ref)

    def _new_job(self, session: Session, submit: Submit) -> Job:
        if self.is_stopping:
            raise BackendError("SHUTTING_DOWN", CODES["SHUTTING_DOWN"].text)
        models = intake.installed_models(self._root)
        model = intake.check_submit(submit, self._settings, models)
        if not TASKS[submit.task].is_urgent:
            self._check_queue(session)
        self._dispatcher.crashes.refuse_if_broken()
        if TASKS[submit.task].is_urgent:
            self._drop_stale(session)
        device = self._dispatcher.wanted_device(submit.device)
        now = self._clock()
        job = Job(submit, session.id, model, device, self._ledger.jobs.next_order(), now)
        self._spool.check(job.input_bytes + job.reserve_bytes)
        job.input = self._spool.create(job.input_bytes)
        try:
            job.output = self._spool.create(job.reserve_bytes)
        except BackendError:
            job.input.close()
            raise
        return job

    def _drop_stale(self, session: Session) -> None:
        """A client has at most one urgent job that waits: the user has moved on from the one before."""
        for job in self._ledger.jobs.owned(session.id):
            if job.is_urgent and job.state in WAITING:
                self._dispatcher.cancel(job)

    def _check_queue(self, session: Session) -> None:
        """The queue is bounded, and while others are there one client may take half of it only."""
        most = self._settings.queue_jobs
        waiting = [job for job in self._ledger.jobs if job.state in WAITING and not job.is_urgent]
        own = sum(job.owner == session.id for job in waiting)
        share = most if len(self._sessions) == 1 else max(most // 2, 1)
        if len(waiting) >= most or own >= share:
            raise BackendError("QUEUE_FULL", CODES["QUEUE_FULL"].text)

    def _put(self, session: Session, put: Put, envelope: Envelope) -> None:
        job = self._job(session, put.job)
        self._check_uploading(job)
        if put.offset != job.received:
            raise self._spoiled(job, "SEQUENCE", f"PUT at {put.offset}, expected {job.received}")
        if put.offset + put.length > job.input_bytes:
            raise self._spoiled(job, "TOO_LARGE", f"PUT up to {put.offset + put.length} of {job.input_bytes}")
        payload = memoryview(envelope.payload)
        if zlib.crc32(payload) != put.crc:
            raise self._spoiled(job, "CHECKSUM", f"PUT at {put.offset}")
        assert job.input is not None
        try:
            job.input.write(put.offset, payload)
        except BackendError as error:
            raise self._spoiled(job, error.code, error.detail, error.text) from None
        job.crc = checksum.joined(job.crc, put.crc, put.length)
        job.received += put.length
        # Each piece is on the disk before the next is read, so its credit is free again; what a client sends
        # beyond it waits in its own connection, bounded by RCVHWM.
        self._sessions.post(session, Credit(job.id, 1), envelope.seq)

    def _check_uploading(self, job: Job) -> None:
        if job.state == "cancelled":
            raise Refusal("CANCELLED", job=job.id)
        if job.state in ENDED:
            raise Refusal("JOB_DONE", job=job.id)
        if job.state != "uploading":
            raise Refusal("SEQUENCE", detail=f"the job is {job.state}", job=job.id)

    def _spoiled(self, job: Job, code: str, detail: str, text: str = "") -> Refusal:
        """Fail a job whose upload went wrong; the same code answers the message."""
        self._ledger.change(job, "failed", code, text)
        return Refusal(code, text, detail, job.id)

    def _commit(self, session: Session, commit: Commit, envelope: Envelope) -> None:
        job = self._job(session, commit.job)
        self._check_uploading(job)
        if not commit.total == job.received == job.input_bytes:
            raise self._spoiled(
                job, "SEQUENCE", f"COMMIT of {commit.total} bytes, {job.received} received, {job.input_bytes} due"
            )
        if commit.crc != job.crc:
            raise self._spoiled(job, "CHECKSUM", "COMMIT")
        if self._dispatcher.crashes.is_poisoned(job):
            raise self._spoiled(job, "POISONED_INPUT", "")
        self._ledger.change(job, "queued", ref=envelope.seq)
        self._dispatcher.wake()

    def _fetch(self, session: Session, fetch: Fetch, envelope: Envelope) -> None:
        job = self._job(session, fetch.job)
        if job.code in ("CANCELLED", "RESULT_EXPIRED"):
            raise Refusal(job.code, job=job.id)
        if job.state in ENDED:
            raise Refusal("JOB_DONE", job=job.id)
        if job.state != "ready":
            raise Refusal("SEQUENCE", detail=f"the job is {job.state}", job=job.id)
        if fetch.offset + fetch.length > job.output_bytes:
            raise Refusal("TOO_LARGE", detail=f"FETCH beyond {job.output_bytes}", job=job.id)
        if len(session.fetches) >= limits.CREDIT:
            raise Refusal("FLOW", detail="FETCH beyond the credit", job=job.id)
        session.fetches.append((fetch, envelope.seq))
        self.serve_fetches(session)

    def serve_fetches(self, session: Session) -> None:
        """Send the chunks that the session waits for, as far as what it was sent before has left this process."""
        while session.fetches and not session.outbox and session.chunks_in_flight() < limits.CREDIT:
            fetch, ref = session.fetches[0]
            job = self._ledger.jobs.find(fetch.job)
            if job is not None and job.owner != session.id:
                session.fetches.popleft()  # attached to another connection meanwhile, which asks anew
                continue
            if job is None or job.output is None or job.state != "ready":
                session.fetches.popleft()
                self._refuse(session, Refusal("JOB_DONE", job=fetch.job), ref)
                continue
            try:
                payload = job.output.read(fetch.offset, fetch.length)
            except BackendError as error:
                session.fetches.popleft()
                self._ledger.change(job, "failed", error.code, error.text)
                self._refuse(session, Refusal(error.code, error.text, error.detail, job.id), ref)
                continue
            chunk = Chunk(job.id, fetch.offset, fetch.length, zlib.crc32(payload))
            if not self._sessions.post_chunk(session, chunk, payload, ref):
                return
            session.fetches.popleft()
            job.touched = self._clock()

    def _release(self, session: Session, release: Release, envelope: Envelope) -> None:
        job = self._job(session, release.job)
        self.discard(job)
        self._sessions.post(session, Released(job.id), envelope.seq)

    def discard(self, job: Job) -> None:
        """End a job that nobody wants any more, whatever its state."""
        if job.state == "ready":
            job.move("released")
            job.tidy()
            self._ledger.jobs.settle(job)
        elif job.state not in ENDED:
            self._dispatcher.cancel(job)

    def _cancel(self, session: Session, cancel: Cancel, envelope: Envelope) -> None:
        job = self._job(session, cancel.job)
        if job.state in ("ready", "failed", "released"):
            raise Refusal("JOB_DONE", job=job.id)
        self._sessions.post(session, Cancelled(job.id), envelope.seq)
        if job.state != "cancelled":
            self._dispatcher.cancel(job)

    def _attach(self, session: Session, attach: Attach, envelope: Envelope) -> None:
        job = self._ledger.jobs.find(attach.job)
        if job is None or attach.session not in (job.owner, *job.earlier_owners):
            raise Refusal("JOB_UNKNOWN", job=attach.job)
        log.info("job %s attached to session %s", job.id[:8], session.id[:8])
        if job.owner != session.id:
            # An ATTACH whose answer was lost is repeated with the token that the client still holds.
            job.earlier_owners.append(job.owner)
            job.owner = session.id
        job.orphan_since = None
        job.touched = self._clock()
        self._ledger.tell(job, envelope.seq)

    # --- the daemon itself -------------------------------------------------------------------------------------

    def _ping(self, session: Session, _ping: Ping, envelope: Envelope) -> None:
        self._sessions.post(session, Pong(), envelope.seq)

    def _status(self, session: Session, _status: Status, envelope: Envelope) -> None:
        self._sessions.post(session, StatusReport(self._report()), envelope.seq)

    def _shutdown(self, session: Session, _shutdown: Shutdown, envelope: Envelope) -> None:
        log.info("a client asks to stop")
        self.wants_stop = True
        self._sessions.post(session, Bye("shutdown"), envelope.seq)

    def _bye(self, session: Session, _bye: Bye, envelope: Envelope) -> None:
        """The client leaves for good: nobody will fetch what it has asked for."""
        for job in self._ledger.jobs.owned(session.id):
            self.discard(job)
        self._sessions.post(session, replace(_bye, reason=""), envelope.seq)
        self._sessions.close(session)
        log.info("session %s closed", session.id[:8])
