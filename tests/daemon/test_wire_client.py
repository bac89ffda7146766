"""The product's own client against the product's own supervisor, over ipc and tcp."""

from __future__ import annotations

import random

import pytest

from bsrgan_wire import places
from bsrgan_wire.client import Client, JobCancelled, JobRequest
from bsrgan_wire.errors import RemoteError
from support.daemons import running, wait_for
from support.fake_worker import upscale


@pytest.fixture(scope="module", params=["ipc", "tcp"])
def served(tmp_path_factory, request):
    """A daemon for each transport."""
    with running(tmp_path_factory.mktemp("root"), transport=request.param) as daemon:
        yield daemon
        assert "Traceback" not in daemon.log()


@pytest.fixture
def client(served):
    """A connected client."""
    with Client.connect_at(places.rendezvous_file(served.root), name="test") as client:
        yield client


def do(client, width, height, **more):
    """Run a job of random pixels; returns them, the result and the last state."""
    data = random.Random(1).randbytes(width * height * 3)
    result = bytearray(width * height * 48)

    def source(first, rows):
        return data[first * width * 3 : (first + rows) * width * 3]

    def sink(first, rows, pixels):
        result[first * width * 12 : (first + rows) * width * 12] = pixels

    params = more.pop("params", {})
    request = JobRequest(width, height, 3, "u8", 4 * width, 4 * height, params=params)
    state = client.run(request, source, sink, **more)
    return data, bytes(result), state


@pytest.mark.parametrize("size", [(1, 1), (13, 7), (700, 600)])
def test_rows_go_up_and_come_back(client, size):
    """Strips of rows in, strips of rows out, byte for byte, with the daemon's notes."""
    data, result, state = do(client, *size)
    assert result == upscale(data, *size, 4 * size[0], 4 * size[1], 3)
    assert (state.state, state.notes) == ("ready", ("a note",))


def test_questions_are_answered(client, served):
    """Ping and status work before, between and after jobs."""
    assert client.ping() < 20
    assert client.status()["pid"] == served.process.pid
    assert client.welcome.instance == served.facts().instance


def test_a_cancel_reaches_the_worker(client, served):
    """A job that is cancelled while it runs raises JobCancelled, and the daemon is free again."""
    events = []
    with pytest.raises(JobCancelled):
        do(
            client,
            4,
            4,
            params={"sleep_s": 60.0, "steps": 600},
            on_event=events.append,
            is_cancelled=lambda: any(getattr(event, "phase", "") == "running" for event in events),
        )
    wait_for(lambda: (r := client.status())["running"] == 0 and r["spool_bytes"] == 0)
    do(client, 4, 4)


def test_a_failure_is_an_error_with_its_code(client):
    """What the worker reports is what the caller gets."""
    with pytest.raises(RemoteError) as caught:
        do(client, 4, 4, params={"fail": "GPU_OOM"})
    assert (caught.value.code, caught.value.text) == ("GPU_OOM", "It failed.")


def test_a_refused_order_is_an_error_with_its_code(client):
    """What the supervisor refuses at SUBMIT is what the caller gets."""
    request = JobRequest(4, 4, 3, "u8", 0, 4)
    with pytest.raises(RemoteError) as caught:
        client.run(request, lambda _first, rows: bytes(rows * 12), lambda *_: None)
    assert caught.value.code == "ZERO_SIZE"


def test_shutdown_stops_the_daemon(tmp_path):
    """The client's shutdown returns when the daemon is gone."""
    with running(tmp_path) as daemon:
        with Client.connect_at(places.rendezvous_file(tmp_path), name="test") as client:
            client.shutdown()
        assert daemon.process.wait(20) == 0
