"""What the worker says, and how often."""

from __future__ import annotations

import threading

import pytest

from bsrgan_backend import link
from bsrgan_backend.worker import reports
from bsrgan_backend.worker.reports import Heartbeat, Outbox, Progress


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        """The time."""
        return self.now


@pytest.fixture
def clock():
    """A clock at rest."""
    return Clock()


@pytest.fixture
def sent():
    """The messages that were sent."""
    return []


@pytest.fixture
def progress(clock, sent):
    """The progress of a job."""
    return Progress("j", sent.append, clock)


def test_progress_is_at_most_ten_a_second(progress, clock, sent):
    """A thousand steps within a second give about ten messages, and the last step is always told."""
    progress.phase("running")
    for step in range(1001):
        clock.now = 100.0 + step / 1000
        progress.advance(step, 1000)
    assert 9 <= len(sent) <= 12
    assert sent[0]["done"] == 0
    assert (sent[-1]["done"], sent[-1]["total"]) == (100, 100)


def test_progress_never_goes_back(progress, clock, sent):
    """Steps that come out of order are not told."""
    progress.phase("running")
    for done in (0, 5, 3, 5, 8):
        clock.now += 1.0
        progress.advance(done, 10)
    assert [message["done"] for message in sent] == [0, 50, 80]


def test_time_left_follows_the_measured_rate(progress, clock, sent):
    """After a slow first step the time left is that of the later, steady ones."""
    progress.phase("running")
    progress.advance(0, 10)
    assert sent[-1]["eta"] == -1.0
    clock.now += 9.0
    progress.advance(1, 10)
    clock.now += 4.0
    progress.advance(3, 10)
    assert sent[-1]["eta"] == pytest.approx(14.0)
    assert progress.rate == pytest.approx(0.5)


def test_skipped_time_does_not_slow_the_rate(progress, clock, sent):
    """Time in which another job was let pass does not count as time that this one took."""
    progress.phase("running")
    progress.advance(0, 10)
    clock.now += 1.0
    progress.advance(1, 10)
    clock.now += 101.0
    progress.skip(100.0)
    progress.advance(2, 10)
    assert sent[-1]["eta"] == pytest.approx(8.0)


def test_a_known_rate_gives_the_time_left_at_once(progress, sent):
    """What the last job measured counts until this one has measured anything."""
    progress.phase("running", rate=2.0)
    progress.advance(0, 10)
    assert sent[-1]["eta"] == pytest.approx(5.0)


def test_huge_units_become_hundredths(progress, sent):
    """Units that count operations arrive as parts of a hundred with the word for it."""
    progress.phase("running")
    progress.advance(7_654_321, 15_000_000, 3, 24)
    assert (sent[-1]["done"], sent[-1]["total"], sent[-1]["unit"]) == (51, 100, "percent")
    assert (sent[-1]["tile"], sent[-1]["tiles"]) == (3, 24)


def test_every_phase_begins_with_a_message(progress, sent):
    """Loading and finishing are told when they begin."""
    progress.phase("loading")
    progress.phase("finishing")
    assert [message["phase"] for message in sent] == ["loading", "finishing"]


def test_the_last_phase_travels_with_the_answer():
    """The supervisor reads both at once, the phase first: nobody wakes for the phase alone."""
    ours, theirs = link.pair()
    other = link.Link(theirs)
    Outbox(ours, lambda: None).send(reports.finishing("j"), {"t": "done"})
    (phase, _), (answer, _) = other.receive()
    assert (phase["t"], phase["job"], phase["phase"], phase["done"]) == ("progress", "j", "finishing", 0)
    assert answer == {"t": "done"}
    ours.close()
    other.close()


def test_a_closed_line_is_the_end():
    """Sending to a supervisor that is gone calls what ends the process, and raises nothing."""
    ours, theirs = link.pair()
    theirs.close()
    ended = threading.Event()
    Outbox(ours, ended.set).send({"t": "memory"})
    assert ended.is_set()
    ours.close()


def test_signs_of_life_come_only_while_there_is_work(monkeypatch):
    """The heartbeat starts with a job, goes on by itself and ends with it."""
    monkeypatch.setattr(reports, "_HEARTBEAT_S", 0.01)
    ours, theirs = link.pair()
    other = link.Link(theirs)
    beat = Heartbeat(Outbox(ours, lambda: None))
    beat.begin()
    seen = []
    while len(seen) < 3:
        seen += [message for message, _ in other.receive()]
    beat.end()
    assert all(message["t"] == "memory" and message["rss"] > 1_000_000 for message in seen)
    theirs.settimeout(0.2)
    for _ in range(3):
        try:
            other.receive()
        except (TimeoutError, link.LinkClosed):
            break
    else:
        pytest.fail("still beating")
    other.close()
