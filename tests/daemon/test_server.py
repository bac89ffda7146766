"""A real supervisor with a scripted worker: what clients get, byte for byte and code by code."""

from __future__ import annotations

import stat
import zlib
from pathlib import Path

import pytest

from bsrgan_wire import PROTOCOL, limits
from bsrgan_wire import __version__ as version
from bsrgan_wire.messages import (
    Accepted,
    Attach,
    Bye,
    Cancel,
    Cancelled,
    Commit,
    Error,
    Fetch,
    Hello,
    Ping,
    Progress,
    Put,
    Reject,
    Release,
    Released,
    Shutdown,
    State,
)
from bsrgan_wire.preview import Place, Rectangle
from support.daemons import Peer, add_model, order, pixels, running, wait_for
from support.fake_worker import ITEM_BYTES, upscale


def expected(asked, data):
    """What the scripted worker makes of an order."""
    pixel_bytes = asked.channels * ITEM_BYTES[asked.dtype]
    return upscale(data, asked.width, asked.height, asked.out_width, asked.out_height, pixel_bytes)


@pytest.mark.parametrize(("dtype", "channels"), [("u8", 3), ("u16", 1), ("f16", 2), ("f32", 4)])
def test_a_job_comes_back_byte_for_byte(peer, dtype, channels):
    """Every dtype and channel count goes up, through the worker, and down unchanged."""
    asked = order(7, 5, channels, dtype)
    data = pixels(asked)
    assert peer.upscale(data, asked) == expected(asked, data)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (31, 37)])
def test_odd_sizes_work(peer, size):
    """One pixel, one row, one column and primes are sizes like others."""
    asked = order(*size)
    data = pixels(asked)
    assert peer.upscale(data, asked) == expected(asked, data)


def test_many_chunks_within_the_credit(peer):
    """Input and result of several chunks arrive whole, with PUTs and FETCHes in flight."""
    asked = order(2000, 1500, 3, "u16", out_width=1999, out_height=1700)
    data = pixels(asked)
    assert len(data) > 4 * limits.CHUNK_BYTES
    assert peer.upscale(data, asked) == expected(asked, data)


def test_states_are_told_once_and_in_order(peer):
    """A good job is queued, running and ready, each told once, with the result's facts at the end."""
    asked = order(8, 8)
    seen = len(peer.seen)
    peer.upscale(pixels(asked), asked)
    states = [e.message for e in peer.seen[seen:] if isinstance(e.message, State)]
    assert [s.state for s in states] == ["queued", "running", "ready"]
    ready = states[-1]
    assert (ready.width, ready.height, ready.channels, ready.dtype, ready.total) == (32, 32, 3, "u8", 3072)
    assert (ready.model, ready.notes) == ("bsrgan-x4", ("a note",))
    assert (ready.seconds, ready.engine_s) == (0.25, 0.1)


def test_progress_rises_and_is_bounded(peer):
    """Progress comes while the job runs, at most ten a second, never backwards."""
    asked = order(params={"sleep_s": 1.0, "steps": 200})
    peer.submit(pixels(asked), asked)
    peer.final(asked.job)
    told = [e.message for e in peer.seen if isinstance(e.message, Progress) and e.message.job == asked.job]
    running = [p.done for p in told if p.phase == "running"]
    assert 3 <= len(running) <= 15
    assert running == sorted(running)
    assert all(p.total == 200 for p in told if p.phase == "running")


def test_waiting_jobs_are_told_their_place(daemon, peer):
    """A queued job's progress says how many are ahead of it, and the place gets better."""
    first, second = order(params={"sleep_s": 0.5}), order()
    other = daemon.connect()
    peer.submit(pixels(first), first)
    peer.expect(State, job=first.job, state="running")
    other.submit(pixels(second), second)
    place = other.expect(Progress, job=second.job)
    assert (place.phase, place.done, place.total, place.unit) == ("queued", 1, 2, "jobs")
    assert other.final(second.job).state == "ready"
    assert peer.final(first.job).state == "ready"
    other.bye()


def test_welcome_gives_limits_and_a_session(daemon):
    """WELCOME names the protocol, this run and the bounds; each connection gets its own session."""
    first, second = daemon.connect(), daemon.connect()
    welcome = first.seen[0].message
    assert (welcome.protocol, welcome.version) == (PROTOCOL, version)
    assert welcome.instance == daemon.facts().instance
    assert (welcome.chunk, welcome.credit) == (limits.CHUNK_BYTES, limits.CREDIT)
    assert first.session != second.session
    first.bye()
    second.bye()


