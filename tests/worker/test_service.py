"""The worker's boundary and order of answers, with a model that does what a test says."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass

import numpy as np
import pytest

from bsrgan_backend import link
from bsrgan_backend.worker import service
from support.repeating_network import Repeater, message, noise


@dataclass
class Facts:
    """What an engine says of itself."""

    engine: str = "native"
    precision: str = "fp32"


class Script(Repeater):
    """A network that first does what it is told."""

    def __init__(self, act):
        super().__init__()
        self.act = act
        self.facts = Facts()
        self.notes = ("n" * 600,) * 20

    def upscale(self, image, sink, *, on_progress, should_stop):
        """As the engine's, after the act."""
        self.act()
        super().upscale(image, sink, on_progress=on_progress, should_stop=should_stop)


class OneModel:
    """A residency that always has the same model."""

    def __init__(self, act, load=lambda: None):
        self.resident = None
        self.act = act
        self.on_load = load
        self.warmed = 0

    def facts(self):
        """No facts."""
        return {}

    def warm_up(self):
        """Nothing to import; counted."""
        self.warmed += 1

    def choose(self, asked):
        """The only one."""
        return "only", []

    def load(self, model):
        """Make it at first."""
        if self.resident is not None:
            return self.resident, False
        self.on_load()
        self.resident = service.Resident("only", Script(self.act), 0.1)
        return self.resident, True


class Running:
    """A service in a thread and the supervisor's end of its line."""

    def __init__(self, residency):
        self.line, theirs = link.pair()
        self.line.sock.settimeout(30)
        self.other = link.Link(theirs)
        self.thread = threading.Thread(target=service.Service(self.other, residency).serve)
        self.thread.start()
        self._unread = []

    def submit(self, job, target):
        """Send a job of a few pixels."""
        block = noise(4, 4, 3)
        with tempfile.TemporaryFile() as source:
            source.write(block.tobytes())
            source.flush()
            self.line.send({"t": "run", **message(block, (16, 16)), "job": job}, (source.fileno(), target.fileno()))

    def answer(self):
        """The next message that ends a job."""
        while True:
            while not self._unread:
                self._unread = [found for found, _ in self.line.receive()]
            found = self._unread.pop(0)
            if found["t"] in ("done", "failed", "cancelled"):
                return found


@pytest.fixture
def running(monkeypatch):
    """Starts services; at the end they unload and everything is closed."""
    started = []
    # The real one would take the tests with it.
    monkeypatch.setattr(service, "leave", lambda: None)

    def start(residency):
        started.append(Running(residency))
        return started[-1]

    yield start
    for one in started:
        one.line.send({"t": "unload"})
        one.thread.join(30)
        assert not one.thread.is_alive()
        one.line.close()
        for thread in threading.enumerate():
            if thread.name == "link":
                thread.join(30)
        one.other.close()


@pytest.fixture
def target():
    """A file for a result."""
    with tempfile.TemporaryFile() as file:
        yield file


def test_the_runtime_is_imported_on_request_only(running, target):
    """A worker imports its runtime when it is told to, and not for what can do without."""
    residency = OneModel(lambda: None)
    one = running(residency)
    one.submit("1" * 32, target)
    assert one.answer()["t"] == "done"
    assert residency.warmed == 0
    one.line.send({"t": "warm"})
    one.submit("2" * 32, target)
    assert one.answer()["t"] == "done"
    assert residency.warmed == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [(MemoryError("x"), "HOST_OOM"), (RuntimeError("secret"), "INTERNAL"), (KeyError("x"), "INTERNAL")],
)
def test_the_unexpected_becomes_one_sentence(running, target, error, code):
    """Whatever the engine raises ends the job with a code and a sentence, and the next job runs."""
    acts = iter([error, None])

    def act():
        raised = next(acts)
        if raised is not None:
            raise raised

    one = running(OneModel(act))
    one.submit("1" * 32, target)
    answer = one.answer()
    assert (answer["t"], answer["code"]) == ("failed", code)
    assert "secret" not in answer["text"] + answer["detail"]
    one.submit("2" * 32, target)
    assert one.answer()["t"] == "done"


def test_waiting_jobs_are_done_in_order_and_can_be_cancelled(running, target):
    """Of three jobs the one that is cancelled while it waits is answered at once, the others in order."""
    go_on, in_engine = threading.Event(), threading.Event()

    def act():
        in_engine.set()
        assert go_on.wait(30)

    one = running(OneModel(act))
    for name in "123":
        one.submit(name * 32, target)
    assert in_engine.wait(30)
    one.line.send({"t": "cancel", "job": "2" * 32})
    first = one.answer()
    go_on.set()
    rest = [one.answer() for _ in range(2)]
    assert [(found["t"], found["job"][0]) for found in (first, *rest)] == [
        ("cancelled", "2"),
        ("done", "1"),
        ("done", "3"),
    ]


def test_a_job_cancelled_while_loading_has_one_answer(running, target):
    """The answer comes while the model is still loading; the loaded model then serves the next job."""
    go_on, loading = threading.Event(), threading.Event()

    def load():
        loading.set()
        assert go_on.wait(30)

    one = running(OneModel(lambda: None, load))
    one.submit("1" * 32, target)
    assert loading.wait(30)
    one.line.send({"t": "cancel", "job": "1" * 32})
    assert one.answer()["t"] == "cancelled"
    go_on.set()
    one.submit("2" * 32, target)
    assert one.answer()["job"] == "2" * 32


def test_notes_fit_the_wire(running, target):
    """However much an engine has to say, the notes keep the wire's bounds."""
    one = running(OneModel(lambda: None))
    one.submit("1" * 32, target)
    notes = one.answer()["notes"]
    assert len(notes) == 16
    assert max(map(len, notes)) == 512


def test_results_are_the_networks(running, target):
    """The bytes in the file are the enlarged picture."""
    one = running(OneModel(lambda: None))
    one.submit("1" * 32, target)
    assert one.answer()["total"] == 16 * 16 * 3
    target.seek(0)
    expected = noise(4, 4, 3).repeat(4, 0).repeat(4, 1)
    np.testing.assert_array_equal(np.frombuffer(target.read(), np.uint8).reshape(16, 16, 3), expected)
