"""The worker as the supervisor sees it: a real process with a real engine and a tiny untrained model."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from bsrgan_backend import link
from bsrgan_backend.engine import paddle_engine
from bsrgan_backend.imaging import pixels, transparency
from bsrgan_backend.imaging.pixels import PixelFormat
from bsrgan_backend.imaging.resampling import resize_rows
from bsrgan_backend.models.store import ModelStore
from bsrgan_backend.models.synthetic import TINY
from bsrgan_backend.worker.jobs import JobSpec
from bsrgan_wire import errors
from support.worker_process import PATIENCE_S, SOURCE, WorkerProcess, install

DTYPES = {"u8": "u1", "u16": "u2", "f16": "f2", "f32": "f4"}


def noise(height, width, channels, dtype="u8", seed=0):
    """Random pixels; with alpha, clear, opaque and partial ones."""
    layout = PixelFormat(dtype, channels)
    rng = np.random.default_rng(seed)
    block = (rng.random((height, width, channels)) * layout.top).astype(layout.numpy_dtype)
    if layout.has_alpha:
        block[: height // 3, :, -1] = 0
        block[height // 2 :, :, -1] = layout.top
    return block


@pytest.fixture(scope="module")
def engine(root, tmp_path_factory):
    """The model `tiny` in this process."""
    return paddle_engine.load(ModelStore(root / "models").load("tiny"), tmp_path_factory.mktemp("cache"), threads=1)


def once(engine, colour):
    """One pass of the network over a whole picture."""
    strips = []
    engine.upscale(
        pixels.widen(colour, 3),
        lambda _, strip: strips.append(strip),
        on_progress=lambda *_: None,
        should_stop=lambda: False,
    )
    return pixels.narrow(np.concatenate(strips), colour.shape[2])


def reference(engine, block, out_size, layout):
    """The result computed at once, without strips, files and processes; alpha by the kernel."""
    colour, alpha = pixels.split(block)
    if alpha is not None:
        colour = transparency.fill(colour, alpha)
    large = once(engine, colour)
    if out_size[0] > 1.05 * large.shape[0]:
        between = -(-out_size[0] // 4), -(-out_size[1] // 4)
        large = once(engine, resize_rows(large, between, 0, between[0]).clip(0, 1))
    large = resize_rows(large, out_size, 0, out_size[0])
    if alpha is not None:
        alpha = transparency.enlarge_rows(alpha, out_size, 0, out_size[0])
    return pixels.join(large, alpha, layout)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", list(DTYPES))
def test_every_format_equals_the_reference(worker, engine, dtype, channels):
    """In each type and channel count the worker's bytes are those of one plain computation."""
    block = noise(17, 23, channels, dtype)
    answer, result = worker.run(block, (51, 69), model="tiny", params={"alpha": "kernel"})
    assert answer["t"] == "done"
    assert answer["total"] == result.nbytes
    np.testing.assert_array_equal(result, reference(engine, block, (51, 69), PixelFormat(dtype, channels)))


@pytest.mark.parametrize(
    ("size", "out_size"),
    [((1, 1), (4, 4)), ((12, 10), (12, 10)), ((9, 8), (36, 32)), ((8, 9), (80, 90)), ((30000, 1), (60000, 2))],
)
def test_every_size_equals_the_reference(worker, engine, size, out_size):
    """The smallest, the longest, the same size, the network's own and a larger one."""
    block = noise(*size, 3)
    answer, result = worker.run(block, out_size, model="tiny")
    assert answer["t"] == "done"
    np.testing.assert_array_equal(result, reference(engine, block, out_size, PixelFormat("u8", 3)))


def test_nothing_slow_is_imported_before_ready():
    """The entry imports neither Paddle nor ZeroMQ, so the worker says that it lives at once."""
    code = (
        "import sys, bsrgan_backend.worker.__main__\n"
        "print([name for name in ('paddle', 'zmq', 'PIL', 'tifffile') if name in sys.modules])"
    )
    paths = os.pathsep.join(str(SOURCE / name) for name in ("shared", "backend"))
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "[]"


def test_a_job_is_told_from_loading_to_done(root):
    """A first job says loading, loaded, running to the end, finishing and done, with all the contract's fields."""
    with WorkerProcess(root) as worker:
        ready = worker.receive()
        assert ready["t"] == "ready"
        assert {"device", "device_name", "engine", "paddle", "threads"} <= ready.keys()
        answer, _ = worker.run(noise(40, 40, 3), (160, 160))
        told = [message for message in worker.seen if message["t"] != "memory"]
        kinds = [message.get("phase", message["t"]) for message in told]
        assert list(dict.fromkeys(kinds)) == ["ready", "loading", "loaded", "running", "finishing", "done"]
        running = [message["done"] for message in told if message.get("phase") == "running"]
        assert running == sorted(running)
        assert running[-1] == 100
        loaded = next(message for message in told if message["t"] == "loaded")
        assert loaded["precision"] == "fp32"
        assert loaded["engine"] in ("winograd", "openvino", "onednn", "native")
        assert answer["model"] == "tiny"
        assert 0 <= answer["engine_seconds"] <= answer["seconds"]
        assert any("tiny was used" in note for note in answer["notes"])
        assert any(message["t"] == "memory" and message["rss"] > 10_000_000 for message in worker.seen)


