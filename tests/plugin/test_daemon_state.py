"""What the dialog says of the daemon."""

from __future__ import annotations

import queue
import threading

import pytest

from bsrgan_plugin import daemon_state
from bsrgan_plugin.daemon_state import Watch, of_report
from bsrgan_plugin.outcomes import NotInstalled
from bsrgan_wire.messages import ModelsReport
from bsrgan_wire.model_facts import ModelFacts

DEADLINE_S = 20.0
FACTS = ModelFacts(
    "a", "A net", "For photos.", "MIT", "https://a.org/x/y.pth", 4, 7, is_installed=True, is_default=True
)


def test_a_ready_daemon_names_device_and_model():
    """The line names what will do the work, and the models come with it."""
    report = {
        "models": ["a-x4", "b-x2"],
        "default_model": "a-x4",
        "device": "cpu",
        "device_name": "A CPU",
        "model": "a-x4",
    }
    state = of_report(report)
    assert state.text == "The daemon is ready · A CPU · a-x4 is loaded"
    assert (state.models, state.default_model) == (("a-x4", "b-x2"), "a-x4")
    assert not state.is_problem


@pytest.mark.parametrize(
    ("counts", "part"),
    [
        ({}, ""),
        ({"queue": 0, "running": 1}, "one job before yours"),
        ({"queue": 2, "running": 1}, "3 jobs before yours"),
    ],
)
def test_waiting_jobs_are_told(counts, part):
    """Jobs that will be served before are counted, and none are not mentioned."""
    text = of_report({"models": ["a"], "device": "cpu", **counts}).text
    assert text.endswith(part)
    assert ("before yours" in text) == bool(part)


def test_the_dialogs_own_jobs_are_not_before_it():
    """A preview at work is the dialog's own and holds nobody up."""
    report = {"models": ["a"], "queue": 1, "running": 1}
    assert of_report(report, own_jobs=1).text.endswith("one job before yours")
    assert "before" not in of_report(report, own_jobs=2).text
    assert "before" not in of_report({"models": ["a"]}, own_jobs=1).text


def test_a_daemon_without_models_is_a_problem_with_a_way_out():
    """With no model installed the filter would fail, and the line says how to get one."""
    state = of_report({"models": [], "device": "cpu"})
    assert state.is_problem
    assert "“More models…”" in state.text
    assert "gimp-bsrgan models download" in state.text
    assert state.is_known


def test_a_filter_that_needs_no_model_has_no_problem_without_one():
    """For a degradation, a daemon without models is ready."""
    state = of_report({"models": [], "device": "cpu"}, needs_model=False)
    assert not state.is_problem
    assert state.text == "The daemon is ready"


class FakeClient:
    """Answers STATUS from a list; when it is empty the connection is lost."""

    answers: queue.SimpleQueue = queue.SimpleQueue()
    is_new = True
    asked = 0

    def tells_models(self):
        """Whether this daemon knows the question."""
        return self.is_new

    def models(self):
        """One model, and one that cannot be read; counts the questions."""
        type(self).asked += 1
        return ModelsReport(models=(FACTS.packed(), {"id": 5}))

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        return None

    def status(self):
        """The next answer; an exception is raised."""
        answer = self.answers.get(timeout=DEADLINE_S)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def told(monkeypatch):
    """States of a watch, with a daemon that is always found and asked without pauses."""
    monkeypatch.setattr(daemon_state, "ASK_INTERVAL_S", 0.01)
    FakeClient.answers = queue.SimpleQueue()
    FakeClient.is_new, FakeClient.asked = True, 0
    return queue.SimpleQueue()


def find(*_arguments, **_options):
    """A client, at once."""
    return FakeClient()


def test_the_watch_survives_a_daemon_that_goes_and_comes(told, monkeypatch):
    """A lost connection becomes a line of text, and the next answer is shown again."""
    monkeypatch.setattr(daemon_state.connection, "open_client", find)
    watch = Watch("", told.put)
    watch.start()
    for answer in ({"models": ["a"]}, OSError(104, "Connection reset"), {"models": ["a", "b"]}):
        FakeClient.answers.put(answer)
    states = [told.get(timeout=DEADLINE_S) for _ in range(3)]
    FakeClient.answers.put({"models": ["a"]})
    watch.stop()
    assert [state.is_problem for state in states] == [False, True, False]
    assert "Connection reset" in states[1].text
    assert states[2].models == ("a", "b")


@pytest.mark.parametrize("is_new", [True, False])
def test_facts_of_models_are_asked_once_for_each_list(told, monkeypatch, is_new):
    """Licence and origin come with the state, asked again only when the list changes and never of an old daemon."""
    monkeypatch.setattr(daemon_state.connection, "open_client", find)
    FakeClient.is_new = is_new
    watch = Watch("", told.put)
    watch.start()
    for models in (["a"], ["a"], ["a", "b"]):
        FakeClient.answers.put({"models": models})
    states = [told.get(timeout=DEADLINE_S) for _ in range(3)]
    FakeClient.answers.put({"models": ["a", "b"]})
    watch.stop()
    assert [state.facts for state in states] == [(FACTS,) if is_new else ()] * 3
    assert FakeClient.asked == (2 if is_new else 0)


def test_a_missing_installation_is_told_and_looked_for_again(told, monkeypatch):
    """While nothing is installed the line says so; after the installer ran, the daemon is found."""
    answers = [NotInstalled("Run the installer."), NotInstalled("Run the installer.")]

    def search(*_arguments, **_options):
        if answers:
            raise answers.pop()
        return find()

    monkeypatch.setattr(daemon_state.connection, "open_client", search)
    watch = Watch("", told.put)
    watch.start()
    FakeClient.answers.put({"models": ["a"]})
    states = [told.get(timeout=DEADLINE_S) for _ in range(3)]
    FakeClient.answers.put({"models": ["a"]})
    watch.stop()
    assert [state.text for state in states[:2]] == ["Run the installer."] * 2
    assert states[2].models == ("a",)


def test_the_watch_stops_while_a_daemon_starts(told, monkeypatch):
    """Closing the dialog ends the wait for a daemon, and nothing is told afterwards."""
    waiting = threading.Event()

    def start(*_arguments, idle, on_starting):
        on_starting()
        while True:
            waiting.set()
            idle()
            threading.Event().wait(0.01)

    monkeypatch.setattr(daemon_state.connection, "open_client", start)
    watch = Watch("", told.put)
    watch.start()
    assert waiting.wait(DEADLINE_S)
    watch.stop()
    assert told.get(timeout=DEADLINE_S).is_waiting
    assert told.empty()
    assert not [thread for thread in threading.enumerate() if thread.name == "daemon-state"]
