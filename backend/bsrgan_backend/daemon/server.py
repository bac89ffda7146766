"""The supervisor: one thread, one loop, and nothing in it that waits for a client, a worker or a disk for long."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import zmq

from bsrgan_backend.daemon import endpoint, logs
from bsrgan_backend.daemon.authentication import DOMAIN, Gatekeeper
from bsrgan_backend.daemon.fleet import Fleet
from bsrgan_backend.daemon.identity import Identity
from bsrgan_backend.daemon.instance import AlreadyRunning, InstanceLock
from bsrgan_backend.daemon.jobs import JobTable
from bsrgan_backend.daemon.ledger import Ledger
from bsrgan_backend.daemon.logs import log
from bsrgan_backend.daemon.model_requests import ModelDesk
from bsrgan_backend.daemon.model_transfers import ModelTransfers
from bsrgan_backend.daemon.notify import Notifier
from bsrgan_backend.daemon.pacing import Pacing
from bsrgan_backend.daemon.report import Reporter
from bsrgan_backend.daemon.requests import Desk
from bsrgan_backend.daemon.sessions import Sessions
from bsrgan_backend.daemon.spool import Spool
from bsrgan_backend.daemon.upkeep import Upkeep
from bsrgan_backend.daemon.workers import WorkerStarter
from bsrgan_backend.errors import BackendError
from bsrgan_backend.settings import LoadedSettings, Settings, environment, spool_folder
from bsrgan_wire import limits
from bsrgan_wire.messages import Bye

STOP_S = 10.0
"""A stopping daemon is gone after this time, whatever its jobs and clients do."""

_FINISH_S = 6.0
_FETCH_S = 8.0
_FETCH_PAUSE_S = 2.0
_LINGER_MS = 300
_SLICE_S = 0.02
_MONITORED = zmq.Event.DISCONNECTED | zmq.Event.HANDSHAKE_FAILED_NO_DETAIL | zmq.Event.HANDSHAKE_FAILED_PROTOCOL
# Parsed here, because pyzmq's own parser brings asyncio and ssl, 8 MiB of them.
_MONITOR_EVENT = struct.Struct("=Hi")
_MONITOR = "inproc://router.monitor"


def make_router(context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes]:
    """A ROUTER that never blocks, never buffers without bound, and lets nobody in but this user."""
    router = context.socket(zmq.ROUTER)
    options = {
        zmq.LINGER: 0,
        zmq.ROUTER_MANDATORY: 1,  # a full or lost peer is an error here, not a silent drop
        zmq.SNDHWM: 64,
        zmq.RCVHWM: 64,
        zmq.MAXMSGSIZE: limits.CHUNK_BYTES + limits.HEADER_BYTES,
        zmq.HANDSHAKE_IVL: 2000,
        zmq.BACKLOG: 64,
        zmq.ROUTER_HANDOVER: 0,
        zmq.HEARTBEAT_IVL: 5000,
        zmq.HEARTBEAT_TIMEOUT: 15000,
    }
    if sys.platform != "win32":
        options[zmq.IPC_FILTER_UID] = os.geteuid()
    for option, value in options.items():
        router.setsockopt(option, value)
    router.setsockopt_string(zmq.ZAP_DOMAIN, DOMAIN)
    return router


class Server:
    """The loop and what hangs on it.

    Args:
        lock: the installation's, which the caller holds and releases.
    """

    def __init__(self, settings: Settings, root: Path, starter: WorkerStarter, lock: InstanceLock) -> None:
        self._lock = lock
        self._clock = time.monotonic
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._gatekeeper = Gatekeeper(self._context)
        self._router = make_router(self._context)
        self._monitor = self._watch(self._router)
        self._spool = Spool(spool_folder(settings, root), settings.spool_limit_bytes)
        self._identity = Identity(root, endpoint.bind(self._router, root, settings.transport))
        self._sessions = Sessions(self._router, self._clock)
        self._jobs = JobTable()
        self._ledger = Ledger(self._jobs, self._sessions, self._clock)
        self._dispatcher = Fleet(self._ledger, settings, starter, self._clock)
        reporter = Reporter(settings, self._identity, self._ledger, self._dispatcher, self._spool, self._clock)
        self._transfers = ModelTransfers(root, starter, self._clock)
        self._desk = Desk(
            *(self._ledger, self._dispatcher, self._spool, settings, root, self._identity, self._clock),
            reporter.collect,
            ModelDesk(self._sessions, root, settings.model, self._transfers).handlers(),
        )
        self._notifier = Notifier()
        self._upkeep = Upkeep(self._ledger, self._dispatcher, self._desk, settings, self._clock)
        self._flushing = Pacing()
        self._next_upkeep = 0.0
        self._next_alive = 0.0
        self._polled_links: set[Any] = set()
        self._stop_began: float | None = None
        self._poller = zmq.Poller()
        for sock in (self._gatekeeper.socket, self._router, self._monitor):
            self._poller.register(sock, zmq.POLLIN)

    def _watch(self, router: zmq.Socket[bytes]) -> zmq.Socket[bytes]:
        router.monitor(_MONITOR, _MONITORED)
        monitor = self._context.socket(zmq.PAIR)
        monitor.linger = 0
        monitor.connect(_MONITOR)
        return monitor

    # --- the loop ----------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until a signal or a client says stop, then stop in order.

        Raises:
            BackendError: the rendezvous file cannot be written.
        """
        with _signals() as wake:
            self._poller.register(wake, zmq.POLLIN)
            try:
                self._identity.announce()
            except OSError as error:
                raise BackendError(
                    "DENIED", f"The file {self._identity.file} cannot be written; check the disk.", str(error)
                ) from error
            self._notifier.ready()
            while self._turn(wake):
                pass
            self._poller.unregister(wake)

    def _turn(self, wake: socket.socket) -> bool:
        """One turn of the loop; False when the daemon has stopped."""
        self._poll_worker_links()
        events = dict(self._poller.poll(self._timeout_ms()))
        self._flushing.turned(eventful=bool(events))
        if wake.fileno() in events and self._on_signals(wake):
            return False
        if self._gatekeeper.socket in events:
            self._gatekeeper.answer()
        if self._monitor in events:
            self._on_monitor()
        for link in self._polled_links & events.keys():
            self._dispatcher.read(link)
            self._transfers.read(link)
        if self._router in events:
            self._on_router()
        self._do_what_is_due()
        return not self._has_stopped()

    def _poll_worker_links(self) -> None:
        links = self._dispatcher.links() | self._transfers.links()
        for link in self._polled_links - links:
            self._poller.unregister(link)
        sending = self._dispatcher.sending()
        for link in links:
            # One that is registered already gets the new flags.
            self._poller.register(link, zmq.POLLIN | (zmq.POLLOUT if link in sending else 0))
        self._polled_links = links

    def _timeout_ms(self) -> int:
        if self._sessions.is_flushing():
            return self._flushing.wait_ms
        if self._dispatcher.is_waiting() or self._transfers.is_ending() or self._stop_began is not None:
            return 20
        if self._jobs.running():
            return 100
        return 1000

    def _on_router(self) -> None:
        """Answer what waits, for a slice of time; libzmq takes turns between the clients."""
        end = self._clock() + _SLICE_S
        while self._clock() < end:
            try:
                first, *frames = self._router.recv_multipart(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                return
            if self._sessions.of(first.bytes) is None:
                # Descriptors are used again: every older connection of this one's must be known to be lost by now.
                self._on_monitor()
            connection = frames[0].get(zmq.SRCFD) if frames else -1
            self._desk.answer(first.bytes, [frame.buffer for frame in frames], int(connection))

    def _on_monitor(self) -> None:
        while True:
            try:
                event, _peer = self._monitor.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            number, value = _MONITOR_EVENT.unpack(event)
            if number == zmq.Event.DISCONNECTED:
                self._sessions.lose_connection(value)
            else:
                self._sessions.protocol_errors += 1

    def _do_what_is_due(self) -> None:
        now = self._clock()
        self._sessions.flush()
        for session in self._sessions:
            if session.fetches:
                self._desk.serve_fetches(session)
        self._dispatcher.tick()
        self._transfers.tick()
        if self._stop_began is None:
            self._dispatcher.wake()
        self._ledger.send_progress()
        if now >= self._next_upkeep:
            self._next_upkeep = now + 1.0
            self._upkeep.run()
            self._keep_reachable()
        if self._notifier.watchdog_s and now >= self._next_alive:
            self._next_alive = now + self._notifier.watchdog_s
            self._notifier.alive()
        if self._desk.wants_stop and self._stop_began is None:
            self._begin_stop("shutdown")

    def _keep_reachable(self) -> None:
        """Bind and announce again when somebody has deleted the socket's folder or the rendezvous file.

        When the lock's file was deleted too, another daemon may have started: there must be one only.
        """
        if self._stop_began is not None:
            return
        try:
            if not self._lock.is_kept():
                log.error("another daemon has taken the place of this one, as the state folder was deleted")
                self._begin_stop("another daemon runs")
            elif not self._identity.endpoint.is_alive():
                log.warning("the socket was deleted; listening again")
                # The old listener stays, deaf: to unbind it would close the connections that it has accepted.
                self._identity.endpoint = endpoint.bind(self._router, self._identity.root, "ipc")
                self._identity.announce()
            elif not self._identity.file.exists():
                self._identity.announce()
        except (OSError, BackendError) as error:
            log.error("not reachable: %s", error)

    # --- stopping ----------------------------------------------------------------------------------------------

    def _on_signals(self, wake: socket.socket) -> bool:
        """True when the daemon must end at once: the second signal."""
        try:
            count = len(wake.recv(64))
        except BlockingIOError:
            return False
        if self._stop_began is None:
            self._begin_stop("signal")
            count -= 1
        return count > 0

    def _begin_stop(self, why: str) -> None:
        log.info("stopping: %s", why)
        self._notifier.stopping()
        self._stop_began = self._clock()
        self._desk.is_stopping = True
        self._transfers.stop()
        for job in self._jobs:
            if job.state in ("uploading", "queued"):
                self._ledger.change(job, "cancelled", "SHUTTING_DOWN")

    def _has_stopped(self) -> bool:
        if self._stop_began is None:
            return False
        now, spent_s = self._clock(), self._clock() - self._stop_began
        running = self._jobs.running()
        for job in running:
            session = self._ledger.session_of(job)
            if spent_s > _FINISH_S or session is None or session.orphan_since is not None:
                self._dispatcher.cancel(job, "SHUTTING_DOWN")
        if running:
            return spent_s > STOP_S
        if spent_s < _FETCH_S and any(
            job.state == "ready" and now - job.touched < _FETCH_PAUSE_S for job in self._jobs
        ):
            return False
        if not self._dispatcher.is_closing:
            self._dispatcher.close()
        return self._dispatcher.is_closed() or spent_s > STOP_S - 1.0

    def close(self) -> None:
        """Say BYE, end the worker, and leave no socket, file or process behind; safe in any state."""
        self._transfers.close()
        self._dispatcher.kill()
        for job in self._jobs:
            if job.state == "running":
                self._ledger.change(job, "cancelled", "SHUTTING_DOWN")
        for session in self._sessions:
            self._sessions.post(session, Bye("shutdown"))
        self._identity.withdraw()
        for job in self._jobs:
            self._desk.discard(job)
        self._spool.close()
        self._router.disable_monitor()
        self._monitor.close()
        self._router.close(_LINGER_MS)
        self._gatekeeper.close()
        self._context.term()
        self._identity.endpoint.remove()


@contextlib.contextmanager
def _signals() -> Iterator[socket.socket]:
    """A socket that gets a byte for each SIGTERM and SIGINT; SIGHUP (a closed terminal) is ignored."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    old: dict[int, Any] = {}

    def nothing(_number: int, _frame: Any) -> None:
        """The byte in the socket is the whole message."""

    def install(number: int, handler: Callable[[int, Any], None] | signal.Handlers) -> None:
        old[number] = signal.signal(number, handler)

    if hasattr(signal, "SIGHUP"):
        install(signal.SIGHUP, signal.SIG_IGN)
    previous = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    try:
        install(signal.SIGTERM, nothing)
        install(signal.SIGINT, nothing)
        yield ours
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(previous)
        ours.close()
        theirs.close()


def _prepare_process() -> None:
    """Private files, no core dumps with pictures in them, and room for as many connections as the system allows."""
    os.umask(0o077)
    if sys.platform == "win32":
        return
    import resource

    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def serve(settings: Settings | LoadedSettings, root: Path, worker_command: Sequence[str] = ()) -> int:
    """Run the daemon of the installation at `root` until it is stopped.

    Args:
        settings: as `settings.load` gives them; its warnings are logged.
        root: the installation's folder.
        worker_command: the words that start a worker, instead of this package's own.

    Returns:
        The exit status: 0 after a stop, and when a daemon runs already; 1 when it could not start, with the
        sentence in the log and on standard error.
    """
    loaded = settings if isinstance(settings, LoadedSettings) else LoadedSettings(settings, {})
    values = loaded.settings
    logs.to_stderr(values.log_level)
    try:
        _prepare_process()
        lock = InstanceLock.acquire(root)
    except AlreadyRunning as error:
        log.warning("%s", error)
        logs.close()
        return 0
    except BackendError as error:
        log.error("%s", error.text)
        logs.close()
        return 1
    try:
        logs.to_file(root)
        for warning in loaded.warnings:
            log.warning("%s", warning)
        log.info("settings: %s", values)
        return _serve(values, root, worker_command, lock)
    finally:
        logs.close()
        lock.release()


def _serve(settings: Settings, root: Path, worker_command: Sequence[str], lock: InstanceLock) -> int:
    starter = WorkerStarter(root, settings.threads, worker_command, environment(settings))
    try:
        server = Server(settings, root, starter, lock)
    except BackendError as error:
        log.error("%s %s", error.text, error.detail)
        return 1
    try:
        server.run()
    except BackendError as error:
        log.error("%s %s", error.text, error.detail)
        return 1
    except Exception:  # noqa: BLE001
        # The boundary of the process: the service manager restarts it, and the log says why it ended.
        log.exception("the daemon met an unexpected error")
        return 1
    finally:
        server.close()
    log.info("stopped")
    return 0
