"""Clients: sessions by routing id, sending without ever waiting, and what is still on its way to each of them."""

from __future__ import annotations

import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import zmq

from bsrgan_backend.daemon.logs import log
from bsrgan_wire import codec, limits
from bsrgan_wire.codec import Buffer
from bsrgan_wire.errors import CODES, FrameError
from bsrgan_wire.messages import Error, Fetch, Message, State

OUTBOX_MESSAGES = 128
SESSIONS = 1024
_STRANGERS = 1024


@dataclass
class Session:
    """One client that has said HELLO.

    Attributes:
        id: its token; jobs hang on it, and ATTACH must name it.
        routing_id: what the ROUTER calls its connection.
        heard: when its last message came.
        errors: protocol errors so far.
        connection: descriptor of its connection, to recognise it in libzmq's report of a lost one.
        orphan_since: when it was found gone or silent; None while it is there.
        is_gone: its connection is lost for good; what is sent to it is dropped.
        outbox: messages that did not fit into its connection yet.
        fetches: FETCHes that wait until earlier chunks have left, each with its message number.
        chunks: chunks that libzmq still holds.
    """

    id: str
    routing_id: bytes
    heard: float
    connection: int = -1
    seq: int = 0
    errors: int = 0
    orphan_since: float | None = None
    is_gone: bool = False
    outbox: deque[list[Buffer]] = field(default_factory=deque)
    fetches: deque[tuple[Fetch, int]] = field(default_factory=deque)
    chunks: deque[zmq.MessageTracker] = field(default_factory=deque)

    def chunks_in_flight(self) -> int:
        """Chunks that have not left this process yet; the others' memory is free again."""
        while self.chunks and self.chunks[0].done:
            self.chunks.popleft()
        return len(self.chunks)


