from __future__ import annotations

import os
import random
import time
import zlib

import pytest

from bsrgan_wire import limits, proof, session, transfer
from bsrgan_wire.client import Client, JobCancelled, JobRequest
from bsrgan_wire.errors import ConnectionLost, DaemonUnreachable, FrameError, RemoteError, WireError
from bsrgan_wire.messages import Accepted, Bye, Chunk, Error, Progress, Reject, State, Welcome
from bsrgan_wire.rendezvous import Rendezvous
from support.daemon_double import DaemonDouble, upscaled
from support.daemons import wait_for

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the double listens on ipc")

CHUNK = 4096
REQUEST = JobRequest(
    width=37,
    height=300,
    channels=3,
    dtype="u8",
    out_width=74,
    out_height=600,
    model="bsrgan-x4",
    params={"strength": 0.5},
)
"""Rows of 111 bytes in, 222 out: with chunks of 4096 bytes the input has 9 pieces, the result 34."""

WIDE = JobRequest(width=3000, height=3, channels=4, dtype="u8", out_width=6000, out_height=5, params={})
"""Rows that are longer than a chunk."""


class Image:
    """Source and sink of a job; notes how they were called."""

    def __init__(self, request):
        self.request = request
        self.pixels = random.Random(7).randbytes(request.total_bytes)
        self.asked = []
        self.result = bytearray()
        self.delivered = []

    def source(self, first, rows):
        """These rows; the buffer is spoiled at the next call, as a reused one would be."""
        self.asked.append((first, rows))
        if len(self.asked) > 1:
            self.buffer[:] = bytes(len(self.buffer))
        size = self.request.row_bytes
        self.buffer = bytearray(self.pixels[first * size : (first + rows) * size])
        return self.buffer

    def sink(self, first, rows, pixels):
        """Takes rows, strictly in order."""
        assert isinstance(pixels, memoryview)
        assert len(pixels) == rows * self.request.out_row_bytes
        assert first * self.request.out_row_bytes == len(self.result)
        self.delivered.append((first, rows))
        self.result += pixels

    @property
    def is_right(self):
        """Whether the whole result has arrived."""
        submit = self.request.submit("0" * 32)
        return bytes(self.result) == upscaled(submit, self.pixels)


@pytest.fixture
def image():
    """The small image."""
    return Image(REQUEST)


@pytest.fixture
def double(tmp_path):
    """A daemon with small chunks."""
    with DaemonDouble(tmp_path, chunk=CHUNK) as made:
        yield made


@pytest.fixture
def client(double):
    """A client of the double that knows its rendezvous file."""
    with Client.connect_at(double.path, name="test", timeout_s=10) as made:
        yield made


def once(action):
    """A hook that does something at the first message of its kind and leaves the others to the double."""
    done = []

    def hook(double, peer, envelope):
        if done:
            return False
        done.append(1)
        return action(double, peer, envelope) is not False

    return hook


def nth(number, action):
    """A hook that does something at the `number`th message of its kind."""
    count = []

    def hook(double, peer, envelope):
        count.append(1)
        if len(count) != number:
            return False
        return action(double, peer, envelope) is not False

    return hook


def from_nth(number):
    """A hook that answers nothing from the `number`th message of its kind on, until a client has attached."""
    count = []

    def hook(double, _peer, _envelope):
        count.append(1)
        return len(count) >= number and "ATTACH" not in double.kinds()

    return hook


def drop(double, _peer, _envelope):
    """Lose the message and every connection."""
    double.drop_connections()


def restart(double, _peer, _envelope):
    """Lose the message, every connection and every job."""
    double.restart()


def ignore(_double, _peer, _envelope):
    """Lose the message."""


# --- connecting ----------------------------------------------------------------------------------------------


def test_welcome_and_questions(client, double):
    """After connecting, the client knows the daemon's run and can ping and ask for its state."""
    assert client.welcome.instance == double.instance
    assert 0 < client.ping(10) < 10
    assert client.status(10) == {"pid": 1, "models": ["a", "b"], "state": "ready"}


def test_client_without_a_file_connects_to_a_known_place(double):
    """A client can be given the rendezvous itself."""
    with Client.connect(double.rendezvous, name="test", timeout_s=10) as client:
        assert client.welcome.instance == double.instance