def test_the_model_stays_and_can_be_replaced(worker):
    """The same model is loaded once; another one takes its place and gives another picture."""
    block = noise(8, 8, 3)
    first = worker.run(block, (32, 32), model="tiny")[1]
    before = sum(message["t"] == "loaded" for message in worker.seen)
    again = worker.run(block, (32, 32), model="tiny")[1]
    assert sum(message["t"] == "loaded" for message in worker.seen) == before
    other = worker.run(block, (32, 32), model="zebra")[1]
    assert sum(message["t"] == "loaded" for message in worker.seen) == before + 1
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def broken_jobs():
    """Each way to ask for the impossible, and the code that answers."""
    bad = noise(4, 4, 3, "f32")
    bad[1, 1, 1] = np.nan
    good = noise(4, 4, 3)
    return [
        (bad, {}, "NONFINITE"),
        (good, {"model": "absent"}, "MODEL_MISSING"),
        (good, {"width": 5}, "BAD_SHAPE"),
        (good, {"dtype": "i8"}, "BAD_DTYPE"),
        (good, {"task": "paint"}, "BAD_PARAM"),
        (good, {"height": None}, "INTERNAL"),
    ]


@pytest.mark.parametrize(
    ("block", "changes", "code"), broken_jobs(), ids=lambda value: value if type(value) is str else ""
)
def test_a_bad_job_fails_alone(worker, block, changes, code):
    """A job that cannot be done fails with its code and one sentence, and the next job works."""
    answer, _ = worker.run(block, (16, 16), **{"model": "tiny", **changes})
    assert answer["t"] == "failed"
    assert answer["code"] == code
    assert answer["code"] in errors.CODES
    assert answer["text"].endswith(".")
    assert "Traceback" not in answer["text"] + answer["detail"]
    assert worker.run(noise(4, 4, 3), (16, 16), model="tiny")[0]["t"] == "done"


def test_the_unexpected_is_in_the_log_only(worker, root):
    """What an INTERNAL failure was about stands in the log with its traceback."""
    worker.run(noise(4, 4, 3), (16, 16), height=None)
    assert "Traceback" in (root / "logs" / "worker.log").read_text()


def test_a_damaged_model_is_named(tmp_path):
    """A weights file that is not the installed one is MODEL_HASH."""
    install(tmp_path, "tiny")
    path = tmp_path / "models" / "tiny.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with WorkerProcess(tmp_path) as worker:
        assert worker.run(noise(4, 4, 3), (16, 16))[0]["code"] == "MODEL_HASH"


def test_a_full_disk_fails_the_job(worker):
    """A result that does not fit is DISK_FULL, and the worker goes on."""
    with Path("/dev/full").open("wb", buffering=0) as full:
        worker.submit("c" * 32, noise(8, 8, 3), (32, 32), full.fileno(), model="tiny")
        answer = worker.wait_for("failed", "done", job="c" * 32)
    assert answer["code"] == "DISK_FULL"
    assert worker.run(noise(4, 4, 3), (16, 16), model="tiny")[0]["t"] == "done"


def test_cancelling_stops_a_running_job(worker):
    """A job that runs is cancelled long before its end, and is answered exactly once."""
    with tempfile.TemporaryFile() as target:
        worker.submit("d" * 32, noise(900, 900, 3), (3600, 3600), target.fileno(), model="tiny")
        while worker.wait_for("progress", job="d" * 32)["phase"] != "running":
            pass
        worker.line.send({"t": "cancel", "job": "d" * 32})
        assert worker.wait_for("cancelled", "done", "failed")["t"] == "cancelled"
    assert worker.run(noise(4, 4, 3), (16, 16), model="tiny")[0]["t"] == "done"
    answers = [message["t"] for message in worker.seen if message.get("job") == "d" * 32 and message["t"] != "progress"]
    assert answers == ["cancelled"]


def test_cancelling_does_not_wait_for_a_model(root):
    """While a model is loaded a cancelled job is answered at once, and the model is there for the next one."""
    with WorkerProcess(root) as worker, tempfile.TemporaryFile() as target:
        worker.wait_for("ready")
        worker.submit("e" * 32, noise(8, 8, 3), (32, 32), target.fileno(), model="zebra")
        worker.line.send({"t": "cancel", "job": "e" * 32})
        assert worker.wait_for("cancelled", "done", "failed")["t"] == "cancelled"
        assert not any(message["t"] == "loaded" for message in worker.seen)
        assert worker.run(noise(4, 4, 3), (16, 16), model="zebra")[0]["t"] == "done"
        assert sum(message["t"] == "cancelled" for message in worker.seen) == 1