class Sessions:
    """All sessions, and the only place that sends on the ROUTER.

    Attributes:
        protocol_errors: bad messages since the start, of sessions and of strangers.
    """

    def __init__(self, router: zmq.Socket[bytes], clock: Callable[[], float]) -> None:
        self._router = router
        self._clock = clock
        self._by_routing: dict[bytes, Session] = {}
        self._by_id: dict[str, Session] = {}
        self._blocked: OrderedDict[bytes, None] = OrderedDict()
        self._strangers: OrderedDict[bytes, int] = OrderedDict()
        self.protocol_errors = 0

    def __iter__(self) -> Iterator[Session]:
        """Sessions, also orphaned ones; the table may change meanwhile."""
        return iter(list(self._by_routing.values()))

    def __len__(self) -> int:
        """Sessions whose client is there."""
        return sum(session.orphan_since is None for session in self._by_routing.values())

    def of(self, routing_id: bytes) -> Session | None:
        """The session behind a connection, if it has one."""
        return self._by_routing.get(routing_id)

    def by_id(self, session_id: str) -> Session | None:
        """The session with that token, if it still exists."""
        return self._by_id.get(session_id)

    def is_blocked(self, routing_id: bytes) -> bool:
        """Whether the connection was closed for its errors; libzmq cannot hang up on one peer, so it is ignored."""
        return routing_id in self._blocked

    def is_full(self) -> bool:
        """Whether no further session is taken."""
        return len(self._by_routing) >= SESSIONS

    def open(self, routing_id: bytes, connection: int = -1) -> Session:
        """A new session for a connection."""
        self._strangers.pop(routing_id, None)
        session = Session(secrets.token_hex(16), routing_id, self._clock(), connection)
        self._by_routing[routing_id] = self._by_id[session.id] = session
        return session

    def close(self, session: Session, *, block: bool = False) -> None:
        """Forget a session; with `block` everything else from its connection is ignored."""
        self._by_routing.pop(session.routing_id, None)
        self._by_id.pop(session.id, None)
        if block:
            self.block(session.routing_id)

    def block(self, routing_id: bytes) -> None:
        """Ignore a connection from now on."""
        _remember(self._blocked, routing_id, None)

    def count_error(self, routing_id: bytes) -> int:
        """Count a protocol error of a connection and return how many it has made."""
        self.protocol_errors += 1
        session = self.of(routing_id)
        if session is not None:
            session.errors += 1
            return session.errors
        count = self._strangers.get(routing_id, 0) + 1
        _remember(self._strangers, routing_id, count)
        return count

    def post(self, session: Session, message: Message, ref: int = 0) -> None:
        """Send a message, now or when there is room; a client that is gone becomes an orphan.

        One that cannot be encoded, for a text in it, is our mistake and not the client's: it goes without those texts.
        """
        session.seq += 1
        try:
            frames = codec.encode(message, seq=session.seq, ref=ref, session=session.id)
        except FrameError as error:
            log.error("%s cannot be sent: %s", message.KIND, error.detail)
            frames = codec.encode(_plain(message), seq=session.seq, ref=ref, session=session.id)
        if session.outbox or not self._sent(session, frames):
            session.outbox.append(frames)
            if len(session.outbox) > OUTBOX_MESSAGES:
                # It does not read. Its stream would have a hole from here on, so it must connect anew.
                self.lose(session)
                self.block(session.routing_id)

    def offer(self, session: Session, message: Message) -> bool:
        """Send a message that may get lost; False when there was no room for it."""
        if session.outbox or session.is_gone:
            return False
        session.seq += 1
        return self._sent(session, codec.encode(message, seq=session.seq, session=session.id))

    def post_chunk(self, session: Session, message: Message, payload: bytes, ref: int) -> bool:
        """Send a CHUNK without a copy and keep track of it, or when there is room; False when the client is gone.

        Call it while the outbox is empty, so that no more than one waits there.
        """
        session.seq += 1
        frames = codec.encode(message, seq=session.seq, ref=ref, session=session.id, payload=payload)
        tracker = self._tracked(session, frames)
        if tracker is not None:
            session.chunks.append(tracker)
        elif not session.is_gone:
            session.outbox.append(frames)
        return not session.is_gone

    def post_stranger(self, routing_id: bytes, message: Message, ref: int = 0, session_id: str = "") -> None:
        """Send to a connection without a session; it gets lost when there is no room."""
        frames = codec.encode(message, seq=1, ref=ref, session=session_id)
        try:
            self._router.send_multipart([routing_id, *frames], zmq.DONTWAIT)
        except zmq.ZMQError as error:
            if error.errno not in (zmq.EAGAIN, zmq.EHOSTUNREACH):
                raise

    def flush(self) -> None:
        """Try the outboxes again."""
        for session in self:
            while session.outbox and self._sent(session, session.outbox[0]):
                if session.outbox:  # a lost session's outbox has just been emptied
                    session.outbox.popleft()

    def is_flushing(self) -> bool:
        """Whether anything waits for room in a connection."""
        return any(s.outbox or s.fetches for s in self._by_routing.values())

    def hear(self, session: Session) -> bool:
        """Note a sign of life; True when the session was an orphan and is back."""
        session.heard = self._clock()
        if session.is_gone or session.orphan_since is None:
            return False  # last words that were read after the report of the lost connection change nothing
        session.orphan_since = None
        return True

    def lose(self, session: Session) -> None:
        """Note that a client's connection is lost."""
        session.is_gone = True
        if session.orphan_since is None:
            session.orphan_since = self._clock()
        session.outbox.clear()
        session.fetches.clear()
        session.chunks.clear()

    def lose_connection(self, connection: int) -> None:
        """Note libzmq's report that a connection is lost; only sessions greeted before that report may be there."""
        for session in self:
            if session.connection == connection and not session.is_gone:
                self.lose(session)

    def find_silent(self) -> None:
        """Make orphans of the sessions that have been silent for too long."""
        for session in self:
            if session.orphan_since is None and self._clock() - session.heard > limits.SILENCE_S:
                session.orphan_since = self._clock()

    def forget_orphans(self, keep_s: float) -> None:
        """Close sessions that have been orphans for `keep_s` seconds; their jobs can still be attached."""
        for session in self:
            if session.orphan_since is not None and self._clock() - session.orphan_since > keep_s:
                self.close(session)

    def _sent(self, session: Session, frames: list[Buffer]) -> bool:
        """True when the message has left or its client is gone for good; False when there is no room now."""
        if session.is_gone:
            return True
        try:
            self._router.send_multipart([session.routing_id, *frames], zmq.DONTWAIT)
        except zmq.ZMQError as error:
            return self._refused(session, error)
        return True

    def _tracked(self, session: Session, frames: list[Buffer]) -> zmq.MessageTracker | None:
        try:
            return self._router.send_multipart([session.routing_id, *frames], zmq.DONTWAIT, copy=False, track=True)
        except zmq.ZMQError as error:
            self._refused(session, error)
            return None

    def _refused(self, session: Session, error: zmq.ZMQError) -> bool:
        if error.errno == zmq.EAGAIN:
            return False
        if error.errno == zmq.EHOSTUNREACH:
            self.lose(session)
            return True
        raise error


def _plain(message: Message) -> Message:
    """What is told in place of a message with something in it that cannot be encoded."""
    if isinstance(message, State):
        text = CODES[message.code].text if message.code else ""
        return replace(message, text=text, model="", notes=(), recipe="")
    if isinstance(message, Error):
        return replace(message, text=CODES[message.code].text, detail="")
    facts = CODES["INTERNAL"]
    return Error("INTERNAL", facts.klass, facts.retry, facts.text)


def _remember(table: OrderedDict[bytes, int] | OrderedDict[bytes, None], key: bytes, value: int | None) -> None:
    """Keep the latest peers only: routing ids come new with every connection."""
    table[key] = value  # type: ignore[assignment]
    table.move_to_end(key)
    while len(table) > _STRANGERS:
        table.popitem(last=False)