def test_leaving_says_bye(double):
    """Closing tells the daemon that nobody will fetch anything more."""
    with Client.connect_at(double.path, name="test", timeout_s=10):
        pass
    until = time.monotonic() + 10
    while double.kinds() != ["HELLO", "BYE"] and time.monotonic() < until:
        time.sleep(0.01)
    assert double.kinds() == ["HELLO", "BYE"]


def test_next_endpoint_is_tried(double):
    """When the first address does not answer, the next one is used."""
    place = double.rendezvous
    two = Rendezvous(place.protocol, "0", place.instance, 1, ("ipc:///nonexistent/s", *place.endpoints))
    with Client.connect(two, name="test", timeout_s=10) as client:
        client.ping(10)


def test_no_daemon_is_one_sentence(tmp_path):
    """Without a daemon the error says so, whether there is no file or a stale one."""
    with pytest.raises(DaemonUnreachable, match="gimp-bsrgan serve"):
        Client.connect_at(tmp_path / "none.json", name="test")
    stale = Rendezvous(1, "0", "f" * 32, 1, (f"ipc://{tmp_path}/gone",))
    with pytest.raises(DaemonUnreachable, match=r"^The daemon cannot be reached: nothing answers"):
        Client.connect(stale, name="test")


def test_reject_is_raised(double):
    """A daemon that rejects the client is reported with its own sentence."""
    double.hooks["HELLO"] = lambda d, p, e: d.send(p, Reject("VERSION", "Too old.", (2, 3)), e.seq) or True
    with pytest.raises(RemoteError) as caught:
        Client.connect_at(double.path, name="test", timeout_s=10)
    assert (caught.value.code, caught.value.text) == ("VERSION", "Too old.")
    assert "2, 3" in caught.value.detail


def test_mute_daemon_is_given_up(double):
    """A daemon that accepts the connection and never answers HELLO is given up in time."""
    double.is_mute = True
    ticks = []
    with pytest.raises(DaemonUnreachable, match="does not answer"):
        Client.connect_at(double.path, name="test", timeout_s=0.5, idle=lambda: ticks.append(1))
    assert len(ticks) >= 4


def test_other_run_than_the_files_is_refused(double):
    """A daemon that is not the run named in the file is not taken for it."""
    place = double.rendezvous
    old = Rendezvous(place.protocol, "0", "f" * 32, 1, place.endpoints)
    with pytest.raises(DaemonUnreachable, match="restarted"):
        Client.connect(old, name="test", timeout_s=10)


def test_secret_is_proved_over_tcp(tmp_path):
    """Over tcp both sides prove the secret, and jobs run as over ipc."""
    with DaemonDouble(tmp_path, tcp=True) as double:
        with Client.connect_at(double.path, name="test", timeout_s=10) as client:
            image = Image(REQUEST)
            client.run(REQUEST, image.source, image.sink)
        assert image.is_right
        assert not double.violations


def test_client_with_another_secret_is_rejected(tmp_path):
    """A client that cannot read the file is turned away before anything else."""
    with DaemonDouble(tmp_path, tcp=True) as double:
        place = double.rendezvous
        wrong = Rendezvous(place.protocol, "0", place.instance, 1, place.endpoints, secret="00" * 32)
        with pytest.raises(RemoteError) as caught:
            Client.connect(wrong, name="test", timeout_s=10)
        assert caught.value.code == "AUTH"


def test_daemon_with_another_secret_is_refused(tmp_path):
    """A program that took the daemon's port cannot prove the secret: nothing is sent to it but HELLO."""

    def pretend(double, peer, envelope):
        nonce = b"n" * 32
        mac = proof.daemon_mac(b"other" * 8, envelope.message.nonce, nonce, double.instance)
        double.send(peer, Welcome(1, "0", double.instance, "a" * 32, CHUNK, 4, nonce, mac), envelope.seq)
        return True

    with DaemonDouble(tmp_path, tcp=True) as double:
        double.hooks["HELLO"] = pretend
        with pytest.raises(DaemonUnreachable, match="nother program answers"):
            Client.connect_at(double.path, name="test", timeout_s=10)
        assert double.kinds() == ["HELLO"]