def test_cancelling_what_is_not_there_is_nothing(worker):
    """A cancel for a job that has ended or never was changes nothing."""
    worker.line.send({"t": "cancel", "job": "f" * 32})
    worker.line.send({"t": "what is this"})
    assert worker.run(noise(4, 4, 3), (16, 16), model="tiny")[0]["t"] == "done"


@pytest.mark.parametrize("kind", ["unload", "stop"])
def test_an_idle_worker_leaves_when_told(root, kind):
    """Unload and stop end the process with status 0 and no further word."""
    with WorkerProcess(root) as worker:
        worker.wait_for("ready")
        worker.line.send({"t": kind})
        assert worker.process.wait(PATIENCE_S) == 0
        with contextlib.suppress(link.LinkClosed):
            assert worker.line.receive() == []


@pytest.mark.parametrize("how", ["stop", "close"])
def test_a_working_worker_leaves_at_once(root, how):
    """Stop and the end of the line end the process in the middle of a job, without an answer to it."""
    with WorkerProcess(root) as worker, tempfile.TemporaryFile() as target:
        worker.submit("a" * 32, noise(900, 900, 3), (3600, 3600), target.fileno(), model="tiny")
        while worker.wait_for("progress")["phase"] != "running":
            pass
        if how == "stop":
            worker.line.send({"t": "stop"})
        else:
            worker.line.close()
        assert worker.process.wait(PATIENCE_S) == 0
        assert not any(message["t"] == "done" for message in worker.seen)


def test_a_killed_worker_leaves_nothing_behind(root):
    """After SIGKILL in the middle of a job a new worker does the job with the same engine as before."""
    block = noise(900, 900, 3)
    with WorkerProcess(root) as worker, tempfile.TemporaryFile() as target:
        worker.submit("a" * 32, block, (3600, 3600), target.fileno(), model="tiny")
        engine = worker.wait_for("loaded")["engine"]
        while worker.wait_for("progress")["done"] == 0:
            pass
        worker.process.kill()
        with pytest.raises(link.LinkClosed):
            worker.wait_for("done")
    with WorkerProcess(root) as worker:
        assert worker.run(block[:8, :8], (32, 32), model="tiny")[0]["t"] == "done"
        assert next(message for message in worker.seen if message["t"] == "loaded")["engine"] == engine


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a process with its parent")
def test_the_worker_dies_with_its_parent(root):
    """Even while its line stays open a worker ends when the process that started it is killed."""
    ours, theirs = link.pair()
    parent = (
        "import subprocess, sys, time\n"
        "worker = subprocess.Popen(sys.argv[2:], pass_fds=(int(sys.argv[1]),))\n"
        "print(worker.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    number = str(theirs.fileno())
    command = [sys.executable, "-m", "bsrgan_backend.worker", "--device", "cpu", "--root", str(root)]
    paths = os.pathsep.join(str(SOURCE / name) for name in ("shared", "backend"))
    with subprocess.Popen(
        [sys.executable, "-c", parent, number, *command, "--link-fd", number],
        stdout=subprocess.PIPE,
        pass_fds=(theirs.fileno(),),
        env={**os.environ, "PYTHONPATH": paths},
    ) as process:
        pid = int(process.stdout.readline())
        ours.sock.settimeout(PATIENCE_S)
        assert ours.receive()[0][0]["t"] == "ready"
        score = int(Path(f"/proc/{pid}/oom_score_adj").read_text())
        process.send_signal(signal.SIGKILL)
    theirs.close()
    # The last descriptor of the line closes with the worker.
    with contextlib.suppress(link.LinkClosed):
        while True:
            ours.receive()
    ours.close()
    assert score >= 500
    deadline = time.monotonic() + PATIENCE_S
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_no_picture_gets_into_the_log(worker, root):
    """The log names sizes and types; neither ids nor folders of pictures are in it."""
    worker.run(noise(5, 6, 3), (20, 24), model="tiny")
    lines = (root / "logs" / "worker.log").read_text().splitlines()
    assert any("6 x 5 to 24 x 20" in line for line in lines)
    assert not any("a" * 32 in line for line in lines)


def test_a_gray_model_takes_gray_pictures(tmp_path):
    """A network of one channel works on gray and says what to do about colour."""
    install(tmp_path, "gray", architecture=type(TINY)(8, 1, 4, 1, 1, 2))
    with WorkerProcess(tmp_path) as worker:
        assert worker.run(noise(6, 6, 2), (12, 12))[0]["t"] == "done"
        answer, _ = worker.run(noise(6, 6, 4), (12, 12))
        assert (answer["t"], answer["code"]) == ("failed", "BAD_SHAPE")


def test_a_job_needs_both_files(worker):
    """A message without its files is refused and not a hang."""
    spec = {"job": "9" * 32, "task": "upscale", "width": 1, "height": 1, "channels": 3, "dtype": "u8"}
    assert JobSpec.of({**spec, "out_width": 4, "out_height": 4}).model == ""
    worker.line.send({"t": "run", **spec, "out_width": 4, "out_height": 4})
    assert worker.wait_for("failed", job="9" * 32)["code"] == "INTERNAL"
