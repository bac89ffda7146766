"""Exact or fast: chosen by a trial, remembered, and the same in pieces as in one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from bsrgan_backend.engine import engine as engine_module
from bsrgan_backend.engine import host, paddle_engine, precision, saving
from bsrgan_backend.engine.precision import Trial
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models import synthetic
from bsrgan_backend.models.weights import Architecture, Weights
from support.wide_network import needs_bfloat16, upscaled

Array = npt.NDArray[np.float32]

WIDE = Architecture(features=64, blocks=4, growth=32, in_channels=3, out_channels=3, scale=4)


@pytest.fixture(scope="module")
def wide() -> Weights:
    """Random weights of the real width, four blocks deep."""
    return synthetic.random_weights(WIDE, 11)


@pytest.fixture(scope="module")
def loaded(wide: Weights, cache: Path) -> paddle_engine.PaddleEngine:
    """The wide network, exact unless asked otherwise."""
    return paddle_engine.load(wide, cache, threads=2)


def test_a_trial_needs_both_closeness_and_speed() -> None:
    """Fast is taken only when it is close enough and fast enough."""
    assert Trial(53.0, 1.75).passes()
    assert not Trial(52.9, 3.0).passes()
    assert not Trial(70.0, 1.74).passes()
    assert Trial(70.0, 1.2).passes(1.1)


def test_auto_follows_the_trial(
    loaded: paddle_engine.PaddleEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`auto` is fast where the trial passes and exact where it does not, and the trial is run once."""
    monkeypatch.setattr(precision, "is_possible", lambda _engine: True)
    trials = []
    for outcome in (Trial(60.0, 2.0), Trial(40.0, 2.0), Trial(60.0, 1.0)):
        folder = tmp_path / str(len(trials))
        folder.mkdir()
        monkeypatch.setattr(precision, "measure", lambda _network, told=outcome: trials.append(told) or told)
        for _again in range(2):
            assert precision.choose(precision.Staged(loaded), "auto", folder, "openvino").is_fast == outcome.passes()
    assert len(trials) == 3