def test_tcp_without_a_secret_is_refused(tmp_path):
    """A tcp address without a key is not used at all."""
    with DaemonDouble(tmp_path, tcp=True) as double:
        place = double.rendezvous
        bare = Rendezvous(place.protocol, "0", place.instance, 1, place.endpoints)
        with pytest.raises(DaemonUnreachable, match="no key"):
            Client.connect(bare, name="test", timeout_s=10)
        assert double.received == []


def test_idle_client_connects_again(client, double):
    """A client whose connection was closed while it was idle answers the next question over a new one."""
    double.order(double.drop_connections)
    time.sleep(0.1)
    assert client.status(10)["state"] == "ready"
    assert double.connections == 2


def test_question_without_an_answer_ends_in_time(client, double):
    """A daemon that is alive and does not answer STATUS is reported when the time is over."""
    double.hooks["STATUS"] = lambda *_: True
    with pytest.raises(ConnectionLost, match="does not answer"):
        client.status(0.3)


def test_refused_question_is_an_error(client, double):
    """An ERROR in answer to a question is raised with its code."""
    double.hooks["STATUS"] = lambda d, p, e: d.fail(p, e, "SHUTTING_DOWN") or True
    with pytest.raises(RemoteError, match="SHUTTING_DOWN"):
        client.status(10)


def test_answer_that_is_no_message_is_an_error(client, double):
    """A daemon that sends garbage is reported as a protocol error, and the connection is closed."""

    def garbage(d, peer, _envelope):
        d.socket.send_multipart([peer, b"SRP1", b"\xc1"])
        return True

    double.hooks["STATUS"] = garbage
    with pytest.raises(FrameError, match="BAD_HEADER"):
        client.status(10)


def test_shutdown_waits_for_the_end(client, double):
    """SHUTDOWN returns when the daemon has closed the connection."""
    client.shutdown(10)
    assert double.kinds()[-1] == "SHUTDOWN"


def test_shutdown_that_is_ignored_is_an_error(client, double):
    """A daemon that does not stop is reported."""
    double.hooks["SHUTDOWN"] = lambda *_: True
    with pytest.raises(ConnectionLost, match="did not stop"):
        client.shutdown(0.5)


def test_shutdown_that_is_refused_is_an_error(client, double):
    """A refusal of SHUTDOWN is raised with its code."""
    double.hooks["SHUTDOWN"] = lambda d, p, e: d.fail(p, e, "DENIED") or True
    with pytest.raises(RemoteError, match="DENIED"):
        client.shutdown(10)


# --- a job ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", [REQUEST, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize("credit", [1, 4])
def test_job_runs(tmp_path, request_, credit):
    """The input arrives complete, the result comes back in order, and both keep flow control."""
    image, events = Image(request_), []
    with DaemonDouble(tmp_path, chunk=CHUNK, credit=credit) as double:
        with Client.connect_at(double.path, name="test", timeout_s=10) as client:
            state = client.run(request_, image.source, image.sink, on_event=events.append)
        assert not double.violations
        wait_for(lambda: not double.jobs)
        assert double.kinds().count("COMMIT") == double.kinds().count("RELEASE") == 1
    assert image.is_right
    assert (state.state, state.model, state.notes) == ("ready", "double", ("a note",))
    assert isinstance(events[0], Accepted)
    assert [event.state for event in events if isinstance(event, State)] == ["queued", "running", "ready"]
    assert [event.done for event in events if isinstance(event, Progress)] == [1]


def test_whole_rows_travel(client, double, image):
    """Every piece that fits is made of whole rows, and so is what source and sink are called with."""
    client.run(REQUEST, image.source, image.sink)
    rows = CHUNK // REQUEST.row_bytes
    assert image.asked == [(first, min(rows, 300 - first)) for first in range(0, 300, rows)]
    lengths = [message.length for message in double.received if message.KIND in ("PUT", "FETCH")]
    assert all(length % REQUEST.row_bytes == 0 for length in lengths)
    assert sum(rows for _, rows in image.delivered) == 600


def test_at_most_256_rows_at_once(tmp_path):
    """However small the rows, source and sink get at most 256."""
    request = JobRequest(width=1, height=1000, channels=1, dtype="u8", out_width=1, out_height=2000)
    image = Image(request)
    with DaemonDouble(tmp_path) as double, Client.connect_at(double.path, name="test", timeout_s=10) as client:
        client.run(request, image.source, image.sink)
    assert max(rows for _, rows in image.asked) == max(rows for _, rows in image.delivered) == 256
    assert image.is_right


