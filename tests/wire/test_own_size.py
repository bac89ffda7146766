"""Jobs whose result is as large as the task makes it: the client learns the size with STATE `ready`."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from bsrgan_wire import limits
from bsrgan_wire.client import Client, JobRequest
from bsrgan_wire.codec import DAEMON_KINDS, decode, encode
from bsrgan_wire.errors import FrameError, WireError
from bsrgan_wire.messages import State
from support.daemon_double import DaemonDouble, upscaled

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the double listens on ipc")

REQUEST = JobRequest(
    width=30, height=20, channels=3, dtype="u8", out_width=0, out_height=0, task="degrade", params={"request": "{}"}
)
PIXELS = bytes(range(200)) * 9


@pytest.fixture
def double(tmp_path):
    """A daemon with small chunks whose results are 50 x 40."""
    with DaemonDouble(tmp_path, chunk=4096) as made:
        made.own_size = (50, 40)
        yield made


@pytest.fixture
def client(double):
    """A client of it."""
    with Client.connect_at(double.path, name="test") as made:
        yield made


class Receiver:
    """Takes rows and the messages about the job."""

    def __init__(self):
        self.result = bytearray()
        self.sizes = []

    def sink(self, _first, _rows, pixels):
        """Rows, after the size is known."""
        assert self.sizes
        self.result += pixels

    def on_event(self, message):
        """Notes the size of a result."""
        if isinstance(message, State) and message.state == "ready":
            self.sizes.append((message.width, message.height))


def source(first, rows):
    """Rows of the input."""
    return PIXELS[first * 90 : (first + rows) * 90]


def expected(width=50, height=40):
    """The double's result."""
    return upscaled(replace(REQUEST, out_width=width, out_height=height).submit("0" * 32), PIXELS)


def test_the_size_comes_with_the_result(client, double):
    """The whole result arrives, and the caller is told its size before the first row."""
    taken = Receiver()
    state = client.run(REQUEST, source, taken.sink, on_event=taken.on_event)
    assert (state.width, state.height) == (50, 40)
    assert taken.sizes == [(50, 40)]
    assert bytes(taken.result) == expected()
    assert not double.violations


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (limits.SIDE_PX + 1, 1)])
def test_impossible_sizes_are_refused(client, double, size):
    """A daemon that tells an impossible size is not believed."""
    double.own_size = size
    with pytest.raises(FrameError, match="another size"):
        client.run(REQUEST, source, Receiver().sink)


def test_bytes_must_fit_the_size(client, double):
    """A result whose bytes do not fit its own size is not delivered."""
    double.compute = lambda submit, pixels: upscaled(submit, pixels)[:-1]
    with pytest.raises(FrameError, match="another size"):
        client.run(REQUEST, source, Receiver().sink)


def test_other_tasks_may_not_choose(client, double):
    """A task that does not size itself gets no result of a size of its own."""
    with pytest.raises(FrameError, match="another size"):
        client.run(replace(REQUEST, task="upscale"), source, Receiver().sink)


def second(action):
    """A hook that does something at the second message of its kind."""
    count = []

    def hook(double, _peer, _envelope):
        count.append(1)
        if len(count) == 2:
            action(double)
        return len(count) == 2

    return hook


def test_a_repeated_job_asks_as_before(client, double):
    """After a restart of the daemon the size is left open again, and the same result is joined."""
    taken = Receiver()
    double.hooks["FETCH"] = second(lambda d: d.restart())
    client.run(REQUEST, source, taken.sink, on_event=taken.on_event)
    assert bytes(taken.result) == expected()
    submits = [message for message in double.received if message.KIND == "SUBMIT"]
    assert [(submit.out_width, submit.out_height) for submit in submits] == [(0, 0), (0, 0)]


def test_a_repeated_job_must_not_change_its_size(client, double):
    """Rows of results of two sizes are never put together."""

    def change(d):
        d.own_size = (50, 41)
        d.restart()

    double.hooks["FETCH"] = second(change)
    taken = Receiver()
    with pytest.raises(WireError, match="differs"):
        client.run(REQUEST, source, taken.sink, on_event=taken.on_event)


def test_a_long_recipe_travels():
    """The longest recipe and the longest options fit into a header; one character more does not."""
    state = State(job="0" * 32, state="ready", recipe="x" * limits.TEXT_BYTES, notes=("n" * 512,) * 16, text="t" * 1024)
    frames = encode(state, seq=1, session="1" * 32)
    assert decode(frames, DAEMON_KINDS).message == state
    with pytest.raises(FrameError):
        encode(replace(state, recipe="x" * (limits.TEXT_BYTES + 1)), seq=1)
    submit = replace(REQUEST, params={"recipe": "x" * limits.TEXT_BYTES}).submit("0" * 32)
    assert decode(encode(submit, seq=1, session="1" * 32), {"SUBMIT": type(submit)}).message == submit