def test_the_rendezvous_file_is_private_and_true(daemon):
    """0600, this process, and the log that exists."""
    facts = daemon.facts()
    assert stat.S_IMODE(daemon.file.stat().st_mode) == 0o600
    assert (facts.pid, facts.secret) == (daemon.process.pid, "")
    assert facts.log == str(daemon.root / "logs" / "daemon.log")
    assert stat.S_IMODE(Path(facts.log).stat().st_mode) == 0o600


def test_status_tells_everything(daemon, peer):
    """Every key of the report is there with the right type, and the daemon is small."""
    asked = order()
    peer.upscale(pixels(asked), asked)
    report = peer.status()
    types = {
        "pid": int, "instance": str, "version": str, "protocol": int, "endpoint": str, "uptime_s": float,
        "state": str, "device": str, "device_name": str, "engine": str, "engine_version": str, "precision": str,
        "model": str, "default_model": str, "models": list, "queue": int, "running": int, "sessions": int,
        "rss_bytes": int, "worker_rss_bytes": int, "worker_pid": int, "spool_bytes": int, "log": str,
        "jobs_done": int, "jobs_failed": int, "worker_restarts": int, "protocol_errors": int,
    }  # fmt: skip
    assert {name: type(value) for name, value in report.items()} == types
    assert (report["pid"], report["state"], report["device"]) == (daemon.process.pid, "ready", "cpu")
    assert (report["model"], report["models"]) == ("bsrgan-x4", ["bsrgan-x4"])
    assert (report["queue"], report["running"], report["spool_bytes"]) == (0, 0, 0)
    assert report["jobs_done"] >= 1
    assert report["worker_pid"] == daemon.starts()[-1][0]


def test_a_fresh_daemon_is_small_and_starts_no_worker(tmp_path):
    """Without a model the daemon takes less than 60 MB, and nothing is loaded before a job comes."""
    with running(tmp_path) as daemon:
        peer = daemon.connect()
        report = peer.status()
        assert report["rss_bytes"] < 60e6
        assert (report["state"], report["worker_pid"]) == ("unloaded", 0)
        assert daemon.starts() == []
        peer.bye()


def test_the_same_submit_again_gets_the_same_answer(peer):
    """SUBMIT is idempotent by its id; another order under the same id is refused."""
    asked = order()
    first = peer.ask(asked, Accepted)
    assert peer.ask(asked, Accepted) == first
    assert peer.error(order(5, 5, job=asked.job)) == "BAD_PARAM"
    assert peer.status()["queue"] == 1
    data = pixels(asked)
    peer.upload(data, asked.job, 0, first.credit)
    assert peer.final(asked.job).state == "ready"
    assert peer.fetch(asked.job, len(expected(asked, data))) == expected(asked, data)
    peer.ask(Release(asked.job), Released)
    assert peer.error(asked) == "JOB_DONE"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"width": 0}, "ZERO_SIZE"),
        ({"width": -1}, "BAD_SHAPE"),
        ({"channels": 5}, "BAD_SHAPE"),
        ({"dtype": "f64"}, "BAD_DTYPE"),
        ({"width": 2**31, "height": 2**31}, "TOO_MANY_PIXELS"),
        ({"task": "x"}, "BAD_PARAM"),
        ({"space": "x"}, "BAD_PARAM"),
        ({"device": "x"}, "BAD_PARAM"),
        ({"model": "nope"}, "MODEL_MISSING"),
    ],
)
def test_bad_submits_reserve_nothing(peer, fields, code):
    """An order that cannot be done is one ERROR that names the job, before any space is taken."""
    asked = order(**{"out_width": 8, "out_height": 8, **fields})
    ref = peer.send(asked)
    error = peer.expect(Error, 0, code=code)
    assert (error.job, error.klass) == (asked.job, "daemon" if code == "MODEL_MISSING" else "input")
    assert peer.seen[-1].ref == ref
    assert peer.status()["spool_bytes"] == 0
    assert peer.error(Cancel(asked.job)) == "JOB_UNKNOWN"


def begin(peer, **fields):
    """A job that may be uploaded, and its pixels."""
    asked = order(**fields)
    peer.ask(asked, Accepted)
    return asked.job, pixels(asked)


def put(job, data, offset=0, crc=None, length=None):
    """A PUT and its payload."""
    piece = data[offset : offset + (length or len(data))]
    return Put(job, offset, len(piece), zlib.crc32(piece) if crc is None else crc), piece