def test_request_travels_whole(client, double, image):
    """Every field of the request is in SUBMIT."""
    client.run(REQUEST, image.source, image.sink)
    (submit,) = [message for message in double.received if message.KIND == "SUBMIT"]
    assert submit == REQUEST.submit(submit.job)
    assert submit.params == {"strength": 0.5}


def test_two_jobs_over_one_connection(client, double, image):
    """A client can run jobs one after the other."""
    second = Image(WIDE)
    client.run(REQUEST, image.source, image.sink)
    client.run(WIDE, second.source, second.sink)
    assert image.is_right
    assert second.is_right
    assert double.connections == 1


def test_empty_image_is_left_to_the_daemon(client, double):
    """A request without pixels is sent, so that the daemon's sentence reaches the user."""
    double.hooks["SUBMIT"] = lambda d, p, e: d.fail(p, e, "ZERO_SIZE") or True
    request = JobRequest(width=0, height=0, channels=3, dtype="u8", out_width=0, out_height=0)
    with pytest.raises(RemoteError, match="ZERO_SIZE"):
        client.run(request, Image(request).source, Image(request).sink)


def test_failed_job_is_raised_with_its_sentence(client, double, image):
    """A job that the daemon fails is raised with the daemon's code and sentence, and is freed."""

    def fail(d, peer, envelope):
        job = envelope.message.job
        d.send(peer, State(job=job, state="failed", code="HOST_OOM", text="Too little memory here."))
        return True

    double.hooks["compute"] = fail
    with pytest.raises(RemoteError) as caught:
        client.run(REQUEST, image.source, image.sink)
    assert (caught.value.code, caught.value.text) == ("HOST_OOM", "Too little memory here.")
    assert client.ping(10) > 0
    assert "RELEASE" in double.kinds()


def test_a_job_that_a_stopping_daemon_cancels_says_why(client, double, image):
    """Nobody asked for that cancel, so it is told as what it is and not passed over as a wish of the user."""

    def stop(d, peer, envelope):
        d.send(peer, State(job=envelope.message.job, state="cancelled", code="SHUTTING_DOWN"))
        return True

    double.hooks["compute"] = stop
    with pytest.raises(RemoteError) as caught:
        client.run(REQUEST, image.source, image.sink)
    assert caught.value.code == "SHUTTING_DOWN"
    assert "try again" in caught.value.text


@pytest.mark.parametrize("kind", ["SUBMIT", "PUT", "COMMIT", "FETCH"])
def test_refused_request_ends_the_job(client, double, image, kind):
    """An ERROR to any step of a job ends it with the daemon's code."""
    double.hooks[kind] = lambda d, p, e: d.fail(p, e, "DISK_FULL") or True
    with pytest.raises(RemoteError, match="DISK_FULL"):
        client.run(REQUEST, image.source, image.sink)


def test_result_of_another_size_is_refused(client, double, image):
    """A result that is not as large as asked for is not delivered."""
    double.compute = lambda submit, pixels: upscaled(submit, pixels)[:-1]
    with pytest.raises(FrameError, match="another size"):
        client.run(REQUEST, image.source, image.sink)
    assert not image.delivered


def test_client_is_not_entered_twice(client, image):
    """A question asked from inside a job's callback is a plain programming error, not a mixed-up connection."""
    with pytest.raises(RuntimeError, match="busy"):
        client.run(REQUEST, image.source, image.sink, idle=client.status)
    client.ping(10)


@pytest.mark.parametrize("callback", ["source", "sink", "on_event", "idle", "is_cancelled"])
def test_callbacks_error_reaches_the_caller(client, double, image, callback):
    """What a callback raises is raised to the caller, after the daemon was told to drop the job."""

    def broken(*_):
        raise KeyError(callback)

    calls = {"source": image.source, "sink": image.sink} | {callback: broken}
    with pytest.raises(KeyError, match=callback):
        client.run(REQUEST, **calls)
    client.ping(10)
    assert {"CANCEL", "RELEASE"} <= set(double.kinds())
    assert not double.jobs


def test_source_of_the_wrong_length_is_told(client, image):
    """A source that gives too few bytes is a ValueError that says how many were due."""
    with pytest.raises(ValueError, match="5 bytes for 36 rows"):
        client.run(REQUEST, lambda first, rows: b"12345", image.sink)


