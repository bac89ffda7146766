"""The typed client of the daemon: what the plug-in and the command line use."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from bsrgan_wire.download import Sink
from bsrgan_wire.errors import ConnectionLost, JobCancelled, RemoteError, WireError
from bsrgan_wire.line import ATTEMPT_S, Line
from bsrgan_wire.messages import (
    Error,
    Message,
    ModelAdd,
    ModelGet,
    Models,
    ModelsReport,
    ModelStop,
    Ping,
    Pong,
    Shutdown,
    State,
    Status,
    StatusReport,
    Welcome,
)
from bsrgan_wire.rendezvous import Rendezvous
from bsrgan_wire.request import JobRequest
from bsrgan_wire.transfer import Callbacks, Transfer
from bsrgan_wire.upload import Source
from bsrgan_wire.zmtp import TICK_S

__all__ = ["Client", "JobCancelled", "JobRequest"]


class Client:
    """A connection to the daemon, for one thread and one call at a time; also a context manager."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._is_busy = False

    @classmethod
    def connect(
        cls, rendezvous: Rendezvous, *, name: str, timeout_s: float = ATTEMPT_S, idle: Callable[[], None] | None = None
    ) -> Client:
        """Connect to a known run of the daemon.

        Args:
            rendezvous: where it is.
            name: of this client, for the daemon's log.
            timeout_s: time for all of its endpoints together.
            idle: called at least every 50 ms meanwhile.

        Raises:
            DaemonUnreachable: it does not answer; one sentence.
            WireError: it rejects this client, or its answer is not of this protocol.
        """
        return cls(Line(rendezvous, name=name, timeout_s=timeout_s, idle=idle))

    @classmethod
    def connect_at(
        cls, path: Path, *, name: str, timeout_s: float = ATTEMPT_S, idle: Callable[[], None] | None = None
    ) -> Client:
        """Connect to the daemon that the rendezvous file names; a daemon restarted later is found again.

        Takes and raises the same as `connect`; `path` is usually `places.rendezvous_file(root)`.
        """
        return cls(Line(path, name=name, timeout_s=timeout_s, idle=idle))

    @property
    def welcome(self) -> Welcome:
        """The daemon's answer to HELLO: version, instance, session, limits."""
        return self._line.session.welcome

    def ping(self, timeout_s: float = ATTEMPT_S) -> float:
        """Ask for a sign of life and return the seconds that it took.

        Raises:
            ConnectionLost: none came within `timeout_s`.
            DaemonUnreachable: the connection was lost and no daemon answered a new one.
        """
        start = time.monotonic()
        self._ask(Ping(), Pong, timeout_s)
        return time.monotonic() - start

    def status(self, timeout_s: float = ATTEMPT_S) -> dict[str, Any]:
        """The daemon's state; its keys are listed in PROTOCOL.md.

        Raises:
            ConnectionLost: no answer within `timeout_s`.
            DaemonUnreachable: the connection was lost and no daemon answered a new one.
            RemoteError: the daemon refuses to tell.
        """
        answer = self._ask(Status(), StatusReport, timeout_s)
        assert isinstance(answer, StatusReport)
        return dict(answer.report)

    def tells_models(self) -> bool:
        """Whether this daemon answers the questions about models; the first ones did not."""
        return Models.KIND in self.welcome.knows

    def models(self, timeout_s: float = ATTEMPT_S) -> ModelsReport:
        """The models that there are and the latest transfer of one.

        Raises:
            WireError: the daemon is too old for that.
            ConnectionLost: no answer within `timeout_s`.
            DaemonUnreachable: the connection was lost and no daemon answered a new one.
        """
        return self._ask_models(Models(), timeout_s)

    def get_model(self, model: str, timeout_s: float = ATTEMPT_S) -> ModelsReport:
        """Have the daemon fetch a published model; its report tells how that goes, as `models` does later.

        Raises the same as `models`, and RemoteError when the daemon refuses: another transfer is under way, say.
        """
        return self._ask_models(ModelGet(model), timeout_s)

    def add_model(self, path: str, timeout_s: float = ATTEMPT_S) -> ModelsReport:
        """Have the daemon install the weights in a file, which it reads itself; raises as `get_model`."""
        return self._ask_models(ModelAdd(path), timeout_s)

    def stop_model(self, timeout_s: float = ATTEMPT_S) -> ModelsReport:
        """End the transfer that is under way; raises as `models`."""
        return self._ask_models(ModelStop(), timeout_s)

    def _ask_models(self, question: Message, timeout_s: float) -> ModelsReport:
        if not self.tells_models():
            raise WireError(
                "UNKNOWN_KIND",
                "The running daemon is older than the plug-in and cannot fetch models; run the installer again.",
            )
        answer = self._ask(question, ModelsReport, timeout_s)
        assert isinstance(answer, ModelsReport)
        return answer

    def shutdown(self, timeout_s: float = 15.0) -> None:
        """Ask the daemon to stop and wait until it has closed the connection.

        Raises:
            ConnectionLost: it neither said BYE nor closed within `timeout_s`.
            DaemonUnreachable: there is no daemon any more.
            RemoteError: it refuses.
        """
        deadline = time.monotonic() + timeout_s
        # An idle client's connection may be gone already, which must not be taken for the daemon's end.
        self.ping(timeout_s)
        with self._alone():
            session = self._line.session
            seq = session.send(Shutdown())
            while time.monotonic() < deadline:
                try:
                    envelope = session.receive(TICK_S)
                except ConnectionLost:
                    if session.connection.is_closed:
                        return
                    continue
                if envelope is not None and isinstance(envelope.message, Error) and envelope.ref == seq:
                    raise RemoteError(envelope.message.code, envelope.message.text, envelope.message.detail)
            if not session.is_dismissed:
                raise ConnectionLost(f"The daemon did not stop within {timeout_s:.0f} seconds.")

    def run(
        self,
        request: JobRequest,
        source: Source,
        sink: Sink,
        *,
        on_event: Callable[[Message], None] | None = None,
        is_cancelled: Callable[[], bool] | None = None,
        idle: Callable[[], None] | None = None,
    ) -> State:
        """Do one job: send the input, wait, receive the result, free it.

        A connection that is lost on the way is opened again for 30 s and the job goes on where it was; a job that
        the daemon has lost is submitted again once.

        Args:
            request: the job.
            source: `source(first_row, rows)` returns these rows' bytes; at most 256 rows at once, in order, and
                the same rows again if the job must be repeated. The buffer may be used again for the next call.
            sink: `sink(first_row, rows, pixels)` takes the result's rows, each once and in order; the view is
                valid during the call only.
            on_event: told each Accepted, State and Progress message of the job.
            is_cancelled: asked at least every 50 ms, but for the time that source and sink take.
            idle: called at least every 50 ms, but for the time that source and sink take.

        Returns:
            The STATE `ready`, with model, notes and seconds.

        Raises:
            JobCancelled: `is_cancelled` said so; the daemon has been told.
            RemoteError: the daemon refused or failed the job.
            WireError: what came from the daemon is damaged or not of this protocol.
            DaemonUnreachable: the daemon is gone and did not come back within 30 s.
            ConnectionLost: the connection broke again and again.
            Exception: whatever source, sink, on_event, is_cancelled or idle raised, after the job is given up.
        """
        with self._alone():
            return Transfer(self._line, request, Callbacks(source, sink, on_event, is_cancelled, idle)).run()

    def close(self) -> None:
        """Say BYE and close; may be repeated."""
        self._line.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, question: Message, answer: type[Message], timeout_s: float) -> Message:
        deadline = time.monotonic() + timeout_s
        with self._alone():
            try:
                return self._ask_once(question, answer, deadline)
            except ConnectionLost:
                # A client that was idle for long finds its connection closed by the daemon; that is no failure yet.
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise
                self._line.reopen(left_s)
                return self._ask_once(question, answer, deadline)

    def _ask_once(self, question: Message, answer: type[Message], deadline: float) -> Message:
        session = self._line.session
        seq = session.send(question)
        while (left_s := deadline - time.monotonic()) > 0:
            envelope = session.receive(left_s)
            if envelope is None or envelope.ref != seq:
                continue
            message = envelope.message
            if isinstance(message, Error):
                raise RemoteError(message.code, message.text, message.detail)
            if isinstance(message, answer):
                return message
        raise ConnectionLost("The daemon does not answer; if that stays so, restart it.")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        # An idle function that pumps a user interface can get here again while a job runs.
        if self._is_busy:
            raise RuntimeError("this client is busy; a second question needs a second client")
        self._is_busy = True
        try:
            yield
        finally:
            self._is_busy = False
