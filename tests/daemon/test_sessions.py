"""Sessions, time limits and the worker's budget, with a clock and a ROUTER that tests control."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import zmq

from bsrgan_backend.daemon.crashes import RESTART_WINDOW_S, RESTARTS
from bsrgan_backend.daemon.dispatch import Dispatcher
from bsrgan_backend.daemon.jobs import JobTable
from bsrgan_backend.daemon.ledger import Ledger
from bsrgan_backend.daemon.requests import Desk
from bsrgan_backend.daemon.sessions import OUTBOX_MESSAGES, SESSIONS, Sessions
from bsrgan_backend.daemon.spool import Spool
from bsrgan_backend.daemon.upkeep import UPLOAD_SILENCE_S, Upkeep
from bsrgan_backend.daemon.workers import WorkerFacts
from bsrgan_backend.errors import BackendError
from bsrgan_backend.settings import Settings
from bsrgan_wire import codec, limits
from bsrgan_wire.errors import CODES
from bsrgan_wire.messages import Attach, Chunk, Error, Fetch, Hello, Ping, Pong, Progress, Reject, State, StatusReport
from support.daemons import add_model, order


class FakeRouter:
    """Keeps what is sent, or refuses it."""

    def __init__(self):
        self.sent = []
        self.refusal = 0

    def send_multipart(self, frames, _flags, copy=True, track=False):
        """As a ROUTER does."""
        if self.refusal:
            raise zmq.ZMQError(self.refusal)
        self.sent.append((frames[0], codec.decode([bytes(f) for f in frames[1:]], codec.DAEMON_KINDS)))
        return SimpleNamespace(done=True) if track else None

    def messages(self, kind=object):
        """Messages of a kind that were sent."""
        return [envelope.message for _peer, envelope in self.sent if isinstance(envelope.message, kind)]


class FakeStarter:
    """Workers that never say anything."""

    output = None

    def __init__(self):
        self.started = []

    def start(self, device, now):
        """A worker that has not said ready."""
        worker = SimpleNamespace(
            pid=1, device=device, heard=now, state="starting", facts=WorkerFacts(),
            link=SimpleNamespace(send=lambda _message: None), kill=lambda: None, is_reaped=lambda: True,
        )  # fmt: skip
        self.started.append(worker)
        return worker

    def last_words(self):
        """Nothing."""
        return ""


class Bench:
    """Everything of the supervisor but its loop and its processes."""

    def __init__(self, root, **settings):
        add_model(root)
        self.now = 1000.0
        clock = lambda: self.now  # noqa: E731
        self.router = FakeRouter()
        self.sessions = Sessions(self.router, clock)
        self.jobs = JobTable()
        self.ledger = Ledger(self.jobs, self.sessions, clock)
        self.settings = Settings(**settings)
        self.starter = FakeStarter()
        self.dispatcher = Dispatcher(self.ledger, self.settings, self.starter, clock)
        self.spool = Spool(root / "spool", 2**30)
        identity = SimpleNamespace(secret=b"", instance="0" * 32)
        self.desk = Desk(
            self.ledger, self.dispatcher, self.spool, self.settings, root, identity, clock, lambda: {"pid": 1}, {}
        )
        self.upkeep = Upkeep(self.ledger, self.dispatcher, self.desk, self.settings, clock)

    def say(self, message, peer=b"a", payload=b""):
        """A message from a client."""
        session = self.sessions.of(peer)
        frames = codec.encode(message, seq=1, session=session.id if session else "", payload=payload)
        self.desk.answer(peer, [bytes(frame) for frame in frames])

    def greet(self, peer=b"a"):
        """A welcomed client's session."""
        self.say(Hello((1,), "x", "0", b"n" * 16), peer)
        return self.sessions.of(peer)

    def job(self, session, state):
        """A job of a session, brought to a state."""
        asked = order()
        self.say(asked, session.routing_id)
        job = self.jobs.find(asked.job)
        for step in {"uploading": (), "queued": ("queued",), "running": ("queued", "running")}.get(
            state, ("queued", "running", "ready")
        ):
            self.ledger.change(job, step)
        return job

    def later(self, seconds):
        """Let time pass, a second at a time, without a word from anybody."""
        for _ in range(int(seconds)):
            self.now += 1.0
            self.upkeep.run()


