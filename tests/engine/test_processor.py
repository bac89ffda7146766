"""The processor's engine: rows where they are faster, Paddle for everything else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bsrgan_backend.engine import engine, host, paddle_engine, precision, processor, saving, ways
from bsrgan_backend.engine.winograd import run as by_rows
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models import synthetic
from bsrgan_backend.models.weights import Architecture, Weights

WIDE = Architecture(features=64, blocks=2, growth=32, in_channels=3, out_channels=3, scale=4)


@pytest.fixture(scope="module")
def wide() -> Weights:
    """Random weights of the real width."""
    return synthetic.random_weights(WIDE, 12)


@pytest.fixture(scope="module")
def tiled(wide: Weights, cache: Path) -> paddle_engine.PaddleEngine:
    """The wide net by Paddle."""
    return paddle_engine.load(wide, cache, threads=2)


@pytest.fixture
def rows(wide: Weights, tiled: paddle_engine.PaddleEngine, cache: Path) -> processor.ProcessorEngine:
    """The wide net by rows."""
    return processor.by_rows(wide, tiled, saving.prepare(wide, cache))


def noise(height, width):
    """A picture of random values."""
    return np.random.default_rng(height * 1000 + width).random((height, width, 3), np.float32)


def run(loaded, image, **options):
    """The whole result."""
    strips = []
    loaded.upscale(image, lambda _, one: strips.append(one), lambda *_: None, lambda: False, **options)
    return np.concatenate(strips)


@pytest.fixture
def decided(monkeypatch):
    """A trial whose outcome the test decides about."""
    outcome = [processor.ROWS]
    monkeypatch.setattr(ways, "choose", lambda *_: outcome[0])
    return outcome


def test_the_faster_way_is_taken(wide, cache, decided):
    """The trial decides between rows and Paddle's tiles, and the facts say which one runs."""
    loaded = processor.load(wide, cache, threads=2)
    assert loaded.facts.engine == "winograd"
    assert np.__version__ in loaded.facts.engine_version
    assert loaded.notes == ()
    decided[0] = processor.TILES
    assert processor.load(wide, cache, threads=2).facts.engine in ("openvino", "onednn", "native")


def test_a_narrow_net_is_left_to_paddle(tiny, cache, decided):
    """Nets with few channels make no trial."""
    assert processor.load(tiny, cache, threads=2).facts.engine in ("openvino", "onednn", "native")


def test_a_real_trial_is_remembered(wide, cache, monkeypatch):
    """Both ways are measured once; the next loading measures nothing."""
    first = processor.load(wide, cache, threads=2).facts.engine
    monkeypatch.setattr(ways, "_measured", lambda *_: pytest.fail("measured again"))
    assert processor.load(wide, cache, threads=2).facts.engine == first


def test_rows_with_wrong_numbers_are_left_out(wide, cache, decided, monkeypatch):
    """Where the library behind the products is wrong, Paddle takes its place."""
    right = by_rows.Runner.features
    monkeypatch.setattr(by_rows.Runner, "features", lambda *arguments: right(*arguments) + np.float32(0.1))
    assert processor.load(wide, cache, threads=2).facts.engine in ("openvino", "onednn", "native")


def test_rows_and_tiles_agree(rows, tiled):
    """Both give the same picture up to rounding."""
    image = noise(45, 70)
    assert np.abs(run(rows, image) - run(tiled, image)).max() < 1e-4


def test_tile_and_memory_change_no_bit(rows):
    """While rows run, neither the width of a piece nor the budget changes the result."""
    image = noise(45, 170)
    whole = run(rows, image)
    assert np.array_equal(run(rows, image, tile=32), whole)
    least = rows.plans(image, 1 << 40)[-1].need_bytes
    assert np.array_equal(run(rows, image, memory_budget_bytes=least), whole)


