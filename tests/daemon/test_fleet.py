"""Jobs on several cards: spread when there is more than one can do, kept apart, and a card that fails is left out."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bsrgan_backend.daemon.fleet import LEFT_OUT_S, Fleet
from bsrgan_backend.daemon.jobs import Job, JobTable
from bsrgan_backend.daemon.ledger import Ledger
from bsrgan_backend.daemon.workers import WorkerFacts
from bsrgan_backend.link import LinkClosed
from bsrgan_backend.settings import Settings
from bsrgan_wire.messages import Submit


class FakeLink:
    """The line to a worker that is not there."""

    numbers = iter(range(100, 100_000))

    def __init__(self):
        self.number = next(FakeLink.numbers)
        self.sent = []
        self.coming = []

    def fileno(self):
        """A number of its own."""
        return self.number

    is_sending = False

    def flush(self):
        """Nothing waits."""

    def send(self, message):
        """Kept."""
        self.sent.append(message)

    def receive(self):
        """What the test has put there; the end of the line for None."""
        coming, self.coming = self.coming, []
        if None in coming:
            raise LinkClosed("gone")
        return [(message, []) for message in coming]


class FakeStarter:
    """Workers that do what the test says."""

    def __init__(self):
        self.started = []

    def start(self, device, now):
        """A worker that has said nothing yet."""
        worker = SimpleNamespace(
            pid=len(self.started), device=device, heard=now, state="starting", facts=WorkerFacts(), link=FakeLink(),
            orders=[], kill=lambda: None, is_reaped=lambda: True,
        )  # fmt: skip
        worker.run = lambda order, _files: worker.orders.append(order["job"])
        self.started.append(worker)
        return worker

    def last_words(self):
        """Nothing."""
        return ""


class Bench:
    """A fleet, its jobs, and workers on two cards that a test plays."""

    def __init__(self):
        self.now = 0.0
        self.jobs = JobTable()
        sessions = SimpleNamespace(find=lambda _id: None, send=lambda *_: None, of=lambda _peer: None)
        self.ledger = Ledger(self.jobs, sessions, lambda: self.now)
        self.ledger.session_of = lambda _job: None
        self.starter = FakeStarter()
        self.fleet = Fleet(self.ledger, Settings(keep_alive_s=-1.0), self.starter, lambda: self.now)

    def job(self, device="auto", task="upscale"):
        """A queued job."""
        number = self.jobs.next_order()
        submit = Submit(job=f"{number:032x}", width=2, height=2, out_width=8, out_height=8, channels=3, dtype="u8",
                        task=task, device=device)  # fmt: skip
        file = SimpleNamespace(close=lambda: None, settle=lambda _n: None, length=lambda: 192)
        job = Job(submit, "s", "tiny", device, number, self.now, state="queued", input=file, output=file)
        self.jobs.add(job)
        self.turn()
        return job

    def turn(self):
        """What the loop does once."""
        for link in self.fleet.links():
            self.fleet.read(link)
        self.fleet.tick()
        self.fleet.wake()

    def say(self, worker, *messages):
        """Words of a worker."""
        worker.link.coming += messages
        self.turn()

    def begin(self, worker, device, cards=2):
        """A worker gets ready and loads the model for its first job."""
        self.say(worker, {"t": "ready", "device": device})
        self.say(worker, {"t": "loaded", "job": worker.orders[0], "device": device, "model": "tiny", "cards": cards})

    def end(self, worker, job):
        """A worker has done a job."""
        self.say(worker, {"t": "done", "job": job.id, "total": 192})


@pytest.fixture
def bench():
    """A fleet without workers."""
    return Bench()


@pytest.fixture
def two(bench):
    """Two cards at work, each with a job of its own."""
    first, second = bench.job(), bench.job()
    bench.begin(bench.starter.started[0], "gpu:0")
    bench.begin(bench.starter.started[1], "gpu:1")
    assert (first.lane, second.lane) == ("", "gpu:1")
    return bench, first, second


def test_waiting_jobs_are_spread_over_the_cards(two):
    """The second job gets the second card, a third one whichever is free first, and all end well."""
    bench, first, second = two
    third = bench.job()
    assert [worker.device for worker in bench.starter.started] == ["auto", "gpu:1"]
    assert third.state == "queued"
    bench.end(bench.starter.started[1], second)
    assert (third.state, third.lane) == ("running", "gpu:1")
    bench.end(bench.starter.started[0], first)
    bench.end(bench.starter.started[1], third)
    assert [job.state for job in (first, second, third)] == ["ready"] * 3


def test_one_job_at_a_time_keeps_to_one_card(bench):
    """Nothing is started on a second card as long as the first one has nothing waiting."""
    job = bench.job()
    bench.begin(bench.starter.started[0], "gpu:0")
    bench.end(bench.starter.started[0], job)
    bench.job()
    assert len(bench.starter.started) == 1


@pytest.mark.parametrize(("device", "cards"), [("cpu", 0), ("gpu:0", 1)])
def test_without_another_card_jobs_wait(bench, device, cards):
    """A processor, or a single card, has one worker whatever waits."""
    bench.job()
    bench.begin(bench.starter.started[0], device, cards)
    assert bench.job().state == "queued"
    assert len(bench.starter.started) == 1


def test_a_chosen_card_is_used(two):
    """A job for a card by number waits for that card and leaves the other alone."""
    bench, first, second = two
    mine = bench.job("gpu:1")
    bench.end(bench.starter.started[0], first)
    assert mine.state == "queued"
    bench.end(bench.starter.started[1], second)
    assert (mine.state, mine.lane) == ("running", "gpu:1")


def test_a_chosen_card_is_started_beside_the_first(bench):
    """A job for the second card does not unload the first one's model."""
    first = bench.job()
    bench.begin(bench.starter.started[0], "gpu:0")
    mine = bench.job("gpu:1")
    bench.say(bench.starter.started[1], {"t": "ready", "device": "gpu:1"})
    assert (first.state, mine.state, mine.lane) == ("running", "running", "gpu:1")
    assert not any(message["t"] == "unload" for message in bench.starter.started[0].link.sent)