@pytest.fixture
def bench(tmp_path):
    """A bench with default settings."""
    bench = Bench(tmp_path)
    yield bench
    bench.spool.close()


def test_a_silent_client_is_an_orphan_until_it_speaks(bench):
    """After 15 s of silence a session counts as gone; its next word brings it back with its jobs."""
    session = bench.greet()
    job = bench.job(session, "running")
    bench.later(limits.SILENCE_S)
    assert session.orphan_since is None
    bench.later(2)
    assert session.orphan_since is not None
    assert len(bench.sessions) == 0
    bench.say(Ping())
    assert session.orphan_since is None
    bench.later(1)
    assert job.orphan_since is None
    assert isinstance(bench.router.messages()[-1], Pong)


def test_a_ping_now_and_then_keeps_a_job(bench):
    """A client that pings every five seconds keeps a job of any length."""
    session = bench.greet()
    job = bench.job(session, "queued")
    for _ in range(40):
        bench.later(limits.PING_INTERVAL_S)
        bench.say(Ping())
    assert (job.state, session.orphan_since) == ("queued", None)


@pytest.mark.parametrize("state", ["uploading", "queued"])
def test_an_orphans_job_is_cancelled_after_the_grace(bench, state):
    """15 s of silence and 30 s of grace, then the job is cancelled and its space is free."""
    job = bench.job(bench.greet(), state)
    bench.later(limits.SILENCE_S + limits.ORPHAN_GRACE_S - 2)
    assert job.state == state
    bench.later(5)
    assert job.state == "cancelled"
    assert bench.spool.reserved_bytes == 0


def test_a_client_that_comes_back_late_is_told_why(bench):
    """A program that was halted for too long learns that it was silent, and not that somebody had cancelled."""
    owner = bench.greet()
    job = bench.job(owner, "queued")
    bench.later(limits.SILENCE_S + limits.ORPHAN_GRACE_S + 20)
    bench.greet(b"b")
    bench.say(Attach(job.id, owner.id), peer=b"b")
    state = bench.router.messages(State)[-1]
    assert (state.state, state.code) == ("cancelled", "TIMEOUT")
    assert state.text not in (CODES["TIMEOUT"].text, CODES["CANCELLED"].text)


def test_a_lost_connection_starts_the_grace_at_once(bench):
    """Libzmq's report of a lost connection counts like silence."""
    session = bench.sessions.open(b"z", connection=7)
    job = bench.job(session, "queued")
    bench.sessions.lose_connection(8)
    assert not session.is_gone
    bench.sessions.lose_connection(7)
    assert session.is_gone
    bench.later(limits.ORPHAN_GRACE_S + 2)
    assert job.state == "cancelled"
    assert bench.sessions.of(b"z") is None


@pytest.mark.parametrize("text", ["half a character \ud800", "x" * 5000])
def test_a_message_of_ours_that_cannot_be_encoded_is_told_plainly(bench, text):
    """A failed job keeps its code and an answer becomes INTERNAL; neither ends the loop nor counts as the client's."""
    session = bench.greet()
    job = bench.job(session, "running")
    job.notes = (text,)
    bench.ledger.change(job, "failed", "DEVICE", text)
    state = bench.router.messages(State)[-1]
    assert (state.state, state.code, state.text, state.notes) == ("failed", "DEVICE", CODES["DEVICE"].text, ())
    bench.sessions.post(session, StatusReport({"log": text * 4}), 7)
    envelope = bench.router.sent[-1][1]
    assert (envelope.message.code, envelope.ref) == ("INTERNAL", 7)
    bench.sessions.post(session, Error("DENIED", "auth", "no", text), 8)
    assert bench.router.messages()[-1].text == CODES["DENIED"].text
    assert session.errors == 0


def test_using_a_result_keeps_it(bench):
    """The time counts from the last use: a client that asks for its job now and then keeps the result."""
    session = bench.greet()
    job = bench.job(session, "ready")
    for _ in range(3):
        for _ in range(int(limits.RESULT_TTL_S / 10) - 1):
            bench.later(10)
            bench.say(Ping())
        bench.say(Attach(job.id, session.id))
    assert job.state == "ready"