def test_callbacks_are_served_while_waiting(client, double, image):
    """While the daemon computes, `idle` and `is_cancelled` are called again and again."""
    calls = {"idle": 0, "is_cancelled": 0}

    def compute(d, peer, envelope):
        time.sleep(0.6)
        return False

    def count(name):
        calls[name] += 1
        return False

    double.hooks["compute"] = compute
    client.run(
        REQUEST, image.source, image.sink, idle=lambda: count("idle"), is_cancelled=lambda: count("is_cancelled")
    )
    assert min(calls.values()) >= 8


# --- cancelling ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["SUBMIT", "PUT", "COMMIT", "compute", "FETCH"])
def test_cancel_at_every_phase(client, double, image, kind):
    """Cancelling while the daemon is busy with any step ends in JobCancelled, and the daemon has dropped the job."""
    reached = []

    def reach(_double, _peer, _envelope):
        reached.append(1)
        return len(reached) >= (2 if kind in ("PUT", "FETCH") else 1)  # the step is never answered

    double.hooks[kind] = reach
    with pytest.raises(JobCancelled, match="cancelled"):
        client.run(REQUEST, image.source, image.sink, is_cancelled=lambda: bool(reached))
    assert "CANCEL" in double.kinds()
    client.ping(10)
    assert all(job.state == "cancelled" for job in double.jobs.values())


def test_cancel_without_an_answer_ends_in_time(client, double, image, monkeypatch):
    """When CANCEL is not acknowledged the caller is not kept waiting."""
    monkeypatch.setattr(transfer, "_CANCEL_S", 0.3)
    double.hooks["CANCEL"] = lambda *_: True
    ticks = []
    with pytest.raises(JobCancelled):
        client.run(REQUEST, image.source, image.sink, is_cancelled=lambda: True, idle=lambda: ticks.append(1))
    assert len(ticks) >= 4


def test_cancel_of_a_job_that_just_ended_frees_it(client, double, image):
    """When CANCEL comes too late the result is released instead."""
    double.hooks["CANCEL"] = lambda d, p, e: d.fail(p, e, "JOB_DONE") or True
    double.hooks["FETCH"] = lambda *_: True
    with pytest.raises(JobCancelled):
        client.run(REQUEST, image.source, image.sink, is_cancelled=lambda: "FETCH" in double.kinds())
    client.ping(10)
    assert not double.jobs


def test_next_job_after_a_cancelled_one(client, double, image):
    """Answers to a cancelled job that come late do not disturb the next one."""

    def late(d, peer, envelope):
        d.finish(peer, d.jobs[envelope.message.job])
        return False

    double.hooks["CANCEL"] = late
    double.hooks["compute"] = once(ignore)
    with pytest.raises(JobCancelled):
        client.run(REQUEST, image.source, image.sink, is_cancelled=lambda: "COMMIT" in double.kinds())
    client.run(REQUEST, image.source, image.sink)
    assert image.is_right


# --- damage --------------------------------------------------------------------------------------------------


def damaged(d, peer, envelope):
    """Answer a FETCH with pixels that do not fit their CRC."""
    fetch = envelope.message
    pixels = d.jobs[fetch.job].result[fetch.offset : fetch.offset + fetch.length]
    chunk = Chunk(job=fetch.job, offset=fetch.offset, length=fetch.length, crc=zlib.crc32(pixels) ^ 1)
    d.send(peer, chunk, envelope.seq, pixels)


@pytest.mark.parametrize("number", [1, 3, 34])
def test_damaged_piece_is_fetched_again(client, double, image, number):
    """A piece with a wrong CRC is never delivered, but fetched once more."""
    double.hooks["FETCH"] = nth(number, damaged)
    client.run(REQUEST, image.source, image.sink)
    assert image.is_right
    assert double.kinds().count("FETCH") > 34


def test_piece_that_stays_damaged_fails(client, double, image):
    """A piece that is damaged twice ends the job with a sentence, and nothing of it is delivered."""
    double.hooks["FETCH"] = lambda d, p, e: damaged(d, p, e) or True
    with pytest.raises(WireError) as caught:
        client.run(REQUEST, image.source, image.sink)
    assert caught.value.code == "CHECKSUM"
    assert "from the daemon" in caught.value.text
    assert not image.delivered


