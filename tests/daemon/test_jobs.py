"""Jobs and their queue, without sockets."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bsrgan_backend.daemon.jobs import ENDED_KEPT, Job, JobTable
from bsrgan_wire.messages import Progress
from support.daemons import order

STATES = ("uploading", "queued", "running", "ready", "failed", "cancelled", "released")


def job(owner="a", number=0, state="uploading", **fields):
    """A job in a state."""
    made = Job(order(**fields), owner, "bsrgan-x4", "auto", number, 0.0)
    made.state = state
    return made


def test_only_the_steps_of_the_protocol_are_possible():
    """Every pair of states is either a step of the table or refused, and ends are ends."""
    possible = set()
    for old, new in itertools.product(STATES, STATES):
        one = job(state=old)
        try:
            one.move(new)
        except ValueError:
            assert one.state == old
        else:
            possible.add((old, new))
    assert possible == {
        ("uploading", "queued"),
        ("uploading", "failed"),
        ("uploading", "cancelled"),
        ("queued", "running"),
        ("queued", "failed"),
        ("queued", "cancelled"),
        ("running", "ready"),
        ("running", "failed"),
        ("running", "cancelled"),
        ("ready", "released"),
        ("ready", "failed"),
    }


@pytest.mark.parametrize(
    ("dtype", "channels", "size"), [("u8", 1, 12), ("u16", 2, 48), ("f16", 3, 72), ("f32", 4, 192)]
)
def test_lengths_come_from_the_shape(dtype, channels, size):
    """Bytes are width x height x channels x the sample's size, of the input and of the result."""
    one = job(width=4, height=3, channels=channels, dtype=dtype)
    assert (one.input_bytes, one.output_bytes) == (size, 16 * size)


def test_a_size_that_the_task_decides_about():
    """Until the task has said it, the result has no size and keeps as much room as the input; then it is told."""
    one = job(width=4, height=3, out_width=0, out_height=0, task="degrade")
    assert (one.output_bytes, one.reserve_bytes) == (0, one.input_bytes)
    one.own_size = (2, 1)
    assert (one.output_bytes, one.reserve_bytes) == (6, 6)
    one.state, one.recipe = "ready", "{}"
    told = one.report()
    assert (told.width, told.height, told.total, told.recipe) == (2, 1, 6, "{}")
    one.state = "running"
    assert (one.report().width, one.report().recipe) == (0, "")


def test_the_largest_result_has_more_bytes_than_32_bits_hold():
    """16384 x 16384 RGBA float is 2^32 bytes, no more and no less."""
    one = job(width=4096, height=4096, channels=4, dtype="f32")
    assert one.output_bytes == 2**32


def test_sessions_take_turns():
    """A client that sends many jobs does not keep another one waiting behind all of them."""
    table = JobTable()
    for number, owner in enumerate("aaabab"):
        table.add(job(owner, number, "queued"))
    assert [(j.owner, j.order) for j in table.queue()] == [
        ("a", 0), ("b", 3), ("a", 1), ("b", 5), ("a", 2), ("a", 4),
    ]  # fmt: skip


def test_the_running_jobs_owner_has_had_its_turn():
    """While a's job runs, b's first comes before a's next."""
    table = JobTable()
    for number, (owner, state) in enumerate([("a", "running"), ("a", "queued"), ("b", "queued")]):
        table.add(job(owner, number, state))
    assert [j.owner for j in table.queue()] == ["b", "a"]


@given(st.lists(st.sampled_from("abc"), max_size=12), st.sampled_from([None, "a", "b"]))
@hypothesis_settings(max_examples=60, deadline=None)
def test_the_queue_is_fair_and_complete(owners, running):
    """Every queued job is there once; of one client in order; nobody is served twice more than who still waits."""
    table = JobTable()
    if running is not None:
        table.add(job(running, 0, "running"))
    for number, owner in enumerate(owners, start=1):
        table.add(job(owner, number, "queued"))
    queue = table.queue()
    assert sorted(j.order for j in queue) == list(range(1, len(owners) + 1))
    for owner in "abc":
        own = [j.order for j in queue if j.owner == owner]
        assert own == sorted(own)
    for end in range(len(queue)):
        served = {owner: sum(j.owner == owner for j in queue[:end]) + (owner == running) for owner in "abc"}
        waiting = {j.owner for j in queue[end:]}
        assert all(served[queue[end].owner] <= served[other] + (queue[end].owner == running) for other in waiting)


def progress(phase, done, total=10):
    """A progress message."""
    return Progress("0" * 32, phase, done, total)


def test_progress_never_goes_backwards():
    """Only what is further in its phase or of a later phase is kept, but places in the queue may change."""
    one = job(state="running")
    told = [
        ("queued", 1), ("queued", 3), ("loading", 0), ("queued", 0), ("running", 5), ("running", 4), ("running", 5),
        ("running", 6), ("loading", 9), ("finishing", 0),
    ]  # fmt: skip
    kept = []
    for phase, done in told:
        one.progress_is_new = False
        one.note_progress(progress(phase, done))
        if one.progress_is_new:
            kept.append((phase, done))
    assert kept == [
        ("queued", 1), ("queued", 3), ("loading", 0), ("running", 5), ("running", 6), ("finishing", 0),
    ]  # fmt: skip


class File:
    """A spool file that only notes its end."""

    is_open = True

    def close(self):
        """As a spool file's."""
        self.is_open = False


def test_files_are_freed_after_the_change_when_asked():
    """A result needs no input any more and an ended job no file, but a client need not wait until they are freed."""
    one = job(state="running")
    source, target = one.input, one.output = File(), File()
    one.move("ready")
    assert (source.is_open, target.is_open) == (True, True)
    one.tidy()
    assert (source.is_open, target.is_open) == (False, True)
    one.move("released")
    one.tidy()
    assert not target.is_open
    assert (one.input, one.output) == (None, None)


def test_ended_jobs_are_remembered_for_a_while():
    """Late questions about an ended job get an answer, but memory is bounded."""
    table = JobTable()
    jobs = [job("a", number) for number in range(ENDED_KEPT + 1)]
    for one in jobs:
        table.add(one)
        one.move("cancelled")
        table.settle(one)
    assert table.find(jobs[0].id) is None
    assert table.find(jobs[1].id) is jobs[1]
    assert list(table) == []


def test_notes_stay_within_the_wires_bounds():
    """Repeated notes are told once, long ones are cut, and there are never too many for the message."""
    one = job(state="running")
    one.add_notes(["x" * 1000, "x" * 1000, *map(str, range(40))])
    one.move("ready")
    assert len(one.report().notes) == 16
    assert len(one.report().notes[0]) == 512