def test_uploads_that_break_the_rules_fail_the_job_only(peer):
    """Wrong order, repeats, gaps, damage, too much, too little: one ERROR, the job failed, the session lives."""
    wrong = {
        "gap": lambda job, data: [(*put(job, data, 4), "SEQUENCE")],
        "repeat": lambda job, data: [(*put(job, data, 0, length=4), None), (*put(job, data, 0, length=4), "SEQUENCE")],
        "damage": lambda job, data: [(*put(job, data, crc=1), "CHECKSUM")],
        "too much": lambda job, data: [(*put(job, data + b"x"), "TOO_LARGE")],
        "too early": lambda job, data: [(Commit(job, len(data), zlib.crc32(data)), b"", "SEQUENCE")],
        "other total": lambda job, data: [
            (*put(job, data), None), (Commit(job, len(data) - 1, zlib.crc32(data)), b"", "SEQUENCE"),
        ],
        "other crc": lambda job, data: [(*put(job, data), None), (Commit(job, len(data), 0), b"", "CHECKSUM")],
    }  # fmt: skip
    for name, steps in wrong.items():
        job, data = begin(peer)
        for message, payload, code in steps(job, data):
            if code is None:
                peer.send(message, payload)
                continue
            assert peer.error(message, payload) == code, name
            assert peer.expect(State, job=job).code == code, name
        assert peer.error(*put(job, data)) == "JOB_DONE"
        # Seven protocol errors are below the ten that close a session.
    asked = order()
    data = pixels(asked)
    assert peer.upscale(data, asked) == expected(asked, data)
    assert peer.status()["spool_bytes"] == 0


def test_messages_that_do_not_fit_the_state_are_refused(daemon):
    """What cannot be done with a job now is an error that changes nothing."""
    peer = daemon.connect()
    job, data = begin(peer)
    assert peer.error(Fetch(job, 0, 1)) == "SEQUENCE"
    peer.upload(data, job, 0, limits.CREDIT)
    total = peer.final(job).total
    assert peer.error(Commit(job, len(data), zlib.crc32(data))) == "SEQUENCE"
    assert peer.error(*put(job, data)) == "SEQUENCE"
    assert peer.error(Fetch(job, total - 1, 2)) == "TOO_LARGE"
    assert peer.error(Cancel(job)) == "JOB_DONE"
    assert len(peer.fetch(job, total)) == total
    assert len(peer.fetch(job, total)) == total
    peer.ask(Release(job), Released)
    peer.ask(Release(job), Released)
    assert peer.error(Fetch(job, 0, 1)) == "JOB_DONE"
    unknown = order().job
    for message in (Fetch(unknown, 0, 1), Release(unknown), Cancel(unknown), Commit(unknown, 0, 0)):
        assert peer.error(message) == "JOB_UNKNOWN"
    peer.bye()


def test_another_clients_job_is_unknown(daemon, peer):
    """Nobody can touch a job without its session's token."""
    other = daemon.connect()
    job, data = begin(peer)
    for message in (Cancel(job), Release(job), Commit(job, 1, 0), Attach(job, "0" * 32), Attach(job, other.session)):
        assert other.error(message) == "JOB_UNKNOWN"
    assert other.error(*put(job, data)) == "JOB_UNKNOWN"
    assert other.error(order(job=job)) == "BAD_PARAM"
    peer.ask(Cancel(job), Cancelled)
    other.bye()


def test_a_full_queue_refuses_at_once_and_fairly(daemon, peer):
    """One client may not take the whole queue from the others, and nobody waits for a place."""
    other = daemon.connect()
    jobs = [begin(peer)[0] for _ in range(2)]
    assert peer.error(order()) == "QUEUE_FULL"
    jobs_of_other = [begin(other)[0] for _ in range(2)]
    assert other.error(order()) == "QUEUE_FULL"
    peer.ask(Release(jobs[0]), Released)
    jobs.append(begin(peer)[0])
    for client, own in ((peer, jobs[1:]), (other, jobs_of_other)):
        for job in own:
            client.ask(Cancel(job), Cancelled)
            assert client.expect(State, job=job).state == "cancelled"
    other.bye()


def test_cancel_is_idempotent_and_final(peer):
    """A cancelled job is told cancelled once, however often it is cancelled."""
    job, data = begin(peer)
    peer.ask(Cancel(job), Cancelled)
    peer.ask(Cancel(job), Cancelled)
    assert peer.error(*put(job, data)) == "CANCELLED"
    assert peer.error(Fetch(job, 0, 1)) == "CANCELLED"
    states = [e.message.state for e in peer.seen if isinstance(e.message, State) and e.message.job == job]
    assert states == ["cancelled"]