def test_piece_that_was_not_asked_for_is_refused(client, double, image):
    """A CHUNK of another place than asked for is a protocol error."""

    def other(d, peer, envelope):
        chunk = Chunk(job=envelope.message.job, offset=5, length=1, crc=0)
        d.send(peer, chunk, envelope.seq, b"x")
        return True

    double.hooks["FETCH"] = other
    with pytest.raises(FrameError, match="SEQUENCE"):
        client.run(REQUEST, image.source, image.sink)


# --- lost connections ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "number"),
    [("SUBMIT", 1), ("PUT", 1), ("PUT", 3), ("PUT", 9), ("COMMIT", 1), ("compute", 1), ("FETCH", 1), ("FETCH", 34)],
)
def test_lost_connection_is_survived(client, double, image, kind, number):
    """When the connection breaks at any step the job goes on over a new one where it was, each pixel sent once."""
    if kind == "compute":

        def action(d, _peer, envelope):
            # The result is ready while nobody is connected.
            job = d.jobs[envelope.message.job]
            job.result, job.state = d.compute(job.submit, bytes(job.pixels)), "ready"
            d.drop_connections()

    else:
        action = drop
    double.hooks[kind] = nth(number, action)
    client.run(REQUEST, image.source, image.sink)
    assert image.is_right
    assert not double.violations
    assert "ATTACH" in double.kinds()
    assert double.connections == 2
    resubmitted = kind == "SUBMIT"
    assert double.kinds().count("SUBMIT") == 1 + resubmitted


@pytest.mark.parametrize("kind", ["SUBMIT", "PUT", "COMMIT", "compute", "FETCH"])
def test_restarted_daemon_gets_the_job_again(client, double, image, kind):
    """When the daemon is restarted at any step the same job is submitted once more, under the same id."""
    double.hooks[kind] = once(restart)
    client.run(REQUEST, image.source, image.sink)
    assert image.is_right
    assert not double.violations
    submits = [message for message in double.received if message.KIND == "SUBMIT"]
    assert len(submits) == 2
    assert submits[0] == submits[1]


def test_unknown_job_is_submitted_again_once(client, double, image):
    """JOB_UNKNOWN submits the job once more; at the second time the user is told."""

    def forget(d, _peer, _envelope):
        d.jobs.clear()
        return False

    double.hooks["FETCH"] = once(forget)
    client.run(REQUEST, image.source, image.sink)
    assert image.is_right
    double.hooks["FETCH"] = forget
    again = Image(REQUEST)
    with pytest.raises(RemoteError, match="restarted twice") as caught:
        client.run(REQUEST, again.source, again.sink)
    assert caught.value.code == "JOB_UNKNOWN"


def test_repeated_result_is_joined_when_it_is_the_same(client, double, image):
    """After a restart in the middle of the download each row is still delivered exactly once."""
    double.hooks["FETCH"] = nth(9, restart)
    client.run(REQUEST, image.source, image.sink)
    assert image.is_right
    assert sum(rows for _, rows in image.delivered) == 600


def test_repeated_result_that_differs_is_refused(client, double, image):
    """Rows of two different results are never put together."""

    def change(d, _peer, _envelope):
        d.compute = lambda submit, pixels: upscaled(submit, pixels + b"x")
        d.restart()

    double.hooks["FETCH"] = nth(9, change)
    with pytest.raises(WireError, match="differs"):
        client.run(REQUEST, image.source, image.sink)


def test_connection_that_breaks_again_and_again_ends(client, double, image):
    """A connection that breaks at every attempt is given up instead of tried for ever."""
    double.hooks["SUBMIT"] = lambda d, p, e: d.drop_connections() or True
    with pytest.raises(ConnectionLost):
        client.run(REQUEST, image.source, image.sink)
    assert double.kinds().count("SUBMIT") <= 7


def test_daemon_that_never_comes_back_ends_in_time(client, double, image, monkeypatch):
    """Without a daemon the job ends after the patience with a sentence; `idle` is called all the time."""
    monkeypatch.setattr("bsrgan_wire.line.Line.reopen.__defaults__", (0.6, None))
    ticks = []

    def vanish(d, _peer, _envelope):
        d._close()
        d.socket = d._context.socket(6)

    double.hooks["PUT"] = once(vanish)
    with pytest.raises(DaemonUnreachable):
        client.run(REQUEST, image.source, image.sink, idle=lambda: ticks.append(time.monotonic()))
    assert ticks[-1] - ticks[0] >= 0.25
    assert len(ticks) >= 6


