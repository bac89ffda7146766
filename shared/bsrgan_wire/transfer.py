"""One job from SUBMIT to RELEASED: upload, wait, download, cancel, and going on after a lost connection."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import uuid4

from bsrgan_wire import limits
from bsrgan_wire.codec import Envelope
from bsrgan_wire.download import Download, Sink
from bsrgan_wire.errors import ConnectionLost, FrameError, JobCancelled, RemoteError, WireError
from bsrgan_wire.line import Line
from bsrgan_wire.messages import (
    Accepted,
    Attach,
    Cancel,
    Cancelled,
    Chunk,
    Credit,
    Error,
    Message,
    Progress,
    Release,
    State,
)
from bsrgan_wire.request import JobRequest
from bsrgan_wire.session import Session
from bsrgan_wire.tasks import TASKS, Task
from bsrgan_wire.upload import Source, Upload
from bsrgan_wire.zmtp import TICK_S

ANSWER_S = 30.0
"""A daemon that is alive but has not answered a request for so long is taken for lost."""

_CANCEL_S = 2.0
_CALLBACK_INTERVAL_S = 0.02
_MOST_LOSSES = 5
_LOST_TWICE = "The daemon was restarted twice during this job; look at its log ('gimp-bsrgan status' names it)."
_OTHER_SIZE = "The daemon's result has another size than was asked for; run the installer again to update both."


@dataclass(frozen=True)
class Callbacks:
    """The caller's side of a job.

    Attributes:
        source: gives rows of the input.
        sink: takes rows of the result.
        on_event: told each Accepted, State and Progress message.
        is_cancelled: asked at least every 50 ms.
        idle: called at least every 50 ms.
    """

    source: Source
    sink: Sink
    on_event: Callable[[Message], None] | None = None
    is_cancelled: Callable[[], bool] | None = None
    idle: Callable[[], None] | None = None


class Transfer:
    """One job; `run` may be called once.

    The phases: submitting (SUBMIT is unanswered), attaching (ATTACH is unanswered), uploading, waiting (the daemon
    has everything), fetching.
    """

    def __init__(self, line: Line, request: JobRequest, callbacks: Callbacks) -> None:
        self.job = uuid4().hex
        self._line = line
        self._request = request
        self._callbacks = callbacks
        self._phase = "submitting"
        self._upload: Upload | None = None
        self._download = Download(request, self.job, callbacks.sink)
        self._ready: State | None = None
        self._owner = line.session.welcome
        self._is_resubmitted = False
        self._is_repeated = False
        self._losses = 0
        self._first_seq = 0
        self._stirred_s = 0.0
        self._called_at = 0.0

    @property
    def _session(self) -> Session:
        return self._line.session

    def run(self) -> State:
        """Do the job and return its STATE `ready`.

        Raises:
            JobCancelled: `is_cancelled` said so.
            RemoteError: the daemon refused or failed the job.
            WireError: what came from the daemon is damaged or not of this protocol.
            DaemonUnreachable: the daemon is gone and did not come back.
            ConnectionLost: the connection broke again and again.
            Exception: whatever a callback raised.
        """
        try:
            state = self._run()
        except JobCancelled:
            self._cancel()
            raise
        except BaseException:
            self._abandon()
            raise
        self._release()
        return state

    def _run(self) -> State:
        while self._ready is None or not self._download.is_complete:
            try:
                if self._phase == "submitting" and not self._first_seq:
                    self._submit()
                self._tick()
                envelope = self._session.receive(self._transmit())
                if envelope is not None:
                    self._handle(envelope)
                self._check_answered()
            except ConnectionLost as lost:
                self._recover(lost)
        return self._ready

    # --- what is sent ----------------------------------------------------------------------------------------

    def _submit(self) -> None:
        self._enter("submitting")
        self._upload = self._ready = None
        self._owner = self._session.welcome
        self._first_seq = self._session.send(self._request.submit(self.job))

    def _transmit(self) -> float:
        """Send what flow control allows now; returns how long there is nothing to do but to listen."""
        if self._phase == "uploading" and self._upload is not None and not self._upload.is_committed:
            return self._send_input(self._upload)
        if self._phase == "fetching":
            while (fetch := self._download.next_fetch()) is not None:
                self._session.send(fetch)
        return TICK_S

    def _send_input(self, upload: Upload) -> float:
        # The source is asked again only when its last rows have left: it may then use the same buffer.
        if self._session.connection.unsent_bytes:
            self._session.connection.flush(TICK_S)
            return 0.0
        if upload.is_sent:
            self._session.send(upload.commit())
        elif upload.credit > 0:
            put, payload = upload.next_piece()
            self._session.send(put, payload)
            self._stir()
            return 0.0
        return TICK_S

    # --- what comes ------------------------------------------------------------------------------------------

    def _handle(self, envelope: Envelope) -> None:
        message = envelope.message
        if getattr(message, "job", self.job) not in ("", self.job):
            return
        if isinstance(message, Error):
            # Errors of requests sent before the last SUBMIT or ATTACH are about a state that is gone.
            if not 0 < envelope.ref < self._first_seq:
                self._on_error(message)
            return
        was_attaching = self._phase == "attaching"
        if isinstance(message, Accepted):
            self._on_accepted(message)
        elif isinstance(message, Credit) and self._phase == "uploading" and self._upload is not None:
            self._upload.credit = min(self._upload.credit + message.count, 64)
        elif isinstance(message, Progress):
            self._tell(message)
        elif isinstance(message, Chunk) and self._phase == "fetching":
            self._download.accept(message, envelope.payload)
        elif isinstance(message, State):
            self._on_state(message)
        else:
            return
        self._stir()
        if not was_attaching:
            self._losses = 0

    def _on_accepted(self, message: Accepted) -> None:
        if self._phase != "submitting":
            return
        credit = min(message.credit, self._session.welcome.credit)
        self._upload = Upload(self._request, self.job, self._callbacks.source, message.chunk, credit)
        self._enter("uploading")
        self._tell(message)

    def _on_state(self, message: State) -> None:
        if self._phase == "attaching":
            self._owner = self._session.welcome
            self._on_attached(message)
        elif message.state in ("queued", "running"):
            self._enter("waiting")
        self._tell(message)
        if message.state == "failed":
            raise RemoteError(message.code or "INTERNAL", message.text)
        if message.state == "cancelled":
            raise RemoteError(message.code or "CANCELLED", message.text)
        if message.state == "released":
            raise RemoteError(message.code or "RESULT_EXPIRED", message.text)
        if message.state == "ready" and self._phase != "fetching":
            self._begin_download(message)

    def _on_attached(self, message: State) -> None:
        if message.state == "uploading":
            if self._upload is None:
                welcome = self._session.welcome
                self._upload = Upload(self._request, self.job, self._callbacks.source, welcome.chunk, 0)
            self._upload.resume(message.received, self._session.welcome.credit)
            self._enter("uploading")
        else:
            self._enter("waiting")

    def _begin_download(self, message: State) -> None:
        request = self._sized(message)
        expected = (request.out_width, request.out_height, request.channels, request.dtype, request.out_total_bytes)
        if (message.width, message.height, message.channels, message.dtype, message.total) != expected:
            raise FrameError("BAD_SHAPE", _OTHER_SIZE, detail=f"{message.total} bytes, asked {expected[-1]}")
        self._download.expect(request)
        welcome = self._session.welcome
        self._download.begin(welcome.chunk, welcome.credit, is_repeated=self._is_repeated)
        self._is_repeated = False
        self._ready = message
        self._enter("fetching")

    def _sized(self, ready: State) -> JobRequest:
        """The request with the result's size, which may have been left to the task."""
        request = self._request
        if request.out_width or request.out_height or not TASKS.get(request.task, Task()).sizes_itself:
            return request
        if not (1 <= ready.width <= limits.SIDE_PX and 1 <= ready.height <= limits.SIDE_PX):
            raise FrameError("BAD_SHAPE", _OTHER_SIZE, detail=f"{ready.width} x {ready.height}")
        return replace(request, out_width=ready.width, out_height=ready.height)

    def _on_error(self, message: Error) -> None:
        if message.code == "JOB_UNKNOWN" and self._phase != "submitting":
            self._resubmit()
        else:
            raise RemoteError(message.code, message.text, message.detail)

    # --- when the connection is lost -------------------------------------------------------------------------

    def _recover(self, lost: ConnectionLost) -> None:
        self._losses += 1
        if self._losses > _MOST_LOSSES:
            raise lost
        self._line.reopen(idle=self._tick)
        if self._session.welcome.instance != self._owner.instance:
            self._resubmit()
        else:
            self._first_seq = self._session.send(Attach(job=self.job, session=self._owner.session))
            self._enter("attaching")

    def _resubmit(self) -> None:
        # A job that the daemon never accepted cannot have harmed it: only accepted ones count as tried.
        if self._upload is not None:
            if self._is_resubmitted:
                raise RemoteError("JOB_UNKNOWN", _LOST_TWICE)
            self._is_resubmitted = self._is_repeated = True
        self._submit()

    def _check_answered(self) -> None:
        silent_s = self._session.connection.waited_s - self._stirred_s
        if self._phase != "waiting" and silent_s > ANSWER_S:
            self._session.connection.close()
            raise ConnectionLost("The daemon has stopped answering this job; restart it and try again.")

    # --- the end ---------------------------------------------------------------------------------------------

    def _release(self) -> None:
        """Free the daemon's copy; if that fails, its time limit does it.

        RELEASED is not waited for: it says nothing that the caller needs, and whoever receives next drops it.
        """
        with contextlib.suppress(ConnectionLost, WireError):
            self._session.send(Release(job=self.job))
            self._session.connection.flush(TICK_S)

    def _cancel(self) -> None:
        with contextlib.suppress(ConnectionLost, WireError):
            self._session.send(Cancel(job=self.job))
            if isinstance(self._await_farewell((Cancelled, Error)), Error):
                # The job had ended before: what it left is freed like a result.
                self._session.send(Release(job=self.job))
                self._session.connection.flush(TICK_S)

    def _abandon(self) -> None:
        with contextlib.suppress(ConnectionLost, WireError):
            self._session.send(Cancel(job=self.job))
            self._session.send(Release(job=self.job))
            self._session.connection.flush(_CANCEL_S / 4)

    def _await_farewell(self, kinds: tuple[type[Message], ...]) -> Message | None:
        until = time.monotonic() + _CANCEL_S
        while time.monotonic() < until:
            envelope = self._session.receive(TICK_S)
            if self._callbacks.idle is not None:
                self._callbacks.idle()
            if envelope is None or getattr(envelope.message, "job", "") not in ("", self.job):
                continue
            if isinstance(envelope.message, kinds):
                return envelope.message
        return None

    # --- small things ----------------------------------------------------------------------------------------

    def _enter(self, phase: str) -> None:
        self._phase = phase
        self._stir()

    def _stir(self) -> None:
        self._stirred_s = self._session.connection.waited_s

    def _tell(self, message: Message) -> None:
        if self._callbacks.on_event is not None:
            self._callbacks.on_event(message)

    def _tick(self) -> None:
        now = time.monotonic()
        if now - self._called_at < _CALLBACK_INTERVAL_S:
            return
        self._called_at = now
        if self._callbacks.idle is not None:
            self._callbacks.idle()
        if self._callbacks.is_cancelled is not None and self._callbacks.is_cancelled():
            raise JobCancelled