def test_a_running_job_stops_when_cancelled(daemon, peer):
    """The worker stops by itself and stays; the job is cancelled."""
    asked = order(params={"sleep_s": 60.0})
    peer.submit(pixels(asked), asked)
    peer.expect(State, job=asked.job, state="running")
    starts = len(daemon.starts())
    peer.ask(Cancel(asked.job), Cancelled)
    assert peer.final(asked.job).state == "cancelled"
    after = order()
    peer.upscale(pixels(after), after)
    assert len(daemon.starts()) == starts


def test_the_workers_failure_reaches_the_client(peer):
    """A code and a sentence of the worker arrive as they are, and the next job works."""
    asked = order(params={"fail": "NONFINITE"})
    peer.submit(pixels(asked), asked)
    state = peer.final(asked.job)
    assert (state.state, state.code, state.text) == ("failed", "NONFINITE", "It failed.")
    assert peer.error(Fetch(asked.job, 0, 1)) == "JOB_DONE"
    after = order()
    peer.upscale(pixels(after), after)


def test_a_text_that_cannot_be_sent_costs_nobody_anything(peer):
    """A failure that quotes half a character ends its own job with a sentence, and the daemon goes on."""
    asked = order(params={"fail": "BAD_PARAM", "text": "No option \\ud800 here."})
    peer.submit(pixels(asked), asked)
    state = peer.final(asked.job)
    assert (state.code, state.text) == ("BAD_PARAM", "No option ? here.")


def test_a_device_switch_replaces_the_worker(daemon):
    """A job for another device gets a worker for it; the setting's device needs none when it is the same one."""
    peer = daemon.connect()
    started = []
    for device in ("auto", "cpu", "auto", "gpu:0", "auto"):
        asked = order(device=device)
        peer.upscale(pixels(asked), asked)
        started.append(daemon.starts()[-1][1])
    assert started == ["auto", "auto", "auto", "gpu:0", "auto"]
    peer.bye()


def test_another_model_gets_another_worker(daemon):
    """A loaded model is never replaced inside its process, which would not give its memory back."""
    add_model(daemon.root, "other")
    peer = daemon.connect()
    pids = []
    for model in ("bsrgan-x4", "", "other", "other", "bsrgan-x4"):
        asked = order(model=model)
        peer.upscale(pixels(asked), asked)
        pids.append(daemon.starts()[-1][0])
    assert pids[0] == pids[1]
    assert pids[2] == pids[3]
    assert len(set(pids)) == 3
    peer.bye()


def test_a_model_of_another_file_gets_another_worker(daemon):
    """A model that was replaced under its id is another one, for a preview in the middle of a job too."""
    peer = daemon.connect()
    pids = []
    for file in ("a", "a", "b"):
        add_model(daemon.root, "mine", file_sha256=file)
        asked = order(model="mine", params={"file": file})
        peer.upscale(pixels(asked), asked)
        pids.append(daemon.starts()[-1][0])
    assert pids[0] == pids[1] != pids[2]
    asked = order(model="mine", params={"file": "b", "sleep_s": 1.0, "steps": 50})
    peer.submit(pixels(asked), asked)
    peer.expect(State, job=asked.job, state="running")
    add_model(daemon.root, "mine", file_sha256="c")
    place = Place.around((60, 40), (240, 160), Rectangle(17, 9, 16, 12))
    size = (place.part.width, place.part.height)
    small = order(*size, out_width=16, out_height=36, task="preview", model="mine", params=place.params())
    peer.submit(pixels(small), small)
    assert peer.final(asked.job).state == "ready"
    assert peer.final(small.job).state == "ready"
    ended = [e.message.job for e in peer.seen if isinstance(e.message, State) and e.message.state == "ready"]
    assert ended[-2:] == [asked.job, small.job]
    assert daemon.starts()[-1][0] != pids[-1]
    peer.bye()


@pytest.mark.parametrize(
    "frames",
    [
        (b"SRP2", b"\x80"),
        (b"HTTP", b"\x80"),
        (b"SRP1", b"\xc1"),
        (b"SRP1", b"x" * (limits.GREETING_HEADER_BYTES + 1)),
        (b"SRP1",),
        (b"",),
        (b"SRP1", b"\x80", b"", b"", b""),
    ],
)
def test_a_stranger_that_is_not_understood_is_told_the_version(daemon, frames):
    """Whatever a connection says instead of HELLO, it gets one REJECT with what to do."""
    peer = Peer(daemon)
    peer.send_raw(*frames)
    reject = peer.expect(Reject)
    assert (reject.code, reject.supported) == ("VERSION", (PROTOCOL,))
    assert "installer" in reject.text
    peer.close()