def test_too_small_a_budget_goes_in_tiles(rows, monkeypatch):
    """A picture for which the rows have too little memory is done by Paddle, with a budget that is its own matter."""
    image = noise(45, 70)
    whole = run(rows, image)
    assert rows.plans(image, 1000) == []
    monkeypatch.setattr(type(rows), "plans", lambda *_: [])
    assert np.abs(run(rows, image) - whole).max() < 1e-4
    assert rows.notes == ()


def test_memory_that_runs_out_is_met_by_smaller_plans_and_then_by_tiles(rows, monkeypatch):
    """Each plan that fails is followed by the next; the picture is complete, and a sentence tells of it."""
    image = noise(45, 70)
    whole = run(rows, image)
    tried = []

    def short(_runner, plan, *_):
        tried.append(plan.threads)
        raise MemoryError

    monkeypatch.setattr(by_rows.Runner, "run", short)
    assert np.abs(run(rows, image) - whole).max() < 1e-4
    assert tried == [2, 1]
    assert rows.notes == (engine.SMALLER_PIECES,)


def test_other_channels_are_refused(rows):
    """A picture of four channels is BAD_SHAPE."""
    with pytest.raises(BackendError) as failed:
        run(rows, np.zeros((4, 4, 4), np.float32))
    assert failed.value.code == "BAD_SHAPE"


@pytest.mark.parametrize(("gain", "precision_name"), [(0.8, "fp32"), (2.5, "bf16")])
def test_fast_is_what_is_faster(rows, monkeypatch, gain, precision_name):
    """Who asks for fast gets bfloat16 only where it is the faster one, and is told where it is not."""
    monkeypatch.setattr(precision, "is_possible", lambda _engine: True)
    monkeypatch.setattr(precision, "remembered", lambda *_: precision.Trial(60.0, gain))
    if gain > 1 and not host.has_bfloat16():
        pytest.skip("this processor has no bfloat16 arithmetic")
    rows.settle("fast")
    assert rows.facts.precision == precision_name
    assert (precision.EXACT_IS_FASTER in rows.notes) == (gain < 1)
    image = noise(20, 20)
    assert np.array_equal(run(rows, image), run(rows, image, precision="fast"))
    assert np.array_equal(run(rows, image, precision="exact"), run(rows, image)) == (gain < 1)


def test_the_trial_of_the_precisions_runs_rows_against_bfloat16(rows):
    """The figures of a real trial are sound."""
    if not host.has_bfloat16():
        pytest.skip("this processor has no bfloat16 arithmetic")
    trial = precision.measure(rows)
    assert trial.decibels > 20
    assert 0.02 < trial.gain < 50


def test_a_real_limit_of_memory_is_kept(tmp_path):
    """Under a limit of the address space a picture is complete and right, in fewer threads or in tiles."""
    if not sys.platform.startswith("linux"):
        pytest.skip("limits of the address space are set on Linux only")
    script = """
import resource, sys
from pathlib import Path
import numpy as np
from bsrgan_backend.engine import paddle_engine, processor, saving
from bsrgan_backend.models import synthetic
from bsrgan_backend.models.weights import Architecture
weights = synthetic.random_weights(Architecture(64, 1, 32, 3, 3, 2), 11)
tiled = paddle_engine.load(weights, Path(sys.argv[1]), threads=2)
rows = processor.by_rows(weights, tiled, saving.prepare(weights, Path(sys.argv[1])))
def run(image, **options):
    strips = []
    rows.upscale(image, lambda _, one: strips.append(one), lambda *_: None, lambda: False, **options)
    return np.concatenate(strips)
image = np.random.default_rng(6).random((230, 240, 3), dtype=np.float32)
whole = run(image)
need = rows.plans(image, 1 << 40)[0].need_bytes
status = Path("/proc/self/status").read_text().split()
used = int(status[status.index("VmSize:") + 1]) * 1024
for share in (3, 1.2, 0.9, 0.7):
    resource.setrlimit(resource.RLIMIT_AS, (used + int(need * share), resource.RLIM_INFINITY))
    short = run(image, memory_budget_bytes=1 << 40)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert np.abs(short - whole).max() < 1e-4, share
"""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
