"""Connections that have not been welcomed yet: versions, proofs, and everything that is no HELLO."""

from __future__ import annotations

from collections import OrderedDict

from bsrgan_backend.daemon.identity import Identity
from bsrgan_backend.daemon.logs import log
from bsrgan_backend.daemon.sessions import Session, Sessions
from bsrgan_wire import PROTOCOL, codec, limits, proof
from bsrgan_wire import __version__ as version
from bsrgan_wire.codec import Buffer
from bsrgan_wire.errors import CODES, FrameError
from bsrgan_wire.messages import LATER_KINDS, Error, Hello, Reject, Welcome

PROOF_FAILURES = 3
_REMEMBERED = 4096
_HINT = f"The daemon speaks protocol {PROTOCOL}; run the installer again, then restart the daemon and GIMP."


class Greeter:
    """Turns strangers into sessions, or away."""

    def __init__(self, sessions: Sessions, identity: Identity) -> None:
        self._sessions = sessions
        self._identity = identity
        self._nonces: OrderedDict[bytes, None] = OrderedDict()
        self._failed_proofs: OrderedDict[bytes, int] = OrderedDict()

    def answer(self, routing_id: bytes, frames: list[Buffer], connection: int) -> None:
        """Answer a message of a connection without a session.

        Args:
            routing_id: the connection.
            frames: the message's frames.
            connection: the descriptor that libzmq received it from.
        """
        try:
            envelope = codec.decode(frames, codec.CLIENT_KINDS, limits.GREETING_HEADER_BYTES)
        except FrameError as error:
            # Whoever does not even say HELLO in words we know is most likely another version.
            self._reject(routing_id, "VERSION", _HINT, error.ref)
            return
        if isinstance(envelope.message, Hello):
            self._greet(routing_id, envelope.message, envelope.seq, connection)
            return
        facts = CODES["AUTH"]
        text = "The connection has not said HELLO, or its session has ended; connect again."
        self._sessions.post_stranger(routing_id, Error("AUTH", facts.klass, facts.retry, text), envelope.seq)
        self._count_stranger(routing_id)

    def _greet(self, routing_id: bytes, hello: Hello, ref: int, connection: int) -> None:
        if PROTOCOL not in hello.protocols:
            self._reject(routing_id, "VERSION", _HINT, ref)
        elif self._sessions.is_full():
            self._reject(routing_id, "QUEUE_FULL", "The daemon has too many clients; close some and try again.", ref)
        elif not self._is_proven(hello):
            self._reject(routing_id, "AUTH", CODES["AUTH"].text, ref)
            self._failed_proofs[routing_id] = self._failed_proofs.pop(routing_id, 0) + 1
            if self._failed_proofs[routing_id] >= PROOF_FAILURES:
                self._sessions.block(routing_id)
            while len(self._failed_proofs) > _REMEMBERED:
                self._failed_proofs.popitem(last=False)
        else:
            self._welcome(self._sessions.open(routing_id, connection), hello, ref)

    def _is_proven(self, hello: Hello) -> bool:
        """On tcp the client must prove that it can read the rendezvous file, each time with a new challenge."""
        secret = self._identity.secret
        if not secret:
            return True
        expected = proof.client_mac(secret, hello.nonce, self._identity.instance)
        if hello.nonce in self._nonces or not proof.is_equal(hello.mac, expected):
            return False
        self._nonces[hello.nonce] = None
        if len(self._nonces) > _REMEMBERED:
            self._nonces.popitem(last=False)
        return True

    def _welcome(self, session: Session, hello: Hello, ref: int) -> None:
        nonce, secret, instance = proof.nonce(), self._identity.secret, self._identity.instance
        mac = proof.daemon_mac(secret, hello.nonce, nonce, instance) if secret else b""
        log.info("session %s opened", session.id[:8])
        self._sessions.post(
            session,
            Welcome(
                PROTOCOL, version, instance, session.id, limits.CHUNK_BYTES, limits.CREDIT, nonce, mac, LATER_KINDS
            ),
            ref,
        )

    def _reject(self, routing_id: bytes, code: str, text: str, ref: int) -> None:
        self._sessions.post_stranger(routing_id, Reject(code, text, (PROTOCOL,)), ref)
        self._count_stranger(routing_id)

    def _count_stranger(self, routing_id: bytes) -> None:
        if self._sessions.count_error(routing_id) >= limits.PROTOCOL_ERRORS:
            self._sessions.block(routing_id)