def test_a_damaged_memory_of_the_trial_is_measured_again(
    loaded: paddle_engine.PaddleEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is no outcome of a trial counts as none, and is replaced."""
    monkeypatch.setattr(precision, "measure", lambda _network: Trial(60.0, 2.0))
    precision.remembered(precision.Staged(loaded), tmp_path)
    (file,) = tmp_path.iterdir()
    for damage in ("", "[1]", "{}", '{"decibels": "x", "gain": 2}'):
        file.write_text(damage)
        assert precision.remembered(precision.Staged(loaded), tmp_path) == Trial(60.0, 2.0)
        assert json.loads(file.read_text())["gain"] == 2.0


def test_a_trial_lost_on_a_busy_machine_is_repeated_a_day_later(
    loaded: paddle_engine.PaddleEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outcome that was too slow counts for a day; one that was not close enough, or passed, counts for good."""
    for first, is_repeated in ((Trial(60.0, 1.2), True), (Trial(40.0, 2.0), False), (Trial(60.0, 2.0), False)):
        monkeypatch.setattr(precision, "measure", lambda _network, told=first: told)
        precision.remembered(precision.Staged(loaded), tmp_path)
        (file,) = tmp_path.iterdir()
        monkeypatch.setattr(precision, "measure", lambda _network: Trial(61.0, 2.1))
        assert precision.remembered(precision.Staged(loaded), tmp_path) == first
        os.utime(file, (0, 0))
        assert (precision.remembered(precision.Staged(loaded), tmp_path) != first) == is_repeated
        file.unlink()


@pytest.mark.parametrize(("asked", "told"), [("exact", 0), ("auto", 0), ("fast", 1)])
def test_without_bfloat16_exact_is_used(
    asked: str, told: int, wide: Weights, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A processor without bfloat16 runs exact; only who has asked for fast is told."""
    monkeypatch.setattr(host, "has_bfloat16", lambda: False)
    engine = paddle_engine.load(wide, cache, threads=2, precision=asked)
    assert engine.facts.precision == "fp32"
    assert len(engine.notes) == told
    assert upscaled(engine, np.full((4, 5, 3), 0.5, np.float32), precision="fast").shape == (16, 20, 3)


def test_an_older_processor_gives_the_same_picture(wide: Weights, cache: Path, tmp_path: Path) -> None:
    """Limited to AVX2 by oneDNN's own switch, the engine starts and its result is the same to 1e-4."""
    script = """
import sys
from pathlib import Path
import numpy as np
from bsrgan_backend.engine import host, paddle_engine
from bsrgan_backend.models import synthetic
from bsrgan_backend.models.weights import Architecture
host.has_bfloat16 = lambda: False
weights = synthetic.random_weights(Architecture(64, 4, 32, 3, 3, 4), 11)
engine = paddle_engine.load(weights, Path(sys.argv[1]), threads=2, precision="auto")
strips = []
image = np.random.default_rng(3).random((21, 34, 3), dtype=np.float32)
engine.upscale(image, lambda _, one: strips.append(one), lambda *_: None, lambda: False)
np.save(sys.argv[2], np.concatenate(strips))
"""
    results = []
    for isa in ("AVX2", "DEFAULT"):
        target = tmp_path / f"{isa}.npy"
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "ONEDNN_MAX_CPU_ISA": isa}
        # A cache of its own: what OpenVINO compiles for one processor is not for another.
        command = [sys.executable, "-c", script, str(tmp_path / f"cache-{isa}"), str(target)]
        subprocess.run(command, env=environ, check=True, timeout=200)
        results.append(np.load(target))
    assert np.abs(results[0] - results[1]).max() < 1e-4


def test_exact_tiles_equal_groups_to_the_last_bit(loaded: paddle_engine.PaddleEngine) -> None:
    """Blocks with weights as inputs, in tiles, give the same bits as groups with the weights inside."""
    image = np.random.default_rng(1).random((66, 83, 3), dtype=np.float32)
    whole = upscaled(loaded, image, precision="exact")
    assert np.array_equal(upscaled(loaded, image, precision="exact", tile=30), whole)
    assert np.array_equal(upscaled(loaded, image, precision="exact", tile=47), whole)


@needs_bfloat16
def test_fast_tiles_equal_one_piece(loaded: paddle_engine.PaddleEngine) -> None:
    """In the fast precision too, tiles of any size give what one piece gives, bit for bit."""
    image = np.random.default_rng(2).random((66, 83, 3), dtype=np.float32)
    whole = upscaled(loaded, image, precision="fast")
    assert np.array_equal(upscaled(loaded, image, precision="fast", tile=30), whole)
    assert not np.array_equal(upscaled(loaded, image, precision="exact"), whole)


@needs_bfloat16
def test_fast_is_close_to_exact(wide: Weights, cache: Path) -> None:
    """Fast differs from exact by what bfloat16 products leave, and the engine says which one it is in."""
    engine = paddle_engine.load(wide, cache, threads=2, precision="fast")
    assert engine.facts.precision == "bf16"
    image = np.random.default_rng(4).random((40, 40, 3), dtype=np.float32)
    exact, fast = upscaled(engine, image, precision="exact"), upscaled(engine, image)
    assert 0 < np.abs(exact - fast).max() < 0.02 * np.abs(exact).max()


@needs_bfloat16
def test_the_trial_measures_this_processor(loaded: paddle_engine.PaddleEngine) -> None:
    """A real trial gives finite figures, and its picture is one that a network can be given."""
    trial = precision.measure(precision.Staged(loaded))
    assert trial.decibels > 20
    assert 0.1 < trial.gain < 20
    image = precision.picture(WIDE)
    assert image.shape == (1, 3, 96, 96)
    assert 0 <= image.min() < image.max() <= 1


def test_a_run_that_failed_inside_the_engine_is_never_taken_for_a_result(tmp_path: Path) -> None:
    """Under a real memory limit a run that OpenVINO could not finish is done in pieces, with the same result."""
    # Paddle only logs such a failure and would give out the values of the run before. What the allocators' own pools
    # take differs from run to run, so a limit may leave too little for any piece: the run is then refused.
    script = """
import resource, sys
from pathlib import Path
import numpy as np
from bsrgan_backend.engine import paddle_engine
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models import synthetic
from bsrgan_backend.models.weights import Architecture
weights = synthetic.random_weights(Architecture(64, 2, 32, 3, 3, 2), 11)
engine = paddle_engine.load(weights, Path(sys.argv[1]), threads=2)
def run(image):
    strips = []
    ignore = lambda *_: None
    engine.upscale(image, lambda _, one: strips.append(one), ignore, lambda: False, memory_budget_bytes=1 << 40)
    return np.concatenate(strips)
small = run(np.random.default_rng(5).random((60, 60, 3), dtype=np.float32))
image = np.random.default_rng(6).random((230, 240, 3), dtype=np.float32)
status = Path("/proc/self/status").read_text().split()
used = int(status[status.index("VmSize:") + 1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[2]) * 1_000_000, resource.RLIM_INFINITY))
try:
    short = run(image)
except BackendError as error:
    assert error.code == "HOST_OOM", error
    sys.exit("refused")
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
in_pieces = any("smaller pieces" in note for note in engine.notes)
assert np.array_equal(short, run(image))
print("in pieces" if in_pieces else "whole")
"""
    if not sys.platform.startswith("linux"):
        pytest.skip("limits of the address space are set on Linux only")
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ends = []
    for limit_mb in ("400", "450", "500"):
        command = [sys.executable, "-c", script, str(tmp_path), limit_mb]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=200)
        assert done.returncode == 0 or done.stderr.endswith("refused\n"), done.stderr[-2000:]
        ends.append(done.stdout.strip())
    assert "in pieces" in ends


