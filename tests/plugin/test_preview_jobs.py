"""The preview's jobs: only the latest wish counts, nobody waits, and failures are sentences."""

from __future__ import annotations

import json
import queue
import random
import threading
from dataclasses import replace

import pytest

from bsrgan_plugin import preview_jobs
from bsrgan_plugin.degrade_request import degrade_request
from bsrgan_plugin.outputs import Size
from bsrgan_plugin.preview_jobs import PreviewJobs, Wish
from bsrgan_wire.messages import Progress, Submit
from support.daemon_double import DaemonDouble

DEADLINE_S = 20.0
SIZE = Size(19, 300)
PIXELS = random.Random(2).randbytes(SIZE.width * SIZE.height * 3)


class DegradingDouble(DaemonDouble):
    """A daemon whose results are the input with every byte moved by the seed of the request, and know their recipe."""

    def __init__(self, folder):
        super().__init__(folder)
        self.compute = moved
        self.own_size = (SIZE.width, SIZE.height)

    def state_of(self, job):
        """A job's STATE; `ready` brings the request as the recipe."""
        state = super().state_of(job)
        return replace(state, recipe=job.submit.params["request"]) if job.state == "ready" else state


def moved(submit: Submit, pixels: bytes) -> bytes:
    """A deterministic stand-in for the degradation."""
    seed = json.loads(submit.params["request"])["seed"]
    return bytes((value + seed) % 256 for value in pixels)


@pytest.fixture
def daemon(tmp_path):
    """A running double that kept the protocol."""
    with DegradingDouble(tmp_path) as double:
        yield double
    assert not double.violations


@pytest.fixture
def told():
    """Numbers and answers, in order."""
    return queue.SimpleQueue()


@pytest.fixture
def jobs(daemon, told):
    """A thread at work."""
    working = PreviewJobs(str(daemon.path), lambda number, answer: told.put((number, answer)))
    working.start()
    yield working
    working.stop()


def rows(first, count):
    """Rows of a picture of random bytes."""
    length = SIZE.width * 3
    return PIXELS[first * length : (first + count) * length]


def wish(seed: int, result: Size | None = SIZE) -> Wish:
    """A wish for a seed."""
    return Wish(degrade_request(SIZE, 3, "u8", result, {"request": json.dumps({"seed": seed})}), rows)


def test_a_wish_is_granted_with_its_pixels_and_recipe(jobs, told):
    """The answer bears the wish's number, the whole result and how it was made."""
    number = jobs.wish(wish(5))
    found, answer = told.get(timeout=DEADLINE_S)
    assert found == number
    assert answer.pixels.size == SIZE
    assert answer.pixels.rows(0, SIZE.height) == bytes((value + 5) % 256 for value in PIXELS)
    assert json.loads(answer.recipe) == {"seed": 5}
    assert answer.notes == ("a note",)
    assert not answer.problem
    answer.pixels.close()


def test_the_task_may_decide_the_size(jobs, told):
    """Without a size in the wish, the result is as large as the daemon says."""
    jobs.wish(wish(1, None))
    _number, answer = told.get(timeout=DEADLINE_S)
    assert answer.pixels.size == SIZE
    answer.pixels.close()


def test_of_many_wishes_at_once_only_the_last_is_granted(jobs, told, daemon):
    """A slider that moves makes one job, not one for each step."""
    numbers = [jobs.wish(wish(seed)) for seed in range(1, 40)]
    found, answer = told.get(timeout=DEADLINE_S)
    answer.pixels.close()
    assert found == numbers[-1]
    assert json.loads(answer.recipe) == {"seed": 39}
    assert daemon.kinds().count("SUBMIT") == 1
    assert told.empty()


def test_a_newer_wish_cancels_the_one_at_work(jobs, told, daemon):
    """The daemon is told to stop, and no answer of the older wish comes."""
    started = threading.Event()

    def never(_double, _peer, envelope):
        started.set()
        return len(daemon.jobs) == 1

    daemon.hooks["compute"] = never
    jobs.wish(wish(1))
    assert started.wait(DEADLINE_S)
    number = jobs.wish(wish(2))
    found, answer = told.get(timeout=DEADLINE_S)
    answer.pixels.close()
    assert (found, json.loads(answer.recipe)) == (number, {"seed": 2})
    assert "CANCEL" in daemon.kinds()
    assert told.empty()


def test_a_withdrawn_wish_is_not_granted(jobs, told, daemon):
    """After nothing was asked for, nothing comes, and the next wish is granted as ever."""
    jobs.wish(wish(1))
    jobs.withdraw()
    number = jobs.wish(wish(3))
    found, answer = told.get(timeout=DEADLINE_S)
    answer.pixels.close()
    assert found == number
    assert daemon.kinds().count("SUBMIT") == 1


def test_a_refused_wish_is_one_sentence_and_the_next_is_granted(jobs, told, daemon):
    """What the daemon says against a wish is told; it is no end."""
    daemon.hooks["SUBMIT"] = lambda double, peer, envelope: double.fail(peer, envelope, "BAD_PARAM") or True
    jobs.wish(wish(1))
    _number, answer = told.get(timeout=DEADLINE_S)
    assert answer.pixels is None
    assert answer.problem.endswith(".")
    del daemon.hooks["SUBMIT"]
    jobs.wish(wish(2))
    _number, answer = told.get(timeout=DEADLINE_S)
    assert answer.pixels is not None
    answer.pixels.close()


def test_stopping_ends_the_thread_while_the_daemon_works(daemon, told, monkeypatch):
    """Closing the dialog waits for nobody: the job is cancelled and its answer not told."""
    started = threading.Event()
    daemon.hooks["compute"] = lambda *_arguments: started.set() or True
    working = PreviewJobs(str(daemon.path), lambda *arguments: told.put(arguments))
    working.start()
    working.wish(wish(1))
    assert started.wait(DEADLINE_S)
    working.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "preview"]
    assert told.empty()


def test_without_a_daemon_the_answer_is_a_sentence(tmp_path, told, monkeypatch):
    """Nobody to ask is a problem that is told, not a thread that died."""
    working = PreviewJobs(str(tmp_path / "nowhere.json"), lambda *arguments: told.put(arguments))
    monkeypatch.setattr(preview_jobs.connection, "CONNECT_TIMEOUT_S", 1.0)
    working.start()
    working.wish(wish(1))
    _number, answer = told.get(timeout=DEADLINE_S)
    working.stop()
    assert answer.problem.endswith(".")


def test_progress_is_told_as_a_line(daemon, told):
    """While the daemon works, what it says comes with the number of the wish; no time passes for a debounce of 0."""
    lines = queue.SimpleQueue()

    def report(double, peer, envelope):
        double.send(peer, Progress(envelope.message.job, "running", 1, 4, eta_s=12.0))
        return False

    daemon.hooks["compute"] = report
    working = PreviewJobs(
        str(daemon.path),
        lambda number, answer: told.put((number, answer)),
        lambda number, text: lines.put((number, text)),
        debounce_s=0.0,
    )
    working.start()
    number = working.wish(wish(1))
    _number, answer = told.get(timeout=DEADLINE_S)
    working.stop()
    answer.pixels.close()
    found = [lines.get_nowait() for _line in range(lines.qsize())]
    assert (number, "Working on the preview, about 10 s left") in found
