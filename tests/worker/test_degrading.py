"""The task "degrade": its order, its result, its cancel; and that it needs neither Paddle nor a model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from bsrgan_backend.degradation import Request, degrade_layer, loads, plan
from bsrgan_backend.engine import host
from bsrgan_backend.errors import BackendError
from bsrgan_backend.worker import degrading, tasks
from bsrgan_backend.worker.reports import Progress
from bsrgan_backend.worker.work import Cancelled, Finished, Work

DTYPES = {"u8": "u1", "u16": "<u2", "f16": "<f2", "f32": "<f4"}
PATHS = os.pathsep.join(str(Path(__file__).resolve().parents[2] / name) for name in ("shared", "backend"))


def message(height: int = 20, width: int = 24, channels: int = 3, dtype: str = "u8", **changes) -> dict:
    """A `run` message."""
    return {
        "t": "run", "job": "a" * 32, "task": "degrade", "width": width, "height": height, "channels": channels,
        "dtype": dtype, "out_width": 0, "out_height": 0, "model": "", "params": {"request": '{"seed": 5}'},
    } | changes  # fmt: skip


def layer(told: dict) -> np.ndarray:
    """Noise for a message."""
    levels = np.random.default_rng(1).integers(0, 256, (told["height"], told["width"], told["channels"]))
    scale = {"u8": 1, "u16": 257, "f16": 1 / 255, "f32": 1 / 255}[told["dtype"]]
    return (levels * scale).astype(DTYPES[told["dtype"]])


def run(told: dict, source: np.ndarray | None = None, should_stop=lambda: False) -> tuple[Finished, np.ndarray, list]:
    """Do a job; returns what the task says, its pixels, and the progress."""
    block = layer(told) if source is None else source
    order = tasks.find("degrade").read(told)
    sent: list[dict] = []
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as target:
        given.write(block.tobytes())
        given.flush()
        work = Work(given.fileno(), target.fileno(), Progress(told["job"], sent.append), should_stop)
        finished = tasks.find("degrade").run(order, work)
        target.seek(0)
        pixels = np.frombuffer(target.read(), block.dtype)
    assert finished.total == pixels.nbytes
    return finished, pixels.reshape(*finished.size, told["channels"]), sent


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_result_is_the_models(dtype, channels):
    """Every type and number of channels gives what the model gives, byte for byte."""
    told = message(channels=channels, dtype=dtype)
    finished, pixels, _ = run(told)
    expected = degrade_layer(layer(told), Request(seed=5))
    assert pixels.tobytes() == expected.pixels.tobytes()
    assert finished.size == (5, 6)
    assert loads(finished.recipe) == expected.recipe


def test_the_same_size_on_request():
    """With `same_size` the result is as large as the layer, and may be asked for so."""
    told = message(out_width=24, out_height=20, params={"request": '{"seed": 5, "same_size": "nearest"}'})
    assert run(told)[0].size == (20, 24)


def test_a_recipe_is_replayed():
    """The recipe of a result, as the wire carries it, gives the same bytes again."""
    told = message(channels=4, dtype="u16", params={"request": '{"mode": "bsrgan-plus", "seed": 8}'})
    finished, pixels, _ = run(told)
    again, same, _ = run(told | {"params": {"recipe": finished.recipe}})
    np.testing.assert_array_equal(same, pixels)
    assert again.recipe == finished.recipe
    assert "\n" not in finished.recipe


def test_what_is_to_be_told():
    """Lost bits and a recipe of another build are told, each in a sentence."""
    assert run(message())[0].notes == ()
    assert "8 bits" in " ".join(run(message(dtype="u16"))[0].notes)
    values = plan(Request(seed=2), (20, 24)).to_json() | {"build": "numpy 0, opencv 0"}
    (note,) = run(message(params={"recipe": json.dumps(values)}))[0].notes
    assert "another build" in note


def test_values_outside_are_clamped():
    """Floats outside 0..1 count as 0 and 1."""
    told = message(dtype="f32")
    wild = layer(told) * 4 - 1
    np.testing.assert_array_equal(run(told, wild.astype("<f4"))[1], run(told, np.clip(wild, 0, 1).astype("<f4"))[1])


@pytest.mark.parametrize(
    ("changes", "code", "word"),
    [
        ({"params": {}}, "BAD_PARAM", "option request"),
        ({"params": None}, "BAD_PARAM", "option request"),
        ({"params": {"request": "{}", "recipe": "{}"}}, "BAD_PARAM", "option request"),
        ({"params": {"request": 4}}, "BAD_PARAM", "option request"),
        ({"params": {"request": "{"}}, "BAD_PARAM", "JSON"),
        ({"params": {"request": "[" * 4000}}, "BAD_PARAM", "JSON"),
        ({"params": {"request": "[]"}}, "BAD_PARAM", "JSON object"),
        ({"params": {"request": '{"seed": NaN}'}}, "BAD_PARAM", "seed"),
        ({"params": {"request": '{"mode": "melt"}'}}, "BAD_PARAM", "mode"),
        ({"params": {"recipe": "{}"}}, "BAD_PARAM", "no recipe"),
        ({"out_width": 24, "out_height": 20}, "BAD_PARAM", "6 x 5"),
        ({"out_width": 6}, "BAD_PARAM", "6 x 5"),
        ({"width": 0}, "ZERO_SIZE", "empty"),
        ({"channels": 5}, "BAD_SHAPE", "channels"),
        ({"dtype": "f64"}, "BAD_DTYPE", "pixel type"),
        ({"width": 60_000, "height": 60_000}, "TOO_MANY_PIXELS", "too large"),
        (
            {
                "width": 60_000,
                "height": 8,
                "params": {"request": '{"mode": "manual", "steps": [{"step": "resize", "to": "ratio", "ratio": 0.5}]}'},
            },
            "TOO_MANY_PIXELS",
            "65535",
        ),
    ],
)
def test_orders_that_are_refused(changes, code, word):
    """A wrong order is one sentence with its code, before any pixel is looked at."""
    with pytest.raises(BackendError) as caught:
        degrading.Order.of(message() | changes)
    assert caught.value.code == code
    assert word in f"{caught.value.text} {caught.value.detail}"
    assert caught.value.text.endswith(".")


def test_pixels_that_do_not_fit():
    """An input of another length, and visible NaN, are refused."""
    with pytest.raises(BackendError, match="BAD_SHAPE"):
        run(message(), np.zeros((5, 24, 3), np.uint8))
    told = message(dtype="f32")
    with pytest.raises(BackendError, match="NONFINITE"):
        run(told, np.full((20, 24, 3), np.nan, np.float32))


def test_too_little_memory_is_said_beforehand(monkeypatch):
    """What does not fit into the memory is refused with HOST_OOM instead of being tried."""
    monkeypatch.setattr(host, "available_memory_bytes", lambda: 10_000)
    with pytest.raises(BackendError, match="HOST_OOM"):
        run(message())


@pytest.mark.parametrize("asked", [1, 2, 4])
def test_a_cancel_is_obeyed(asked):
    """Whenever the cancel comes, while pixels are read or between two steps, the job ends as cancelled."""
    calls = []
    with pytest.raises(Cancelled):
        run(message(), should_stop=lambda: calls.append(0) or len(calls) >= asked)
    assert len(calls) == asked


def test_progress_counts_steps():
    """Progress runs from 0 to the whole, in the phase "running"."""
    _, _, sent = run(message())
    assert {told["phase"] for told in sent} == {"running"}
    assert (sent[0]["done"], sent[-1]["done"]) == (0, sent[-1]["total"])


def test_a_recipe_without_steps():
    """A degradation of strength 0 at scale 1 has no step and still a result: the layer itself."""
    told = message(params={"request": '{"mode": "preset", "preset": "web-jpeg", "strength": 0}'})
    finished, pixels, _ = run(told)
    np.testing.assert_array_equal(pixels, layer(told))
    assert loads(finished.recipe).steps == ()


def test_paddle_stays_away():
    """The whole task runs in a process that never imports Paddle."""
    code = (
        "import sys; from bsrgan_backend.worker import service, tasks; "
        "tasks.find('degrade').read({'dtype': 'u8', 'channels': 3, 'width': 9, 'height': 9, 'out_width': 0, "
        "'out_height': 0, 'params': {'request': '{}'}}); assert 'paddle' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": PATHS})