@needs_bfloat16
def test_exact_runs_where_fast_needs_too_much(wide: Weights, cache: Path) -> None:
    """A budget below what the fast precision's margins take gives the exact picture, and says so."""
    loaded = paddle_engine.load(wide, cache, threads=2, precision="fast")
    image = np.random.default_rng(5).random((200, 200, 3), dtype=np.float32)
    least = {which: least_bytes(loaded, image, which) for which in ("exact", "fast")}
    assert least["exact"] < least["fast"]
    budget = (least["exact"] + least["fast"]) // 2
    assert loaded.fitting(image, "fast", 2 * least["fast"]) == "fast"
    found = upscaled(loaded, image, precision="fast", memory_budget_bytes=budget)
    assert np.array_equal(found, upscaled(loaded, image, precision="exact", memory_budget_bytes=budget))
    assert paddle_engine.EXACT_TAKES_LESS in loaded.notes


@needs_bfloat16
def test_exact_runs_where_fast_would_be_slower(wide: Weights, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A budget that leaves fast nothing but small tiles with wide margins gives the exact picture too."""
    loaded = paddle_engine.load(wide, cache, threads=2, precision="fast")
    methods = loaded.methods
    # The program of single blocks may be too large to be loaded as well.
    monkeypatch.setattr(
        loaded, "methods", lambda which: tuple(way for way in methods(which) if which == "exact" or way.group > 1)
    )
    image = np.zeros((600, 600, 3), np.float32)
    budget = least_bytes(loaded, image, "fast")
    plans = {which: engine_module.plan_for(loaded, image, which, budget) for which in ("exact", "fast")}
    assert plans["fast"].cost > precision.LEAST_GAIN * plans["exact"].cost
    assert loaded.fitting(image, "fast", budget) == "exact"
    assert loaded.fitting(image, "fast", 4 * budget) == "fast"


def least_bytes(loaded: paddle_engine.PaddleEngine, image: Array, which: str) -> int:
    """The smallest budget with which a picture can be planned."""
    low, high = 1, 10**10
    while low < high:
        budget = (low + high) // 2
        try:
            engine_module.plan_for(loaded, image, which, budget)
        except BackendError:
            low = budget + 1
        else:
            high = budget
    return low


@pytest.mark.parametrize("name", saving.GROUPED)
def test_programs_with_blocks_inside_are_saved_when_wanted(wide: Weights, tmp_path: Path, name: str) -> None:
    """They lie beside their weights, where OpenVINO looks for them, are kept, and are written again when damaged."""
    folder = saving.prepare(wide, tmp_path)
    assert not (folder / name).exists()
    made = saving.grouped(wide, folder, name)
    program, parameters = made / f"{name}.pdmodel", made / f"{name}.pdiparams"
    wanted = parameters.read_bytes()
    when = program.stat().st_mtime_ns
    assert saving.grouped(wide, folder, name) == made
    assert program.stat().st_mtime_ns == when
    parameters.write_bytes(wanted[:-1])
    assert saving.grouped(wide, folder, name) == made
    assert parameters.read_bytes() == wanted
