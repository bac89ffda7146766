"""One connection to one run of the daemon: handshake, numbered messages, signs of life."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from bsrgan_wire import PROTOCOL, __version__, limits, proof
from bsrgan_wire.codec import DAEMON_KINDS, Buffer, Envelope, decode, encode
from bsrgan_wire.errors import ConnectionLost, DaemonUnreachable, FrameError, RemoteError
from bsrgan_wire.messages import Bye, Error, Hello, Message, Ping, Reject, Welcome
from bsrgan_wire.rendezvous import Rendezvous
from bsrgan_wire.zmtp import TICK_S, Connection

_MISSED_PINGS = 3
_BYE_S = 0.2


class Session:
    """A connection after WELCOME.

    Attributes:
        connection: the ZMTP connection.
        welcome: the daemon's answer to HELLO.
        is_dismissed: whether the daemon has said BYE.
    """

    def __init__(self, connection: Connection, welcome: Welcome, seq: int) -> None:
        self.connection = connection
        self.welcome = welcome
        self.is_dismissed = False
        self._seq = seq
        self._sent_at = time.monotonic()
        self._pings = 0
        self._pinged_s = 0.0

    @classmethod
    def open(
        cls, rendezvous: Rendezvous, *, name: str, timeout_s: float, idle: Callable[[], None] | None = None
    ) -> Session:
        """Connect to the first endpoint that answers, and shake hands.

        Args:
            rendezvous: where the daemon is.
            name: of this client, for the daemon's log.
            timeout_s: time for all endpoints together.
            idle: called at least every 50 ms meanwhile.

        Raises:
            DaemonUnreachable: no endpoint answered as our daemon does.
            RemoteError: the daemon rejects this client.
            FrameError: the daemon's answer is not of this protocol.
        """
        deadline = time.monotonic() + timeout_s
        why = "it names no address"
        for number, endpoint in enumerate(rendezvous.endpoints):
            share_s = max(0.0, deadline - time.monotonic()) / (len(rendezvous.endpoints) - number)
            try:
                return cls._open_one(endpoint, rendezvous, name, time.monotonic() + share_s, idle)
            except ConnectionLost as lost:
                why = str(lost)
        reason = why[:1].lower() + why[1:].rstrip(".")
        raise DaemonUnreachable(f"The daemon cannot be reached: {reason}; start it with 'gimp-bsrgan serve'.")

    @classmethod
    def _open_one(
        cls, endpoint: str, rendezvous: Rendezvous, name: str, deadline: float, idle: Callable[[], None] | None
    ) -> Session:
        connection = Connection.open(endpoint, timeout_s=deadline - time.monotonic(), idle=idle)
        try:
            welcome = _shake_hands(connection, rendezvous, name, deadline, idle)
        except BaseException:
            connection.close()
            raise
        return cls(connection, welcome, seq=1)

    def send(self, message: Message, payload: Buffer = b"") -> int:
        """Send a message and return its number; a payload must stay unchanged until nothing is unsent.

        Raises:
            ConnectionLost: the connection is closed.
            FrameError: a field breaks its limits.
        """
        self._seq += 1
        self.connection.send(encode(message, seq=self._seq, session=self.welcome.session, payload=payload))
        self._sent_at = time.monotonic()
        return self._seq

    def receive(self, timeout_s: float) -> Envelope | None:
        """The next message within `timeout_s`, or None; PINGs are sent meanwhile as the protocol asks.

        A payload is valid until the next call.

        Raises:
            ConnectionLost: the daemon said BYE, is gone or silent.
            FrameError: what came is no message of this protocol; the connection is closed.
        """
        self._stay_alive()
        frames = self.connection.receive(timeout_s)
        if frames is None:
            return None
        self._pings = 0
        try:
            envelope = decode(frames, DAEMON_KINDS)
        except FrameError:
            self.connection.close()
            raise
        if isinstance(envelope.message, Error) and envelope.message.code == "AUTH":
            # The session has ended, for example because this computer slept: a new one can take the job over.
            self.connection.close()
            raise ConnectionLost("The daemon has ended this session.")
        if isinstance(envelope.message, Bye):
            self.is_dismissed = True
            raise ConnectionLost(f"The daemon is leaving ({envelope.message.reason or 'no reason given'}).")
        return envelope

    def close(self) -> None:
        """Say BYE if that is possible at once, and close."""
        with contextlib.suppress(ConnectionLost, FrameError):
            self.send(Bye())
            self.connection.flush(_BYE_S)
        self.connection.close()

    def _stay_alive(self) -> None:
        # Sending follows the clock on the wall, as the daemon's patience does; giving up follows the time spent
        # waiting, because answers may lie unread while the program was busy elsewhere.
        now, waited_s = time.monotonic(), self.connection.waited_s
        if now - self._sent_at < limits.PING_INTERVAL_S:
            return
        if self._pings >= _MISSED_PINGS and waited_s - self._pinged_s >= limits.PING_INTERVAL_S:
            self.connection.close()
            raise ConnectionLost("The daemon does not answer any more.")
        self.send(Ping())
        self._pings += 1
        self._pinged_s = waited_s


def _shake_hands(
    connection: Connection,
    rendezvous: Rendezvous,
    name: str,
    deadline: float,
    idle: Callable[[], None] | None,
) -> Welcome:
    must_prove = connection.endpoint.startswith("tcp:")
    secret = bytes.fromhex(rendezvous.secret)
    if must_prove and not secret:
        raise ConnectionLost("The daemon's address file holds no key for its tcp address; restart the daemon.")
    nonce = proof.nonce()
    mac = proof.client_mac(secret, nonce, rendezvous.instance) if must_prove else b""
    hello = Hello(protocols=(PROTOCOL,), client=name[:64], version=__version__, nonce=nonce, mac=mac)
    connection.send(encode(hello, seq=1))
    welcome = _welcome(_first_answer(connection, deadline, idle))
    # Without a rendezvous file (an ipc address given by hand) nobody knows the instance beforehand.
    if rendezvous.instance and welcome.instance != rendezvous.instance:
        raise ConnectionLost("The daemon was restarted a moment ago; try again.")
    if must_prove and not proof.is_equal(
        welcome.mac, proof.daemon_mac(secret, nonce, welcome.nonce, rendezvous.instance)
    ):
        raise ConnectionLost("Another program answers at the daemon's address; restart the daemon and try again.")
    return welcome


def _first_answer(connection: Connection, deadline: float, idle: Callable[[], None] | None) -> Message:
    while (left_s := deadline - time.monotonic()) > 0:
        frames = connection.receive(min(left_s, TICK_S))
        if frames is not None:
            return decode(frames, DAEMON_KINDS, limits.GREETING_HEADER_BYTES).message
        if idle is not None:
            idle()
    raise ConnectionLost("The daemon does not answer; if that stays so, restart it.")


def _welcome(answer: Message) -> Welcome:
    if isinstance(answer, Reject):
        supported = ", ".join(str(number) for number in answer.supported)
        raise RemoteError(answer.code, answer.text, f"supported protocols: {supported}" if supported else "")
    if isinstance(answer, Error):
        raise RemoteError(answer.code, answer.text, answer.detail)
    if not isinstance(answer, Welcome):
        raise FrameError("SEQUENCE", detail=f"{answer.KIND} instead of WELCOME")
    if answer.protocol != PROTOCOL:
        raise RemoteError("VERSION", detail=f"the daemon chose protocol {answer.protocol}")
    return answer
