"""Random sequences of right and wrong messages against a model: one answer each, the one that the model says."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bsrgan_wire import codec, limits
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
    ModelsReport,
    Ping,
    Pong,
    Progress,
    Put,
    Reject,
    Release,
    Released,
    State,
    Status,
    StatusReport,
    Submit,
)
from support.daemons import Peer, order, pixels, wait_for

OPERATIONS = (
    "submit", "submit other", "put", "put gap", "put damaged", "put beyond", "commit", "commit wrong", "fetch",
    "fetch beyond", "release", "cancel", "attach", "attach wrong", "ping", "status", "hello", "wrong session",
    "from daemon", "unknown kind", "no map", "field missing", "four frames", "slow commit",
)  # fmt: skip
ENDED = ("failed", "cancelled", "released")
COUNTED = {"BAD_MAGIC", "BAD_FRAME", "BAD_HEADER", "UNKNOWN_KIND", "FLOW", "SEQUENCE", "TOO_LARGE", "CHECKSUM", "AUTH"}


class Model:
    """What one client with one job should see."""

    def __init__(self, peer, *, slow):
        self.peer = peer
        self.order = order(3, 2, 1, params={"sleep_s": 60.0} if slow else {})
        self.data = pixels(self.order)
        self.final = "running" if slow else "ready"
        self.state = "none"
        self.received = 0
        self.crc = 0
        self.errors = 0
        self.told = []

    # Each operation sends its message and returns (number, expected kind or code, next state).

    def submit(self):
        """Submit."""
        wanted = Accepted if self.state not in ENDED else "JOB_DONE"
        return self.peer.send(self.order), wanted, "uploading" if self.state == "none" else self.state

    def submit_other(self):
        """Submit other."""
        asked = Submit(self.order.job, 0, 1, 1, "u8", 1, 1)
        return self.peer.send(asked), "ZERO_SIZE" if self.state == "none" else "BAD_PARAM", self.state

    def _put(self, offset, length, crc=None):
        piece = bytes(self.data[offset : offset + length]).ljust(length, b"x")
        message = Put(self.order.job, offset, length, zlib.crc32(piece) if crc is None else crc)
        return self.peer.send(message, piece), piece

    def _upload_answer(self, good, code):
        """(expected, next state) of a message that belongs to an upload."""
        if self.state == "none":
            return "JOB_UNKNOWN", self.state
        if self.state == "cancelled":
            return "CANCELLED", self.state
        if self.state in ENDED:
            return "JOB_DONE", self.state
        if self.state != "uploading":
            return "SEQUENCE", self.state
        return (good, "uploading") if code is None else (code, "failed")

    def put(self):
        """Put."""
        left = len(self.data) - self.received
        length = max(min(4, left), 1)
        number, piece = self._put(self.received, length)
        answer = self._upload_answer(Credit, None if left else "TOO_LARGE")
        if answer[0] is Credit:
            self.received += length
            self.crc = zlib.crc32(piece, self.crc)
        return number, *answer

    def put_gap(self):
        """Put gap."""
        return self._put(self.received + 1, 1)[0], *self._upload_answer(None, "SEQUENCE")

    def put_damaged(self):
        """Put damaged."""
        # Whether it is complete is checked before its checksum.
        code = "CHECKSUM" if self.received < len(self.data) else "TOO_LARGE"
        return self._put(self.received, 1, crc=1)[0], *self._upload_answer(None, code)

    def put_beyond(self):
        """Put beyond."""
        length = len(self.data) - self.received + 1
        return self._put(self.received, length)[0], *self._upload_answer(None, "TOO_LARGE")

    def commit(self):
        """Commit."""
        number = self.peer.send(Commit(self.order.job, len(self.data), zlib.crc32(self.data)))
        expected, state = self._upload_answer(State, None if self.received == len(self.data) else "SEQUENCE")
        return number, expected, self.final if expected is State else state

    def slow_commit(self):
        """As commit, after a pause in which the daemon may do what it likes."""
        self.peer.socket.poll(5)
        return self.commit()

    def commit_wrong(self):
        """Commit wrong."""
        number = self.peer.send(Commit(self.order.job, len(self.data), zlib.crc32(self.data) ^ 1))
        code = "CHECKSUM" if self.received == len(self.data) else "SEQUENCE"
        return number, *self._upload_answer(None, code)

    def _fetch_answer(self, good):
        expected = {"none": "JOB_UNKNOWN", "ready": good, "cancelled": "CANCELLED"}
        late = "JOB_DONE" if self.state in ENDED else "SEQUENCE"
        return expected.get(self.state, late), self.state

    def fetch(self):
        """Fetch."""
        return self.peer.send(Fetch(self.order.job, 0, 5)), *self._fetch_answer(Chunk)

    def fetch_beyond(self):
        """Fetch beyond."""
        return self.peer.send(Fetch(self.order.job, 90, 7)), *self._fetch_answer("TOO_LARGE")

    def release(self):
        """Release."""
        after = {"none": "none", "ready": "released"}.get(self.state)
        after = after or (self.state if self.state in ENDED else "cancelled")
        return self.peer.send(Release(self.order.job)), "JOB_UNKNOWN" if self.state == "none" else Released, after

    def cancel(self):
        """Cancel."""
        number = self.peer.send(Cancel(self.order.job))
        if self.state == "none":
            return number, "JOB_UNKNOWN", "none"
        if self.state in ("ready", "failed", "released"):
            return number, "JOB_DONE", self.state
        return number, Cancelled, "cancelled"

    def attach(self):
        """Attach."""
        number = self.peer.send(Attach(self.order.job, self.peer.session))
        return number, "JOB_UNKNOWN" if self.state == "none" else State, self.state

    def attach_wrong(self):
        """Attach wrong."""
        return self.peer.send(Attach(self.order.job, "0" * 32)), "JOB_UNKNOWN", self.state

    def ping(self):
        """Ping."""
        return self.peer.send(Ping()), Pong, self.state

    def status(self):
        """Status."""
        return self.peer.send(Status()), StatusReport, self.state

    def hello(self):
        """Hello."""
        return self.peer.send(Hello((1,), "x", "0", b"n" * 16)), "SEQUENCE", self.state

    def wrong_session(self):
        """Wrong session."""
        return self.peer.send(Ping(), session="f" * 32), "AUTH", self.state

    def from_daemon(self):
        """From daemon."""
        return self.peer.send(Pong()), "UNKNOWN_KIND", self.state

    def _raw(self, code, header, *more):
        self.peer.seq += 1
        packed = codec.msgpack.packb({"n": self.peer.seq, "s": self.peer.session, **header})
        self.peer.send_raw(b"SRP1", packed, *more)
        return self.peer.seq, code, self.state

    def unknown_kind(self):
        """Unknown kind."""
        return self._raw("UNKNOWN_KIND", {"k": "DANCE"})

    def field_missing(self):
        """Field missing."""
        return self._raw("BAD_HEADER", {"k": "CANCEL"})

    def no_map(self):
        """No map."""
        self.peer.send_raw(b"SRP1", b"\x93\x01\x02\x03")
        return 0, "BAD_HEADER", self.state

    def four_frames(self):
        """Four frames."""
        self.peer.send_raw(b"SRP1", b"\x80", b"", b"")
        return 0, "BAD_FRAME", self.state

    def step(self, name):
        """Do an operation and compare; False when the session was closed for its errors."""
        old = self.state
        number, expected, self.state = getattr(self, name.replace(" ", "_"))()
        envelope = self.answer(number)
        got = envelope.message
        if isinstance(expected, str):
            assert isinstance(got, Error), (name, old, got)
            assert got.code == expected, (name, old, got)
            self.errors += expected in COUNTED
        else:
            assert isinstance(got, expected), (name, old, got)
        if isinstance(got, State) and name.startswith("attach"):
            assert got.state == self.state
            assert got.received == self.received
        if self.errors == limits.PROTOCOL_ERRORS:
            self.peer.expect(Bye)
            return False
        if self.state not in (old, "uploading", "none") and not (name == "release" and old == "ready"):
            self.wait_for_state(self.state)
        return True

    def wait_for_state(self, state):
        """The job's STATE may have come before the answer or come now."""
        while state not in self.told:
            message = self.peer.receive().message
            assert isinstance(message, State | Progress), message
            self._note(message)
        self.told.clear()

    def _note(self, message):
        if isinstance(message, State):
            assert message.job == self.order.job
            self.told.append(message.state)

    def answer(self, number):
        """The one message that answers; on the way only states and progress may come."""
        while True:
            envelope = self.peer.receive()
            self._note(envelope.message)
            is_error = isinstance(envelope.message, Error)
            if envelope.ref == number and (number or is_error):
                return envelope
            assert isinstance(envelope.message, State | Progress), envelope


