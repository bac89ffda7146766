"""The task "degrade" from end to end: a real supervisor, a real worker, no model and no Paddle."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from bsrgan_backend.cli import main
from bsrgan_backend.degradation import Request, degrade_layer, loads
from bsrgan_backend.imaging.pictures import read_picture
from bsrgan_wire.client import Client, JobRequest
from bsrgan_wire.messages import Cancel, Cancelled, Release, Released, State
from support.cli_pictures import picture
from support.daemons import Daemon, order

SERVE = ["-m", "bsrgan_backend.cli.main", "serve"]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """The real thing, with no model that could be loaded."""
    root = tmp_path_factory.mktemp("root")
    one = Daemon(root, env={"GIMP_BSRGAN_PREFIX": str(root)}, command=SERVE)
    yield one
    one.stop()


def run(daemon: Daemon, pixels: np.ndarray, params: dict, dtype: str) -> tuple[State, np.ndarray]:
    """One job through the client of the plug-in."""
    height, width, channels = pixels.shape
    request = JobRequest(width, height, channels, dtype, 0, 0, task="degrade", params=params)
    rows = bytearray()
    with Client.connect_at(daemon.file, name="test") as client:
        state = client.run(
            request,
            lambda first, count: pixels[first : first + count].tobytes(),
            lambda _f, _r, data: rows.extend(data),
        )
    return state, np.frombuffer(bytes(rows), pixels.dtype).reshape(state.height, state.width, channels)


def test_command_and_daemon_make_the_same(daemon, tmp_path):
    """The same picture and seed give the same bytes from the command line and from the daemon, and on replay."""
    source = picture(tmp_path / "a.png", 45, 61)
    request = {"mode": "bsrgan-plus", "seed": 12, "scale": 3}
    state, pixels = run(daemon, read_picture(source).pixels, {"request": json.dumps(request)}, "u8")
    arguments = ["degrade", source, "-d", tmp_path / "out", "--mode", "bsrgan-plus", "--seed", 12, "--scale", 3]
    assert main.main([str(word) for word in arguments]) == 0
    np.testing.assert_array_equal(read_picture(tmp_path / "out/a_LQ.png").pixels, pixels)
    (line,) = (tmp_path / "out/recipes.jsonl").read_text().splitlines()
    assert loads(line) == loads(state.recipe)
    again, same = run(daemon, read_picture(source).pixels, {"recipe": line}, "u8")
    np.testing.assert_array_equal(same, pixels)
    assert again.recipe == state.recipe


@pytest.mark.parametrize(("dtype", "kind"), [("u16", "<u2"), ("f16", "<f2"), ("f32", "<f4")])
def test_every_type_with_alpha(daemon, dtype, kind):
    """Deep layers with alpha come back in their own type, as the model makes them."""
    levels = np.random.default_rng(3).random((30, 22, 4)) * (65535 if dtype == "u16" else 1)
    source = levels.astype(kind)
    _, pixels = run(daemon, source, {"request": '{"seed": 1, "same_size": "bicubic"}'}, dtype)
    expected = degrade_layer(source, Request(seed=1, same_size="bicubic")).pixels
    assert pixels.tobytes() == expected.tobytes()


def test_neither_paddle_nor_a_model(daemon):
    """The worker that has done all this has never loaded Paddle's libraries, and no model is told."""
    run(daemon, np.zeros((8, 8, 1), np.uint8), {"request": "{}"}, "u8")
    peer = daemon.connect()
    status = peer.status()
    peer.close()
    assert (status["model"], status["engine"]) == ("", "")
    assert "paddle" not in Path(f"/proc/{status['worker_pid']}/maps").read_text()


def test_wrong_options_are_one_sentence(daemon):
    """An option out of bounds fails the job with the sentence of the model."""
    peer = daemon.connect()
    one = order(5, 5, task="degrade", out_width=0, out_height=0, params={"request": '{"strength": 7}'})
    peer.submit(bytes(75), one)
    state = peer.final(one.job)
    assert (state.state, state.code) == ("failed", "BAD_PARAM")
    assert "strength" in state.text
    peer.close()


def test_a_cancel_between_steps(daemon):
    """A degradation of many steps ends soon after its cancel, in the same worker."""
    steps = [{"step": "blur", "along": 50, "across": 20}] * 60
    request = json.dumps({"mode": "manual", "steps": steps})
    peer = daemon.connect()
    before = peer.status()["worker_pid"]
    one = order(1500, 1500, task="degrade", out_width=0, out_height=0, params={"request": request})
    peer.submit(bytes(1500 * 1500 * 3), one)
    peer.expect(State, job=one.job, state="running")
    time.sleep(0.5)
    peer.ask(Cancel(one.job), Cancelled)
    assert peer.final(one.job).state == "cancelled"
    assert peer.status()["worker_pid"] == before
    small = order(4, 4, task="degrade", out_width=1, out_height=1, params={"request": "{}"})
    peer.submit(bytes(48), small)
    assert peer.final(small.job).state == "ready"
    peer.ask(Release(small.job), Released)
    peer.close()
