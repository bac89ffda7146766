"""Threads that follow one another: how they wait, stop and fail."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

from bsrgan_backend.engine.winograd.crew import Threads
from bsrgan_backend.engine.winograd.layout import Layout


class Work:
    """A task from a function of a member's number and its crew."""

    layout = Layout.of(1, 1)
    marks = 100

    def __init__(self, work):
        self.work = work

    def order(self):
        """Threads need none."""
        raise AssertionError


NEVER = 99


def ignore(_crew):
    """A check that lets the work go on."""


def working():
    """Threads of crews that live."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("rows-")]


def test_all_pieces_are_done():
    """Every number is given to a thread once, and no thread is left."""
    done = []
    Threads(4, ignore).run(Work(lambda number, _crew: done.append(number)))
    assert sorted(done) == [0, 1, 2, 3]
    assert not working()


def test_a_thread_waits_for_the_one_before():
    """What is marked as done by one thread can be relied on by the next."""
    order = []
    crew = Threads(3, ignore)

    def work(number, crew):
        for unit in range(20):
            if number:
                crew.await_mark(number - 1, unit)
            order.append((number, unit))
            crew.mark(number, unit)

    crew.run(Work(work))
    assert len(order) == 60
    assert all(order.index((number, unit)) > order.index((number - 1, unit)) for number in (1, 2) for unit in range(20))


def test_a_failure_is_the_callers_and_frees_those_that_wait():
    """The first thread that fails ends all, and its error is raised where the crew was run."""
    crew = Threads(3, ignore)

    def work(number, crew):
        if number == 2:
            raise MemoryError("none left")
        crew.await_mark(NEVER, 1)

    with pytest.raises(MemoryError, match="none left"):
        crew.run(Work(work))
    assert not working()


def test_a_failure_leaves_nothing_in_memory():
    """What the threads had is free at once when the error has been dealt with: the next attempt needs the room."""

    class Room(np.ndarray):
        """An array that can be watched."""

    rooms = []

    def work(_number, crew):
        room = np.empty(10, np.float32).view(Room)
        rooms.append(weakref.ref(room))
        raise MemoryError

    def attempt():
        with pytest.raises(MemoryError):
            Threads(2, ignore).run(Work(work))

    gc.disable()
    try:
        attempt()
        assert [room() for room in rooms] == [None, None]
    finally:
        gc.enable()


def test_a_check_that_raises_ends_the_threads():
    """A stop reaches threads that work and threads that wait."""
    asked = []

    def check(_crew):
        asked.append(1)
        if len(asked) == 3:
            raise KeyboardInterrupt

    crew = Threads(2, check)

    def work(number, crew):
        while True:
            crew.step()
            if number:
                crew.await_mark(NEVER, 1)

    with pytest.raises(KeyboardInterrupt):
        crew.run(Work(work))
    assert len(asked) == 3
    assert not working()


def test_threads_are_held_back():
    """While a crew is paused no step is done; afterwards the work goes on to its end."""
    steps = [0]
    seen = []

    def check(crew):
        if len(seen) < 3 and steps[0]:
            with crew.paused():
                # One step may be on its way.
                threading.Event().wait(0.02)
                before = steps[0]
                threading.Event().wait(0.05)
                seen.append(steps[0] - before)

    crew = Threads(1, check)

    def work(_number, crew):
        while len(seen) < 3:
            crew.step()
            steps[0] += 1

    crew.run(Work(work))
    assert seen == [0, 0, 0]


def test_a_system_without_threads_is_a_lack_of_memory(monkeypatch):
    """Where no thread can be started, the caller may try with fewer."""

    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(MemoryError):
        Threads(2, ignore).run(Work(lambda *_: None))