@given(st.lists(st.sampled_from(OPERATIONS), min_size=5, max_size=40), st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_message_gets_the_answer_of_the_model(daemon, operations, slow, likely):
    """Legal or not, each message gets exactly one answer, and the job's state is the model's after each."""
    if likely:
        operations = ["submit", "put", "put", "commit", *operations]
    peer = daemon.connect()
    model = Model(peer, slow=slow)
    for name in operations:
        if not model.step(name):
            break
    else:
        peer.send(Bye())
        assert not any(isinstance(e.message, Error) for e in drain(peer))
    peer.close()


def drain(peer):
    """What comes until BYE."""
    came = []
    while not came or not isinstance(came[-1].message, Bye):
        came.append(peer.receive())
    return came


NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats()
JUNK = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
KEYS = ("j", "w", "h", "c", "dtype", "ow", "oh", "off", "len", "crc", "total", "session", "protos", "nonce", "params")


@given(
    st.sampled_from([*sorted(codec.CLIENT_KINDS), "WELCOME", ""]),
    st.dictionaries(st.sampled_from(KEYS), JUNK, max_size=6),
    st.sampled_from(["own", "none", "junk"]),
    st.lists(st.binary(max_size=16), max_size=2),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_fields_of_any_type_get_one_error(daemon, fuzzing, kind, fields, session, payloads):
    """Headers whose fields are of any type and size are refused with one ERROR, and never an internal one."""
    if kind in ("SHUTDOWN", "BYE"):
        fields["reason"] = 7
    if kind == "SHUTDOWN":
        payloads = [b"", b""]
    peer = fuzzing.peer(daemon)
    peer.seq += 1
    sessions = {"own": peer.session, "none": "", "junk": 5}
    header = {**fields, "k": kind, "n": peer.seq, "s": sessions[session]}
    peer.send_raw(b"SRP1", codec.msgpack.packb(header), *payloads)
    answer = peer.receive()
    if isinstance(answer.message, Error):
        assert answer.message.code != "INTERNAL"
    else:
        assert isinstance(answer.message, Pong | StatusReport | ModelsReport | Bye | Reject), (kind, answer)


class Fuzzing:
    """Gives the same client until it has made too many errors."""

    def __init__(self):
        self.current = None
        self.uses = 0

    def peer(self, daemon):
        """A welcomed client that may still make an error."""
        self.uses += 1
        if self.current is None or self.uses >= limits.PROTOCOL_ERRORS:
            self.close()
            self.current, self.uses = daemon.connect(), 0
        return self.current

    def close(self):
        """Leave."""
        if self.current is not None:
            self.current.close()


@pytest.fixture
def fuzzing():
    """A supply of clients."""
    supply = Fuzzing()
    yield supply
    supply.close()


@given(st.lists(st.binary(max_size=64), min_size=1, max_size=4), st.sampled_from([b"SRP1", b"SRP2", b"", b"GET /"]))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_strangers_with_random_frames_are_rejected(daemon, frames, magic):
    """Frames of random bytes from a connection without HELLO get one REJECT."""
    peer = Peer(daemon)
    peer.send_raw(magic, *frames)
    assert isinstance(peer.receive().message, Reject)
    peer.close()


def test_the_daemon_is_as_before(daemon, peer):
    """After all that, no job, no pixel and no session is left, and work goes on."""
    asked = order()
    peer.upscale(pixels(asked), asked)
    wait_for(lambda: peer.status()["sessions"] == 1)
    report = peer.status()
    assert (report["queue"], report["spool_bytes"], report["worker_restarts"]) == (0, 0, 0)
    assert report["rss_bytes"] < 80e6