def test_an_expired_result_is_told(bench):
    """The session gets STATE released with the reason, and a late FETCH gets the same code."""
    session = bench.greet()
    job = bench.job(session, "ready")
    for _ in range(int(limits.RESULT_TTL_S / 10) + 1):
        bench.later(10)
        bench.say(Ping())
    assert (job.state, job.code) == ("released", "RESULT_EXPIRED")
    assert [s.code for s in bench.router.messages(State)][-1] == "RESULT_EXPIRED"
    bench.say(Fetch(job.id, 0, 1))
    assert bench.router.messages()[-1].code == "RESULT_EXPIRED"
    assert bench.spool.reserved_bytes == 0


def test_an_upload_that_does_not_move_gives_its_place_back(bench):
    """A client that pings but never sends its pixels cannot keep a place for ever."""
    session = bench.greet()
    job = bench.job(session, "uploading")
    for _ in range(int(UPLOAD_SILENCE_S / 5) + 1):
        bench.later(5)
        bench.say(Ping())
    assert (job.state, job.code) == ("failed", "TIMEOUT")


def test_a_full_connection_gets_its_messages_later_in_order(bench):
    """What does not fit now waits and is sent in order; progress is not kept."""
    session = bench.greet()
    bench.router.refusal = zmq.EAGAIN
    for _ in range(3):
        bench.say(Ping())
    assert not bench.sessions.offer(session, Progress("0" * 32, "running", 1, 2))
    assert bench.sessions.is_flushing()
    bench.router.refusal = 0
    bench.router.sent.clear()
    bench.sessions.flush()
    assert [type(m) for m in bench.router.messages()] == [Pong] * 3
    numbers = [envelope.seq for _peer, envelope in bench.router.sent]
    assert numbers == sorted(numbers)
    assert not bench.sessions.is_flushing()


@pytest.mark.parametrize("is_full_before", [True, False])
def test_a_client_that_does_not_read_costs_no_reads(bench, monkeypatch, is_full_before):
    """Pieces of a result are read from the disk when there is room for them; the one that finds none waits itself."""
    session = bench.greet()
    job = bench.job(session, "ready")
    read = []
    monkeypatch.setattr(job.output, "read", lambda offset, length: read.append(offset) or b"x" * length)
    bench.router.refusal = zmq.EAGAIN
    if is_full_before:
        bench.say(Ping())
    for offset in range(3):
        bench.say(Fetch(job.id, offset, 1))
    for _ in range(50):
        bench.sessions.flush()
        bench.desk.serve_fetches(session)
    assert read == ([] if is_full_before else [0])
    bench.router.refusal = 0
    bench.sessions.flush()
    bench.desk.serve_fetches(session)
    assert read == [0, 1, 2]
    assert [chunk.offset for chunk in bench.router.messages(Chunk)] == [0, 1, 2]
    numbers = [envelope.seq for _peer, envelope in bench.router.sent]
    assert numbers == sorted(numbers)


def test_a_connection_that_stays_full_is_given_up(bench):
    """The number of waiting messages is bounded; a client that never reads must connect anew."""
    session = bench.greet()
    bench.router.refusal = zmq.EAGAIN
    for _ in range(OUTBOX_MESSAGES + 1):
        bench.say(Ping())
    assert session.is_gone
    assert not session.outbox
    assert bench.sessions.is_blocked(b"a")


def test_a_client_that_cannot_be_reached_is_lost(bench):
    """EHOSTUNREACH is the end of a connection, not of the daemon."""
    session = bench.greet()
    bench.router.refusal = zmq.EHOSTUNREACH
    bench.say(Ping())
    assert session.is_gone
    bench.say(Ping(), peer=b"stranger")


def test_sessions_are_bounded(bench):
    """One more than a thousand clients is refused in words."""
    for number in range(SESSIONS):
        bench.sessions.open(str(number).encode())
    assert bench.greet(b"late") is None
    reject = bench.router.messages()[-1]
    assert isinstance(reject, Reject)
    assert reject.code == "QUEUE_FULL"


