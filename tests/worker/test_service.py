"""The worker's boundary and order of answers, with a model that does what a test says."""

from __future__ import annotations

import tempfile
import threading
import time
from dataclasses import dataclass

import numpy as np
import pytest

from bsrgan_backend import link
from bsrgan_backend.engine.arithmetic import DeviceLost
from bsrgan_backend.worker import service
from bsrgan_wire.preview import Place, Rectangle
from support.repeating_network import Repeater, message, noise


@dataclass
class Facts:
    """What an engine says of itself."""

    engine: str = "native"
    precision: str = "fp32"
    device: str = "cpu"
    device_name: str = "a processor"
    engine_version: str = "Paddle 0"


class Script(Repeater):
    """A network that first does what it is told."""

    def __init__(self, act):
        super().__init__()
        self.act = act
        self.facts = Facts()
        self.notes = ("n" * 600,) * 20

    def upscale(self, image, sink, *, on_progress, should_stop, **_options):
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

    def choose(self, asked, factor):
        """The only one."""
        return "only", []

    def holds(self, model):
        """Whether it is this one, and made."""
        return self.resident is not None and self.resident.model == model

    def load(self, model):
        """Make it at first."""
        if self.resident is not None:
            return self.resident, False
        self.on_load()
        self.resident = service.Resident("only", Script(self.act), 0.1)
        return self.resident, True


class Running:
    """A service in a thread and the supervisor's end of its line."""

    def __init__(self, residency, *more):
        self.started = time.monotonic()
        self.line, theirs = link.pair()
        self.line.sock.settimeout(30)
        self.other = link.Link(theirs)
        self.service = service.Service(self.other, residency, *more)
        self.thread = threading.Thread(target=self.service.serve)
        self.thread.start()
        self._unread = []

    def submit(self, job, target, **changes):
        """Send a job of a few pixels."""
        block = noise(4, 4, 3)
        with tempfile.TemporaryFile() as source:
            source.write(block.tobytes())
            source.flush()
            self.line.send(
                {"t": "run", **message(block, (16, 16)), "job": job, **changes}, (source.fileno(), target.fileno())
            )

    def waits_for(self, job):
        """Return once the service has read a job's order behind the one at work."""
        until = time.monotonic() + 30
        while not any(run.job == job for run in list(self.service._inbox._waiting)):
            assert time.monotonic() < until
            time.sleep(0.01)

    def answer(self):
        """The next message that ends a job."""
        while True:
            while not self._unread:
                self._unread = [found for found, _ in self.line.receive()]
            found = self._unread.pop(0)
            if found["t"] in ("done", "failed", "cancelled"):
                return found


PLACE = Place.around((4, 4), (16, 16), Rectangle(2, 3, 8, 6))
PREVIEW = {"task": "preview", "out_width": 8, "out_height": 18, "params": PLACE.params()}


@pytest.fixture
def running(monkeypatch):
    """Starts services; at the end they unload and everything is closed."""
    started = []
    # The real one would take the tests with it.
    monkeypatch.setattr(service, "leave", lambda: None)

    def start(residency, *more):
        started.append(Running(residency, *more))
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


def test_a_lost_device_ends_the_process_after_its_answer(running, target):
    """A card that answers nothing sensible any more costs one job a sentence, and the next one gets a new process."""

    def act():
        raise DeviceLost("DEVICE", "The card stopped.")

    one = running(OneModel(act))
    one.submit("1" * 32, target)
    answer = one.answer()
    assert (answer["t"], answer["code"], answer["text"]) == ("failed", "DEVICE", "The card stopped.")
    one.thread.join(30)
    assert not one.thread.is_alive()


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


class Acts:
    """What the networks's runs do, one after the other; each says that it has begun and waits to be let go on."""

    def __init__(self, count):
        self.begun = [threading.Event() for _ in range(count)]
        self.go_on = [threading.Event() for _ in range(count)]
        self._next = iter(range(count))

    def __call__(self):
        """The next run's."""
        index = next(self._next)
        self.begun[index].set()
        assert self.go_on[index].wait(30)


def test_a_preview_is_done_inside_a_job(running, target):
    """It is answered before the job that was at work, both with the right pixels, and another job goes on after."""
    acts = Acts(3)
    one = running(OneModel(acts))
    with tempfile.TemporaryFile() as small:
        one.submit("1" * 32, target)
        assert acts.begun[0].wait(30)
        one.submit("2" * 32, target)
        one.submit("3" * 32, small, **PREVIEW)
        one.waits_for("3" * 32)
        for event in acts.go_on:
            event.set()
        assert [one.answer()["job"][0] for _ in range(3)] == ["3", "1", "2"]
        small.seek(0)
        shown = np.frombuffer(small.read(), np.uint8).reshape(3, 6, 8, 3)
    expected = noise(4, 4, 3).repeat(4, 0).repeat(4, 1)
    np.testing.assert_array_equal(shown[0], expected[3:9, 2:10])