def test_nobody_listening_is_given_up_sooner_than_silence(client, double, image, monkeypatch):
    """Where nobody listens the client does not wait as long as for a daemon that is slow, and says what to do."""
    monkeypatch.setattr("bsrgan_wire.line.ABSENCE_S", 0.5)

    def vanish(d, _peer, _envelope):
        d._close()
        d.socket = d._context.socket(6)

    double.hooks["PUT"] = once(vanish)
    started = time.monotonic()
    with pytest.raises(DaemonUnreachable, match="try again"):
        client.run(REQUEST, image.source, image.sink)
    assert time.monotonic() - started < 10


def test_cancel_while_there_is_no_daemon(client, double, image):
    """A user who cancels while the client waits for the daemon to come back is not kept waiting."""

    def vanish(d, _peer, _envelope):
        d._close()
        d.socket = d._context.socket(6)

    double.hooks["PUT"] = once(vanish)
    started = time.monotonic()
    seen = []

    def is_cancelled():
        seen.append(time.monotonic())
        return "PUT" in double.kinds() and seen[-1] - started > 0.5

    with pytest.raises(JobCancelled):
        client.run(REQUEST, image.source, image.sink, is_cancelled=is_cancelled)
    assert time.monotonic() - started < 10


def test_silent_daemon_is_left(client, double, image, monkeypatch):
    """A daemon whose socket lives but that answers no PING is left, and the job goes on at the next connection."""
    monkeypatch.setattr(limits, "PING_INTERVAL_S", 0.1)
    assert session.limits is limits

    def hang(d, peer, envelope):
        job = d.jobs[envelope.message.job]
        job.result, job.state = d.compute(job.submit, bytes(job.pixels)), "ready"
        d.hooks["PING"] = lambda *_: True
        return True

    double.hooks["compute"] = hang
    client.run(REQUEST, image.source, image.sink)
    assert image.is_right
    assert double.kinds().count("PING") >= 3
    assert "ATTACH" in double.kinds()


def test_pings_keep_a_waiting_client_alive(client, double, image, monkeypatch):
    """While a job runs the client sends PINGs, as the daemon expects from a client that is there."""
    monkeypatch.setattr(limits, "PING_INTERVAL_S", 0.1)
    double.hooks["compute"] = lambda d, p, e: d.hooks.__setitem__("PING", nth(4, finish_by(p, e))) or True
    client.run(REQUEST, image.source, image.sink)
    assert image.is_right
    assert double.connections == 1


def finish_by(peer, envelope):
    """A hook's action that finishes the job of an earlier message."""

    def action(double, _peer, _envelope):
        double.finish(peer, double.jobs[envelope.message.job])
        return False

    return action


def test_ended_session_is_opened_anew(client, double, image):
    """When the daemon has forgotten the session, the job is attached from a new one."""

    def forget(d, peer, envelope):
        d.send(peer, Error(code="AUTH", klass="auth", retry="no", text="The session has ended."), envelope.seq)

    double.hooks["FETCH"] = nth(2, forget)
    client.run(REQUEST, image.source, image.sink)
    assert image.is_right
    assert double.connections == 2


def test_request_without_an_answer_is_repeated_over_a_new_connection(client, double, image, monkeypatch):
    """A daemon that is alive but never answers a step is taken for lost, and the job goes on after ATTACH."""
    monkeypatch.setattr(transfer, "ANSWER_S", 0.3)
    double.hooks["FETCH"] = from_nth(3)
    client.run(REQUEST, image.source, image.sink)
    assert image.is_right
    assert double.connections == 2


def test_daemon_that_says_bye_and_comes_back(client, double, image):
    """A daemon that leaves for an upgrade and comes back as another run gets the job again."""

    def leave(d, peer, envelope):
        d.send(peer, Bye(reason="upgrade"))
        d.order(d.restart)

    double.hooks["compute"] = once(leave)
    client.run(REQUEST, image.source, image.sink)
    assert image.is_right
