"""A DEALER's connection to a ROUTER over ZMTP 3.1, NULL mechanism, in standard-library sockets.

Nothing here blocks longer than it is told: `send` only queues, `receive` waits at most its timeout and goes on
where it stopped, so a user interface can be served in between. Time is counted only while `receive` waits: a
program that did something else for a minute does not blame the daemon for its own absence.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bsrgan_wire import framing
from bsrgan_wire.errors import ConnectionLost
from bsrgan_wire.framing import Buffer, FrameReader, MessageLimits

TICK_S = 0.03
"""Longest wait between two calls of an `idle` function."""

_HOST = "127.0.0.1"
_QUEUED_ANSWERS = 64
_NO_SIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)
_JOIN_BYTES = 4096
_PENDING = {errno.EINPROGRESS, errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, getattr(errno, "WSAEWOULDBLOCK", 0)} - {0}
_NO_ANSWER = "The daemon does not answer; if that stays so, restart it."


@dataclass(frozen=True)
class Timing:
    """Waiting times of a connection, in seconds of waiting.

    Attributes:
        heartbeat_s: after so much silence of the peer a PING is sent, and again after each such time.
        silence_s: after so much silence the connection is lost.
        stall_s: a message begun by the peer, or bytes of ours that it does not take, may wait so long.
    """

    heartbeat_s: float = 5.0
    silence_s: float = 15.0
    stall_s: float = 30.0


class Connection:
    """One connection; used by one thread.

    Attributes:
        endpoint: where it leads to.
        waited_s: seconds that `receive` has waited in all; the clock of everything that must not run while the
            program is busy elsewhere.
    """

    def __init__(self, sock: socket.socket, endpoint: str, bounds: MessageLimits, timing: Timing) -> None:
        self.endpoint = endpoint
        self.waited_s = 0.0
        self._sock = sock
        self._selector = selectors.DefaultSelector()
        self._selector.register(sock, selectors.EVENT_READ)
        self._reader = FrameReader(bounds)
        self._timing = timing
        self._parts: list[Buffer] = []
        self._queue: deque[memoryview] = deque()
        self._is_broken = False
        self._heard_s = self._pinged_s = self._idle_s = self._taken_s = 0.0

    @classmethod
    def open(
        cls,
        endpoint: str,
        *,
        timeout_s: float,
        idle: Callable[[], None] | None = None,
        bounds: MessageLimits | None = None,
        timing: Timing | None = None,
    ) -> Connection:
        """Connect and shake hands.

        Args:
            endpoint: `ipc:///ABSOLUTE/PATH` or `tcp://127.0.0.1:PORT`; nothing else is ever connected to.
            timeout_s: time for all of it.
            idle: called at least every 50 ms meanwhile.
            bounds: limits of the peer's messages.
            timing: waiting times once connected.

        Raises:
            ConnectionLost: nothing answers, or something that is no ROUTER of ours; one sentence.
        """
        deadline = time.monotonic() + timeout_s
        sock = _connect(endpoint, deadline, idle)
        connection = cls(sock, endpoint, bounds or MessageLimits(), timing or Timing())
        try:
            _check_peer(sock)
            connection._handshake(deadline, idle)
        except BaseException:
            connection.close()
            raise
        return connection

    @property
    def is_closed(self) -> bool:
        """Whether it has been closed, by either side as far as `receive` has noticed."""
        return self._sock.fileno() < 0

    @property
    def unsent_bytes(self) -> int:
        """Bytes queued by `send` that the system has not taken; `receive` and `flush` send them."""
        return sum(len(view) for view in self._queue)

    def send(self, frames: Sequence[Buffer]) -> None:
        """Queue a message and send what goes without waiting.

        Buffers are not copied: they must stay as they are until `unsent_bytes` is 0.

        Raises:
            ConnectionLost: the connection is closed.
        """
        if self.is_closed:
            raise ConnectionLost("The connection to the daemon is closed.")
        small = bytearray()
        for number, frame in enumerate(frames, 1):
            small += framing.frame_header(len(frame), is_last=number == len(frames))
            if len(frame) <= _JOIN_BYTES:
                small += frame
            else:
                self._queue.append(memoryview(bytes(small)))
                self._queue.append(memoryview(frame).cast("B"))
                small.clear()
        if small:
            self._queue.append(memoryview(bytes(small)))
        self._flush()

    def flush(self, timeout_s: float) -> bool:
        """Send what is queued, waiting at most `timeout_s`; True when all of it is gone.

        Raises:
            ConnectionLost: the peer has taken nothing, or said nothing, for too long.
        """
        deadline = time.monotonic() + timeout_s
        self._flush()
        while self._queue and not self._is_broken and (left_s := deadline - time.monotonic()) > 0:
            self._wait(left_s, selectors.EVENT_WRITE)
            self._flush()
            self._check_patience()
        return not self._queue and not self._is_broken

    def receive(self, timeout_s: float) -> list[Buffer] | None:
        """The next message, or None when none is complete after `timeout_s`.

        A frame longer than a header may be a memoryview that the next call overwrites. Queued bytes are sent and
        PINGs answered meanwhile.

        Raises:
            ConnectionLost: the peer closed, broke the protocol or a limit, or has been silent for too long.
        """
        deadline = time.monotonic() + timeout_s
        try:
            while (message := self._next_message()) is None:
                left_s = deadline - time.monotonic()
                self._exchange(max(0.0, left_s))
                if left_s <= 0:
                    return self._next_message()
        except ConnectionLost:
            self.close()
            raise
        return message

    def close(self) -> None:
        """Close at once; what is queued is dropped. May be repeated."""
        self._queue.clear()
        self._selector.close()
        self._sock.close()

    # --- handshake -------------------------------------------------------------------------------------------

    def _handshake(self, deadline: float, idle: Callable[[], None] | None) -> None:
        self._queue.append(memoryview(framing.GREETING))
        while (greeting := self._reader.take(framing.GREETING_BYTES)) is None:
            self._exchange_until(deadline, idle)
        framing.check_greeting(greeting)
        self._queue.append(memoryview(framing.ready()))
        self._flush()
        while (frame := self._reader.next_frame()) is None:
            self._exchange_until(deadline, idle)
        if not frame.is_command:
            raise framing.violation("a message before READY")
        name, data = framing.split_command(bytes(frame.body))
        if name == b"ERROR":
            raise _refusal(data)
        if name != b"READY":
            raise framing.violation("no READY")
        framing.check_ready(data)

    def _exchange_until(self, deadline: float, idle: Callable[[], None] | None) -> None:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise ConnectionLost(_NO_ANSWER)
        self._exchange(min(left_s, TICK_S))
        if idle is not None:
            idle()

    # --- messages --------------------------------------------------------------------------------------------

    def _next_message(self) -> list[Buffer] | None:
        while (frame := self._reader.next_frame()) is not None:
            if frame.is_command:
                self._obey(bytes(frame.body))
                continue
            self._parts.append(frame.body)
            if frame.is_last:
                message, self._parts = self._parts, []
                self._idle_s = self.waited_s
                return message
        return None

    def _obey(self, body: bytes) -> None:
        name, data = framing.split_command(body)
        if name == b"PING":
            answer = framing.pong(data)
            # A peer that floods us with PINGs and does not read must not fill our memory with answers.
            if len(self._queue) < _QUEUED_ANSWERS:
                self._queue.append(memoryview(answer))
        elif name == b"ERROR":
            raise _refusal(data)
        elif name != b"PONG":
            raise framing.violation("an unexpected command")

    # --- bytes -----------------------------------------------------------------------------------------------

    def _exchange(self, timeout_s: float) -> None:
        """Send and read what goes now; when there was nothing to read, wait for either."""
        self._flush()
        if not self._read() and timeout_s > 0:
            self._wait(timeout_s, selectors.EVENT_READ | (selectors.EVENT_WRITE if self._queue else 0))
            self._flush()
            self._read()
            self._check_patience()

    def _wait(self, timeout_s: float, events: int) -> None:
        timeout_s = min(timeout_s, self._timing.heartbeat_s)
        if self._is_broken:
            events = selectors.EVENT_READ
        self._selector.modify(self._sock, events)
        start = time.monotonic()
        self._selector.select(timeout_s)
        # A stopped or suspended program finds more time gone than it wanted to wait; that is not the peer's.
        self.waited_s += min(time.monotonic() - start, timeout_s)

    def _check_patience(self) -> None:
        timing, now = self._timing, self.waited_s
        if now - self._heard_s >= timing.silence_s:
            raise ConnectionLost(f"The daemon has been silent for {timing.silence_s:.0f} seconds.")
        if self._reader.is_inside_message and now - self._idle_s >= timing.stall_s:
            raise ConnectionLost("The daemon stopped in the middle of a message.")
        if self._queue and now - self._taken_s >= timing.stall_s:
            raise ConnectionLost("The daemon does not take what is sent to it.")
        if now - max(self._heard_s, self._pinged_s) >= timing.heartbeat_s:
            self._pinged_s = now
            self._queue.append(memoryview(framing.ping()))

    def _flush(self) -> None:
        if not self._queue:
            self._taken_s = self.waited_s
            return
        while self._queue and not self._is_broken:
            try:
                sent = self._sock.send(self._queue[0], _NO_SIGNAL)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                # What the peer said before it closed (a REJECT, a BYE) is still to be read; then reading fails too.
                self._is_broken = True
                return
            self._taken_s = self.waited_s
            if sent == len(self._queue[0]):
                self._queue.popleft()
            else:
                self._queue[0] = self._queue[0][sent:]

    def _read(self) -> bool:
        try:
            count = self._sock.recv_into(self._reader.free())
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            count = 0
        if count == 0:
            raise ConnectionLost("The daemon closed the connection.")
        if not self._reader.is_inside_message:
            self._idle_s = self.waited_s
        self._reader.advance(count)
        self._heard_s = self.waited_s
        return True


def _refusal(data: bytes) -> ConnectionLost:
    reason = data[1 : 1 + data[0]] if data else b""
    text = "".join(character for character in reason.decode("ascii", "replace") if character.isprintable())
    return ConnectionLost(f"The daemon refuses this connection ({text[:64] or 'no reason given'}).")


def _connect(endpoint: str, deadline: float, idle: Callable[[], None] | None) -> socket.socket:
    family, address = _address(endpoint)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _await_connected(sock, address, deadline, idle)
    except OSError as error:
        sock.close()
        raise ConnectionLost(f"Nothing answers at the daemon's address ({error.strerror or error}).") from None
    except BaseException:
        sock.close()
        raise
    return sock


def _await_connected(
    sock: socket.socket, address: tuple[str, int] | bytes, deadline: float, idle: Callable[[], None] | None
) -> None:
    code = sock.connect_ex(address)
    while code in _PENDING:
        if time.monotonic() >= deadline:
            raise ConnectionLost(_NO_ANSWER)
        if sock.family == socket.AF_INET:
            with selectors.DefaultSelector() as selector:
                selector.register(sock, selectors.EVENT_WRITE)
                if selector.select(TICK_S):
                    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        else:
            # The queue of a Unix listener is full: there is nothing to poll for, only to try again.
            time.sleep(TICK_S)
            code = sock.connect_ex(address)
        if idle is not None:
            idle()
    if code:
        raise OSError(code, os.strerror(code))


def _address(endpoint: str) -> tuple[int, tuple[str, int] | bytes]:
    scheme, _, rest = endpoint.partition("://")
    if scheme == "ipc" and rest.startswith("/") and "\x00" not in rest:
        family = getattr(socket, "AF_UNIX", None)
        if family is None:
            raise ConnectionLost("This Python knows no ipc connections.")
        return family, os.fsencode(rest)
    host, _, port = rest.rpartition(":")
    if scheme == "tcp" and host == _HOST and port.isascii() and port.isdigit() and 0 < int(port) < 65536:
        return socket.AF_INET, (host, int(port))
    raise ConnectionLost(f"The daemon's address {endpoint[:80]!r} is not one on this computer.")


def _check_peer(sock: socket.socket) -> None:
    """Refuse a Unix socket that another user listens on (where the system tells)."""
    if sys.platform != "linux" or sock.family != socket.AF_UNIX:
        return
    with contextlib.suppress(OSError):
        _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        if uid != os.geteuid():
            raise ConnectionLost("The daemon belongs to another user; start your own with 'gimp-bsrgan serve'.")