def test_a_preview_goes_where_the_model_is(two):
    """A preview is let pass on a card that has the model, and starts no other worker."""
    bench, *_ = two
    preview = bench.job(task="preview")
    assert preview.state == "running"
    assert len(bench.starter.started) == 2


def test_a_cancel_reaches_the_right_worker(two):
    """Only the card that has the job is told to stop."""
    bench, _first, second = two
    bench.fleet.cancel(second)
    told = [[m for m in worker.link.sent if m["t"] == "cancel"] for worker in bench.starter.started]
    assert told == [[], [{"t": "cancel", "job": second.id}]]
    bench.now += 6
    bench.turn()
    assert second.state == "cancelled"


@pytest.mark.parametrize("death", ["line", "failed"])
def test_a_card_that_dies_is_left_out(two, death):
    """Its job fails, the others hear a sentence, its waiting jobs go to the first card, and it comes back later."""
    bench, first, second = two
    third = bench.job()
    worker = bench.starter.started[1]
    if death == "line":
        bench.say(worker, None)
        assert second.code == "WORKER_CRASHED"
    else:
        bench.say(worker, {"t": "failed", "job": second.id, "code": "DEVICE", "text": "The card stopped."})
        assert (second.code, second.text) == ("DEVICE", "The card stopped.")
    assert second.state == "failed"
    assert any("gpu:1 is left out" in note for note in first.notes)
    assert third.state == "queued"
    explicit = bench.job("gpu:1")
    assert (explicit.state, explicit.code) == ("failed", "DEVICE")
    assert "left out" in explicit.text
    bench.end(bench.starter.started[0], first)
    assert (third.state, third.lane) == ("running", "")
    bench.end(bench.starter.started[0], third)
    if death == "failed":
        assert {"t": "unload"} in worker.link.sent
        bench.say(worker, None)
    assert not bench.fleet.lanes
    bench.now += LEFT_OUT_S + 1
    bench.job()
    again = bench.job()
    bench.say(bench.starter.started[-1], {"t": "ready", "device": "gpu:1"})
    assert (again.state, again.lane) == ("running", "gpu:1")


def test_a_card_that_cannot_start_costs_no_job(bench):
    """A second card whose worker refuses at once takes nothing with it."""
    first, second = bench.job(), bench.job()
    bench.begin(bench.starter.started[0], "gpu:0")
    bench.say(bench.starter.started[1], {"t": "failed", "job": "", "code": "DEVICE", "text": "It is broken."})
    assert second.state == "queued"
    assert any("It is broken." in note for note in second.notes)
    bench.end(bench.starter.started[0], first)
    assert (second.state, second.lane) == ("running", "")


def test_all_workers_stop_with_the_daemon(two):
    """Stopping tells every worker, and is over when all have gone."""
    bench, *_ = two
    bench.fleet.close()
    assert all({"t": "stop"} in worker.link.sent for worker in bench.starter.started)
    assert not bench.fleet.is_closed()
    for link in bench.fleet.links():
        worker = next(w for w in bench.starter.started if w.link.fileno() == link)
        worker.link.coming.append(None)
        bench.fleet.read(link)
    assert bench.fleet.is_closed()


def test_a_library_that_is_asked_for_gets_its_own_worker(bench):
    """A job that names a library is not given to a worker of another one, and the same one is used again."""
    first = bench.job("gpu:0")
    bench.begin(bench.starter.started[0], "gpu:0", cards=1)
    bench.end(bench.starter.started[0], first)
    other = bench.job("torch/gpu:0")
    assert (other.state, {"t": "unload"} in bench.starter.started[0].link.sent) == ("queued", True)
    bench.say(bench.starter.started[0], None)
    assert bench.starter.started[1].device == "torch/gpu:0"
    bench.begin(bench.starter.started[1], "gpu:0", cards=1)
    bench.end(bench.starter.started[1], other)
    assert bench.job("torch/gpu:0").state == "running"
    assert len(bench.starter.started) == 2