def test_version_negotiation(daemon):
    """The shared version is taken from a list; without one the client is told which is spoken."""
    for protocols, kind in (((), Reject), ((0,), Reject), ((2,), Reject), ((3, 1, 2), None)):
        peer = Peer(daemon)
        peer.send(Hello(protocols, "test", "0", b"n" * 16))
        answer = peer.receive().message
        assert isinstance(answer, Reject) is (kind is Reject), protocols
        peer.close()


def test_nothing_works_before_hello_or_with_another_session(daemon, peer):
    """Connections without a session, and messages of another one, never reach the jobs."""
    stranger = Peer(daemon)
    for message in (Ping(), order(), Shutdown(), Bye()):
        assert stranger.error(message) == "AUTH"
    stranger.close()
    other = daemon.connect()
    ref = peer.send(Ping(), session=other.session)
    assert peer.expect(Error, code="AUTH").klass == "auth"
    assert peer.seen[-1].ref == ref
    assert peer.error(Hello((1,), "test", "0", b"n" * 16)) == "SEQUENCE"
    peer.ping()
    other.bye()


def test_ten_protocol_errors_close_the_session(daemon):
    """A client that keeps sending nonsense is told BYE and ignored; others are not touched."""
    peer, other = daemon.connect(), daemon.connect()
    before = other.status()["protocol_errors"]
    for _ in range(limits.PROTOCOL_ERRORS):
        peer.send_raw(b"SRP1", b"\xc1")
    assert peer.expect(Bye).reason == "too many protocol errors"
    peer.send(Ping())
    assert not peer.socket.poll(200)
    assert other.status()["protocol_errors"] == before + limits.PROTOCOL_ERRORS
    peer.close()
    other.bye()


def test_bye_frees_everything(daemon):
    """A client that leaves takes its jobs with it, whatever their state."""
    peer, other = daemon.connect(), daemon.connect()
    ready, running_, uploading = order(), order(params={"sleep_s": 60.0}), order()
    peer.submit(pixels(ready), ready)
    peer.final(ready.job)
    peer.submit(pixels(running_), running_)
    peer.ask(uploading, Accepted)
    peer.bye()
    wait_for(lambda: (r := other.status())["spool_bytes"] == 0 and r["queue"] == r["running"] == 0)
    other.bye()


def test_shutdown_over_the_wire(tmp_path):
    """A client can stop the daemon; everybody is told, and nothing stays behind."""
    with running(tmp_path) as daemon:
        peer, other = daemon.connect(), daemon.connect()
        assert peer.ask(Shutdown(), Bye).reason == "shutdown"
        assert other.expect(Bye).reason == "shutdown"
        assert daemon.process.wait(20) == 0
        assert not daemon.file.exists()
        assert list((tmp_path / "run").iterdir()) == []
        assert not (tmp_path / "spool").exists()
        assert list((tmp_path / "state").iterdir()) == []
        peer.close()
        other.close()


def test_an_idle_worker_is_unloaded_and_comes_back(tmp_path):
    """After keep_alive_s the worker exits by itself, which is no crash; the next job starts another."""
    with running(tmp_path, keep_alive_s=0) as daemon:
        peer = daemon.connect()
        for count in (1, 2):
            asked = order()
            peer.upscale(pixels(asked), asked)
            wait_for(lambda: peer.status()["state"] == "unloaded" and peer.status()["worker_pid"] == 0)
            assert len(daemon.starts()) == count
        report = peer.status()
        assert (report["worker_restarts"], report["worker_rss_bytes"], report["model"]) == (0, 0, "")
        peer.bye()


def test_tcp_needs_the_proof(tmp_path):
    """Over tcp a client without the secret, with a wrong or with a replayed proof is refused, then ignored."""
    with running(tmp_path, transport="tcp") as daemon:
        assert daemon.address.startswith("tcp://127.0.0.1:")
        good = daemon.connect()
        asked = order()
        data = pixels(asked)
        assert good.upscale(data, asked) == expected(asked, data)
        bad = Peer(daemon)
        for mac in (b"", b"x" * 32, b"y" * 32):
            bad.send(Hello((1,), "test", "0", b"n" * 16, mac))
            assert bad.expect(Reject).code == "AUTH"
        bad.send(Hello((1,), "test", "0", b"n" * 16))
        assert not bad.socket.poll(200)
        replay = Peer(daemon)
        sent = []
        good_send = replay.send
        replay.send = lambda message, *rest: sent.append(message) or good_send(message, *rest)
        replay.greet()
        second = Peer(daemon)
        second.send(sent[0])
        assert second.expect(Reject).code == "AUTH"
        for client in (good, bad, replay, second):
            client.close()