def test_the_restart_budget_comes_back(bench):
    """After four deaths workers rest, and after five minutes they may be started again."""
    for _ in range(RESTARTS + 1):
        bench.dispatcher.crashes.refuse_if_broken()
        bench.job(bench.sessions.of(b"a") or bench.greet(), "uploading")
        bench.dispatcher._lost("test")
        bench.now += 1
    with pytest.raises(BackendError, match=r"rests for 29\d seconds"):
        bench.dispatcher.crashes.refuse_if_broken()
    bench.now += RESTART_WINDOW_S
    bench.dispatcher.crashes.refuse_if_broken()


def test_a_worker_that_never_gets_ready_is_replaced(bench):
    """A start that takes minutes is given up and tried again."""
    bench.job(bench.greet(), "queued")
    first = bench.dispatcher.worker
    bench.now += 170
    bench.dispatcher.tick()
    assert bench.dispatcher.worker is first
    bench.now += 20
    bench.dispatcher.tick()
    bench.dispatcher.wake()
    assert bench.dispatcher.worker is not first
    assert bench.dispatcher.crashes.count == 1


@pytest.mark.parametrize(("keep_alive_s", "after_s", "state"), [(600, 599, "ready"), (600, 601, "leaving"),
                                                                (-1, 1e6, "ready"), (0, 0, "leaving")])  # fmt: skip
def test_an_idle_worker_leaves_after_keep_alive(tmp_path, keep_alive_s, after_s, state):
    """0 unloads at once, -1 never, and anything else after that time without work."""
    bench = Bench(tmp_path, keep_alive_s=float(keep_alive_s))
    job = bench.job(bench.greet(), "uploading")
    worker = bench.dispatcher.worker
    bench.dispatcher._take(worker, {"t": "ready", "device": "cpu"})
    bench.dispatcher.tick()
    assert worker.state == "ready"  # a job is on its way
    bench.ledger.change(job, "cancelled", "CANCELLED")
    bench.now += after_s
    bench.dispatcher.tick()
    assert worker.state == state
    bench.spool.close()


@pytest.mark.parametrize(
    ("keep_alive_s", "held", "state"),
    [(600, 10**9, "ready"), (600, 3 * 10**9, "leaving"), (-1, 3 * 10**9, "ready"), (900, 3 * 10**9, "ready")],
)
def test_an_idle_worker_with_much_memory_leaves_after_a_minute(tmp_path, keep_alive_s, held, state):
    """What a large picture took is given back soon, unless somebody has said how long the worker stays."""
    bench = Bench(tmp_path, keep_alive_s=float(keep_alive_s))
    job = bench.job(bench.greet(), "uploading")
    worker = bench.dispatcher.worker
    bench.dispatcher._take(worker, {"t": "ready", "device": "cpu"})
    bench.dispatcher._take(worker, {"t": "memory", "rss": held})
    bench.ledger.change(job, "cancelled", "CANCELLED")
    bench.now += 59
    bench.dispatcher.tick()
    assert worker.state == "ready"
    bench.now += 2
    bench.dispatcher.tick()
    assert worker.state == state
    bench.spool.close()


def test_every_setting_of_the_worker_message_is_checked(bench):
    """Messages of the wrong shape from a worker change nothing and raise nothing."""
    job = bench.job(bench.greet(), "running")
    worker = bench.dispatcher.worker
    for message in (
        {}, {"t": 5}, {"t": "progress", "job": job.id},
        {"t": "progress", "job": job.id, "phase": "x", "done": 1, "total": 2},
        {"t": "progress", "job": job.id, "phase": "running", "done": 3, "total": 2},
        {"t": "progress", "job": job.id, "phase": "running", "done": "1", "total": 2},
        {"t": "loaded", "notes": "x", "model": 5}, {"t": "memory", "rss": "big"}, {"t": "done", "job": "other"},
        {"t": "progress", "job": job.id, "phase": "running", "done": 1, "total": 2, "eta": float("nan"), "unit": 5,
         "tile": 7, "tiles": 6},
    ):  # fmt: skip
        bench.dispatcher._take(worker, message)
    assert job.state == "running"
    assert job.progress == Progress(job.id, "running", 1, 2)
    bench.dispatcher._take(worker, {"t": "failed", "job": job.id, "code": "MADE_UP", "text": 7})
    assert (job.state, job.code) == ("failed", "INTERNAL")
    assert job.text