def test_a_job_that_has_let_a_preview_pass_can_be_cancelled(running, target):
    """Its answer comes at once and only once, while the preview is still at work."""
    acts = Acts(3)
    one = running(OneModel(acts))
    with tempfile.TemporaryFile() as small:
        one.submit("1" * 32, target)
        assert acts.begun[0].wait(30)
        one.submit("3" * 32, small, **PREVIEW)
        one.waits_for("3" * 32)
        acts.go_on[0].set()
        assert acts.begun[1].wait(30)
        one.line.send({"t": "cancel", "job": "1" * 32})
        first = one.answer()
        acts.go_on[1].set()
        acts.go_on[2].set()
        second = one.answer()
        one.submit("4" * 32, target)
        third = one.answer()
    assert [(found["t"], found["job"][0]) for found in (first, second, third)] == [
        ("cancelled", "1"),
        ("done", "3"),
        ("done", "4"),
    ]


def test_a_preview_inside_a_job_can_be_cancelled(running, target):
    """The preview ends as cancelled and the job around it is done."""
    acts = Acts(2)
    one = running(OneModel(acts))
    with tempfile.TemporaryFile() as small:
        one.submit("1" * 32, target)
        assert acts.begun[0].wait(30)
        one.submit("3" * 32, small, **PREVIEW)
        one.waits_for("3" * 32)
        acts.go_on[0].set()
        assert acts.begun[1].wait(30)
        one.line.send({"t": "cancel", "job": "3" * 32})
        one.line.send({"t": "cancel", "job": "f" * 32})
        # The line is read in order: the second cancel is there when its answer, none, could be.
        while not any(run.cancelled.is_set() for run in one.service._runs.values()):
            pass
        acts.go_on[1].set()
        answers = [one.answer() for _ in range(2)]
    assert [(found["t"], found["job"][0]) for found in answers] == [("cancelled", "3"), ("done", "1")]


def test_a_failed_preview_leaves_the_job_alone(running, target):
    """Whatever a preview raises is its own answer."""
    acts = Acts(1)
    one = running(OneModel(acts))
    one.submit("1" * 32, target)
    assert acts.begun[0].wait(30)
    one.submit("3" * 32, target, **{**PREVIEW, "params": {}})
    one.waits_for("3" * 32)
    acts.go_on[0].set()
    answers = [one.answer() for _ in range(2)]
    assert [(found["t"], found["job"][0]) for found in answers] == [("failed", "3"), ("done", "1")]
    assert answers[0]["code"] == "BAD_PARAM"


def test_a_preview_with_another_model_waits(running, target):
    """The model that is at work is never replaced under a job."""
    acts = Acts(2)
    residency = OneModel(acts)
    residency.choose = lambda asked, factor: (asked or "only", [])
    one = running(residency)
    with tempfile.TemporaryFile() as small:
        one.submit("1" * 32, target)
        assert acts.begun[0].wait(30)
        one.submit("3" * 32, small, **PREVIEW, model="other")
        one.waits_for("3" * 32)
        for event in acts.go_on:
            event.set()
        assert [one.answer()["job"][0] for _ in range(2)] == ["1", "3"]


def test_a_jobs_time_is_its_own(running, target):
    """The seconds of a job do not count the preview that it has let pass."""
    acts = Acts(2)
    one = running(OneModel(acts))
    with tempfile.TemporaryFile() as small:
        one.submit("1" * 32, target)
        assert acts.begun[0].wait(30)
        one.submit("3" * 32, small, **PREVIEW)
        one.waits_for("3" * 32)
        acts.go_on[0].set()
        assert acts.begun[1].wait(30)
        time.sleep(0.3)
        acts.go_on[1].set()
        shown, job = one.answer(), one.answer()
    assert shown["engine_seconds"] >= 0.3
    assert 0 <= job["engine_seconds"] <= job["seconds"]
    assert job["seconds"] + shown["seconds"] <= time.monotonic() - one.started


def test_defaults_count_where_a_job_says_nothing(running, target):
    """The settings' options reach the engine, and a job's own go before them."""
    heard = []
    residency = OneModel(lambda: None)
    one = running(residency, {"tile": 64, "memory": 0})
    one.submit("1" * 32, target)
    one.answer()
    network = residency.resident.engine
    plain = network.upscale

    def upscale(image, sink, *, on_progress, should_stop, **options):
        heard.append(options)
        plain(image, sink, on_progress=on_progress, should_stop=should_stop)

    network.upscale = upscale
    one.submit("2" * 32, target)
    one.submit("3" * 32, target, params={"tile": 96})
    assert [one.answer()["t"] for _ in range(2)] == ["done", "done"]
    assert heard == [{"tile": 64}, {"tile": 96}]


def test_notes_of_one_run_are_not_told_with_the_next(running, target):
    """What an engine says about its loading comes with every job, what it says about a run with that run."""
    acts = iter([("first",), ()])

    def act():
        residency.resident.engine.notes += next(acts)

    residency = OneModel(act)
    residency.load("only")
    residency.resident.engine.notes = ("loaded",)
    residency.resident.loading_notes = 1
    one = running(residency)
    for job, expected in (("1", ["loaded", "first"]), ("2", ["loaded"])):
        one.submit(job * 32, target)
        assert one.answer()["notes"] == expected
