"""The thread behind the window of models."""

from __future__ import annotations

import queue
import threading

import pytest

from bsrgan_plugin import model_jobs
from bsrgan_plugin.model_jobs import ModelJobs
from bsrgan_wire.errors import ConnectionLost, RemoteError
from bsrgan_wire.messages import ModelsReport

DEADLINE_S = 20.0
IDLE = ModelsReport()


class FakeClient:
    """A daemon that notes what it is asked; what `failures` hold for a question is raised once."""

    def __init__(self) -> None:
        self.asked: queue.SimpleQueue = queue.SimpleQueue()
        self.failures: dict[str, Exception] = {}
        self.opened = 0

    def __enter__(self):
        self.opened += 1
        return self

    def __exit__(self, *_error):
        return None

    def models(self):
        """The list."""
        return self._answer("models")

    def get_model(self, model):
        """A download begins."""
        return self._answer(f"get {model}")

    def add_model(self, path):
        """A file is read."""
        return self._answer(f"add {path}")

    def stop_model(self):
        """A transfer ends."""
        return self._answer("stop")

    def _answer(self, question):
        if question in self.failures:
            raise self.failures.pop(question)
        self.asked.put(question)
        return ModelsReport(what=question)


@pytest.fixture
def client(monkeypatch):
    """The daemon, found at once and asked without pauses."""
    client = FakeClient()
    monkeypatch.setattr(model_jobs.connection, "open_client", lambda *_arguments, **_options: client)
    monkeypatch.setattr(model_jobs, "ASK_INTERVAL_S", 0.02)
    monkeypatch.setattr(model_jobs, "RETRY_INTERVAL_S", 0.02)
    return client


@pytest.fixture
def told():
    """Reports and problems."""
    return queue.SimpleQueue()


@pytest.fixture
def jobs(client, told):
    """The thread; it ends with the test."""
    jobs = ModelJobs("", lambda *what: told.put(what))
    yield jobs
    jobs.stop()
    for thread in threading.enumerate():
        if thread.name == "models":
            thread.join(DEADLINE_S)
            assert not thread.is_alive()


def until(told, wanted):
    """Wait for something to be told."""
    while not wanted(*(got := told.get(timeout=DEADLINE_S))):
        pass
    return got


def test_orders_go_to_the_daemon_between_questions(jobs, told):
    """The list is asked again and again, and each order is given once."""
    jobs.start()
    until(told, lambda report, _problem: report.what == "models")
    jobs.get("net")
    jobs.add("/home/me/net.pth")
    jobs.cancel()
    for order in ("get net", "add /home/me/net.pth", "stop", "models"):
        until(told, lambda report, _problem, order=order: report.what == order)


def test_a_refused_order_is_a_sentence_beside_the_list(jobs, client, told):
    """A refusal comes with the models, over the same connection."""
    client.failures["get net"] = RemoteError("BAD_PARAM", "Another one is under way.")
    jobs.start()
    jobs.get("net")
    report, problem = until(told, lambda _report, problem: problem)
    assert (report.what, problem) == ("models", "Another one is under way.")
    assert client.opened == 1


def test_a_lost_daemon_is_told_and_looked_for_again(jobs, client, told):
    """A connection that breaks becomes a sentence, and a new one is used; an order given meanwhile is kept."""
    client.failures["models"] = ConnectionLost("The daemon is gone.")
    jobs.start()
    jobs.get("net")
    assert until(told, lambda report, _problem: report is None)[1] == "The daemon is gone."
    until(told, lambda report, _problem: report is not None and report.what == "models")
    assert client.opened > 1


def test_a_closed_window_hears_no_more(client, told):
    """The end is not waited for; an order that comes after it is not given, and the thread ends."""
    jobs = ModelJobs("", lambda *what: told.put(what))
    jobs.start()
    until(told, lambda report, _problem: report is not None)
    jobs.stop()
    jobs.get("net")
    for thread in threading.enumerate():
        if thread.name == "models":
            thread.join(DEADLINE_S)
            assert not thread.is_alive()
    assert "get net" not in [client.asked.get() for _ in range(client.asked.qsize())]
