"""A net on the processor: by rows where they are faster and right, else by Paddle, with one result either way."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bsrgan_backend.engine import engine, paddle_engine, precision, predictors, processor, saving, ways
from bsrgan_backend.engine.winograd import network, run
from bsrgan_backend.engine.winograd.bands import Bands
from bsrgan_backend.engine.winograd.crew import Task
from bsrgan_backend.engine.winograd.helpers import Team
from bsrgan_backend.engine.winograd.network import DENSE_BLOCKS
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models import synthetic
from bsrgan_backend.models.weights import Weights
from support import plain_network
from support.wide_network import CLOSE, WIDE, needs_bfloat16, noise, prefer, upscaled

Array = npt.NDArray[np.float32]

LITTLE, MUCH = 50_000_000, 4_000_000_000


# --- which one is loaded ---------------------------------------------------------------------------------------------


def test_rows_are_taken_where_the_trial_says_so(wide: Weights, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wide net whose rows win the trial is loaded by rows, names both libraries, and gives the right numbers."""
    prefer(monkeypatch, processor.ROWS)
    loaded = processor.load(wide, cache, threads=2)
    assert isinstance(loaded, processor.ProcessorEngine)
    assert (loaded.facts.engine, loaded.facts.precision, loaded.facts.threads) == ("winograd", "fp32", 2)
    assert "NumPy" in loaded.facts.engine_version
    assert "Paddle" in loaded.facts.engine_version
    assert loaded.notes == ()
    image = noise(9, 14)
    assert np.abs(upscaled(loaded, image) - plain_network.forward(image, wide)).max() < CLOSE


def test_paddle_is_kept_where_the_trial_says_so(wide: Weights, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wide net whose tiles win the trial is Paddle's, and no kernels are made for it."""
    prefer(monkeypatch, processor.TILES)
    monkeypatch.setattr(network, "prepare", lambda *_: pytest.fail("the rows were made"))
    loaded = processor.load(wide, cache, threads=2)
    assert isinstance(loaded, paddle_engine.PaddleEngine)
    assert loaded.facts.engine in predictors.ENGINES


def test_kernels_that_only_a_trial_needed_are_gone(
    rows: processor.ProcessorEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The helpers have none of them either, so the next picture has that room; without such kernels they go on."""

    def verdict(which: str) -> Callable[[str], precision.Verdict]:
        def choose(_asked: str) -> precision.Verdict:
            rows.runner(which)
            return precision.Verdict(is_fast=False)

        return choose

    monkeypatch.setattr(rows, "_verdict", verdict("exact"))
    rows.settle("auto")
    before = rows.helper_pids
    assert before
    monkeypatch.setattr(rows, "_verdict", verdict("fast"))
    rows.settle("auto")
    assert not any(Path(f"/proc/{pid}").exists() for pid in before)


def test_small_nets_are_paddles_without_a_trial(tiny: Weights, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nets of few channels are not tried by rows."""
    asked = prefer(monkeypatch, processor.ROWS)
    assert isinstance(processor.load(tiny, cache, threads=2), paddle_engine.PaddleEngine)
    assert asked == []


def test_the_trial_measures_and_is_remembered(wide: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The faster way wins by the clock, from a real run of both, and the next load measures nothing."""
    seconds = {processor.TILES: 1.0, processor.ROWS: 1.0}
    measured: list[str] = []

    def timed(_call: Callable[[], object], _finish: object) -> float:
        way = (processor.TILES, processor.ROWS)[len(measured) % 2]
        measured.append(way)
        return seconds[way]

    monkeypatch.setattr(ways, "_timed", timed)
    seconds[processor.TILES] = 2.0
    for _again in range(2):
        assert isinstance(processor.load(wide, tmp_path, threads=2), processor.ProcessorEngine)
        assert measured == [processor.TILES, processor.ROWS] * 2
    # Another number of threads is another trial.
    seconds[processor.ROWS] = 3.0
    assert isinstance(processor.load(wide, tmp_path, threads=1), paddle_engine.PaddleEngine)
    assert len(measured) == 8


@pytest.mark.parametrize("threads", [1, 2, 5, 16])
def test_the_trial_gives_every_thread_the_same_work(threads: int, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its dense blocks are a multiple of the threads, on a picture so high that no thread waits for the one before."""
    # With one RRDB for two threads, one ran two of the three dense blocks, and rows lost where they are faster.
    deep = synthetic.random_weights(replace(WIDE, blocks=16), 2)
    tried: list[tuple[int, tuple[int, ...]]] = []

    def first_blocks(self: processor.ProcessorEngine, image: Array, _which: str, count: int) -> Callable[[], Array]:
        tried.append((count, image.shape))
        return lambda: image

    def choose(
        _path: Path, _ways: object, prepared: Callable[[str], object], *_rest: object, rounds: int, is_shared: bool
    ) -> str:
        assert rounds > 0
        prepared(processor.ROWS)
        return processor.TILES

    monkeypatch.setattr(processor.ProcessorEngine, "first_blocks", first_blocks)
    monkeypatch.setattr(ways, "choose", choose)
    tiled = paddle_engine.load(deep, cache, threads=threads, precision=None)
    processor._faster(processor.ProcessorEngine(deep, tiled, cache))
    ((count, shape),) = tried
    assert DENSE_BLOCKS * count % threads == 0
    # A dense block stays six units of four rows behind the one before: the last thread begins before the first is free.
    assert shape[2] >= 24 * threads


def test_rows_do_without_paddles_groups(wide: Weights, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that runs by rows does not hold a second copy of the weights for pictures that Paddle never gets."""
    for way, names in ((processor.ROWS, {"block"}), (processor.TILES, {"block", "threes"})):
        prefer(monkeypatch, way)
        loaded = processor.load(wide, cache, threads=2)
        tiled = loaded.tiled if isinstance(loaded, processor.ProcessorEngine) else loaded
        assert {method.name for method in tiled.methods("exact")} == names


def test_rows_with_wrong_numbers_are_left_out(wide: Weights, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels that are not the net's fail the comparison with the reference, and Paddle gives the right result."""
    prefer(monkeypatch, processor.ROWS)
    right = network.prepare

    def wrong(*arguments: Any) -> network.Network:
        made = right(*arguments)
        made.join.bias[:] += np.float32(0.1)
        return made

    monkeypatch.setattr(network, "prepare", wrong)
    loaded = processor.load(wide, cache, threads=2)
    assert isinstance(loaded, paddle_engine.PaddleEngine)
    image = noise(6, 8)
    assert np.abs(upscaled(loaded, image) - plain_network.forward(image, wide)).max() < CLOSE


def test_kernels_without_memory_are_left_out(wide: Weights, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which the kernels do not fit runs by Paddle."""

    def short(*_: object) -> network.Network:
        raise MemoryError

    prefer(monkeypatch, processor.ROWS)
    monkeypatch.setattr(network, "prepare", short)
    assert isinstance(processor.load(wide, cache, threads=2), paddle_engine.PaddleEngine)


# --- shapes ----------------------------------------------------------------------------------------------------------


def test_high_and_very_narrow_pictures_are_tiled(
    rows: processor.ProcessorEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture that is nearly all padding in rows is Paddle's, with the same result to 1e-4."""
    image = noise(300, 2)
    with monkeypatch.context() as patch:
        patch.setattr(processor, "_NARROW_PX", 0)
        whole = upscaled(rows, image)
    monkeypatch.setattr(run.Runner, "run", lambda *_: pytest.fail("it went by rows"))
    assert np.abs(upscaled(rows, image) - whole).max() < CLOSE
    assert rows.notes == ()


def test_narrow_pictures_go_by_rows_where_tiles_need_too_much(
    rows: processor.ProcessorEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A budget that only the rows can keep to is enough for a narrow picture too."""
    image = noise(300, 16)
    with monkeypatch.context() as patch:
        patch.setattr(processor, "_NARROW_PX", 0)
        least = rows.plans(image, MUCH)[-1].need_bytes
    assert rows.plans(image, MUCH) == []
    assert rows.plans(image, least)


# --- memory ----------------------------------------------------------------------------------------------------------


def test_tile_and_budget_change_no_bit_while_rows_run(rows: processor.ProcessorEngine) -> None:
    """Pieces of any width and any budget that is enough give one result to the last bit."""
    image = noise(40, 150)
    whole = upscaled(rows, image, memory_budget_bytes=MUCH)
    needs = sorted(plan.need_bytes for plan in rows.plans(image, MUCH))
    assert len(needs) > 1
    for budget in needs:
        assert np.array_equal(upscaled(rows, image, memory_budget_bytes=budget), whole)
    for tile in (1, 16, 64, 200):
        assert np.array_equal(upscaled(rows, image, tile=tile, memory_budget_bytes=MUCH), whole)
    assert rows.notes == ()


def test_a_budget_too_small_for_rows_falls_to_tiles(rows: processor.ProcessorEngine) -> None:
    """Where not one thread fits, Paddle's tiles give the picture, the same to 1e-4."""
    image = noise(8, 2000)
    little = rows.plans(image, MUCH)[-1].need_bytes - 1
    assert rows.plans(image, little) == []
    found = upscaled(rows, image, memory_budget_bytes=little)
    assert np.abs(found - upscaled(rows, image, memory_budget_bytes=MUCH)).max() < CLOSE
    assert rows.notes == ()


@needs_bfloat16
def test_exact_rows_run_where_bfloat16_needs_too_much(
    wide: Weights, tiled: paddle_engine.PaddleEngine, cache: Path
) -> None:
    """A budget that only rows can keep to gives their exact picture, and says so."""
    loaded = processor.ProcessorEngine(wide, tiled, saving.prepare(wide, cache))
    loaded._is_bfloat16 = True
    image = noise(60, 90)
    budget = loaded.plans(image, MUCH, "exact")[-1].need_bytes
    with pytest.raises(BackendError):
        engine.plan_for(tiled, image, "exact", budget)
    assert loaded.plans(image, MUCH, loaded.fitting(image, "fast", MUCH)) == []
    assert loaded.notes == ()
    found = upscaled(loaded, image, memory_budget_bytes=budget, precision="fast")
    assert np.array_equal(found, upscaled(loaded, image, memory_budget_bytes=MUCH, precision="exact"))
    assert loaded.notes == (paddle_engine.EXACT_TAKES_LESS,)


def test_plans_keep_to_the_budget(rows: processor.ProcessorEngine) -> None:
    """No plan is offered that needs more than the budget, and the first one offered is the fastest."""
    image = noise(200, 300)
    every = rows.plans(image, MUCH)
    for budget in (LITTLE, every[0].need_bytes, every[0].need_bytes - 1, every[-1].need_bytes):
        found = rows.plans(image, budget)
        assert all(plan.need_bytes <= budget for plan in found)
        assert found == [plan for plan in every if plan.need_bytes <= budget]


def test_a_spool_is_used_where_memory_is_too_little(
    wide: Weights, tiled: paddle_engine.PaddleEngine, cache: Path, tmp_path: Path
) -> None:
    """With a folder for features a budget below that of memory still runs by rows, bit for bit, and leaves no file."""
    loaded = processor.ProcessorEngine(wide, tiled, saving.prepare(wide, cache), tmp_path)
    image = noise(200, 40)
    whole = upscaled(loaded, image, memory_budget_bytes=MUCH)
    budget = min(plan.need_bytes for plan in loaded.plans(image, MUCH) if not plan.spooled) - 1
    plans = loaded.plans(image, budget)
    assert plans
    assert all(plan.spooled for plan in plans)
    assert np.array_equal(upscaled(loaded, image, memory_budget_bytes=budget), whole)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_picture_to_fewer_threads_in_memory(
    wide: Weights, tiled: paddle_engine.PaddleEngine, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the file finds no room, what fits into memory runs, and only one file is tried."""
    loaded = processor.ProcessorEngine(wide, tiled, saving.prepare(wide, cache), tmp_path / "missing")
    image = noise(200, 40)
    whole = upscaled(loaded, image, memory_budget_bytes=MUCH)
    needs = {(plan.threads, plan.spooled): plan.need_bytes for plan in loaded.plans(image, MUCH)}
    budget = max(needs[2, True], needs[1, False])
    tried: list[tuple[int, bool]] = []
    real = run.Runner.run

    def noted(runner: run.Runner, plan: run.Plan, *arguments: object) -> bool:
        tried.append((plan.threads, plan.spooled))
        return real(runner, plan, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(run.Runner, "run", noted)
    assert np.array_equal(upscaled(loaded, image, memory_budget_bytes=budget), whole)
    assert tried == [(2, True), (1, False)]


def test_a_full_disk_is_told_where_nothing_fits_into_memory(
    wide: Weights, tiled: paddle_engine.PaddleEngine, cache: Path, tmp_path: Path
) -> None:
    """A budget that nothing but a file would do for is one sentence about the disk, not about memory."""
    image = noise(200, 40)
    loaded = processor.ProcessorEngine(wide, tiled, saving.prepare(wide, cache), tmp_path / "missing")
    budget = min(plan.need_bytes for plan in loaded.plans(image, MUCH))
    with pytest.raises(BackendError) as failed:
        upscaled(loaded, image, memory_budget_bytes=budget)
    assert failed.value.code == "DISK_FULL"


def test_a_full_disk_of_the_sink_ends_the_picture(rows: processor.ProcessorEngine) -> None:
    """What the sink says of its own disk is not taken for the spool's: no other plan begins again."""
    taken: list[int] = []

    def full(first: int, _strip: Array) -> None:
        taken.append(first)
        raise BackendError("DISK_FULL", "The result's disk is full.")

    with pytest.raises(BackendError, match="result's disk"):
        rows.upscale(noise(40, 50), full, lambda *_: None, lambda: False)
    assert taken == [0]


def test_memory_that_came_short_is_told_and_the_result_is_whole(
    rows: processor.ProcessorEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When plans fail one after the other, fewer threads and then tiles give the picture, with one sentence."""
    image = noise(40, 50)
    whole = upscaled(rows, image, memory_budget_bytes=MUCH)
    tried: list[int] = []
    real = run.Runner.run
    enough = [1]

    def short(runner: run.Runner, plan: run.Plan, *arguments: object) -> bool:
        tried.append(plan.threads)
        if plan.threads > enough[0]:
            raise MemoryError
        return real(runner, plan, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(run.Runner, "run", short)
    assert np.array_equal(upscaled(rows, image, memory_budget_bytes=MUCH), whole)
    assert tried == [2, 1]
    enough[0] = 0
    assert np.abs(upscaled(rows, image, memory_budget_bytes=MUCH) - whole).max() < CLOSE
    assert rows.notes.count(engine.SMALLER_PIECES) == 1


def test_memory_that_came_short_at_the_end_is_told(
    rows: processor.ProcessorEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where two have no room for the result, one gives it bit for bit, and the sentence tells so."""
    image = noise(90, 50)
    whole = upscaled(rows, image, memory_budget_bytes=MUCH)
    failed: list[None] = []
    real = Team.run

    def short(team: Team, task: Task) -> None:
        if isinstance(task, Bands) and not failed:
            failed.append(None)
            raise MemoryError
        real(team, task)

    monkeypatch.setattr(Team, "run", short)
    assert np.array_equal(upscaled(rows, image, memory_budget_bytes=MUCH), whole)
    assert failed
    assert rows.notes == (engine.SMALLER_PIECES,)


def test_a_picture_of_other_channels_is_refused(rows: processor.ProcessorEngine) -> None:
    """A gray picture for a net of three channels is BAD_SHAPE, by rows as by tiles."""
    for budget in (MUCH, LITTLE):
        with pytest.raises(BackendError) as failed:
            upscaled(rows, noise(5, 5, 1), memory_budget_bytes=budget)
        assert failed.value.code == "BAD_SHAPE"


def test_a_stop_leaves_the_engine_ready(rows: processor.ProcessorEngine) -> None:
    """Stopped comes through, and no other plan is tried after it."""
    image = noise(40, 50)
    whole = upscaled(rows, image)
    asked: list[None] = []

    def should_stop() -> bool:
        asked.append(None)
        return True

    with pytest.raises(engine.Stopped):
        rows.upscale(image, lambda *_: pytest.fail("a strip"), lambda *_: None, should_stop)
    assert len(asked) == 1
    assert np.array_equal(upscaled(rows, image), whole)
    assert rows.notes == ()


_LIMITED = """
import os, resource, sys
from pathlib import Path
import numpy as np
from bsrgan_backend.engine import engine, host, paddle_engine, processor, saving
from bsrgan_backend.models import synthetic
from bsrgan_backend.models.weights import Architecture

weights = synthetic.random_weights(Architecture(64, 2, 32, 3, 3, 4), 11)
tiled = paddle_engine.load(weights, Path(sys.argv[1]), threads=2)
loaded = processor.ProcessorEngine(weights, tiled, saving.prepare(weights, Path(sys.argv[1])))

def upscaled(image, **options):
    strips = []
    loaded.upscale(image, lambda _, one: strips.append(one), lambda *_: None, lambda: False, **options)
    return np.concatenate(strips)

small, large = (np.random.default_rng(3).random(size, dtype=np.float32) for size in ((30, 40, 3), (16, 1800, 3)))
upscaled(small)
host.return_memory()
need = loaded.plans(large, 1 << 40)[0].need_bytes
pids = (os.getpid(), *loaded.helper_pids)
assert len(pids) == 3
for pid, share in zip(pids, (0.7, 0.35, 0.35)):
    used = int(Path(f"/proc/{pid}/status").read_text().split("VmSize:")[1].split()[0]) * 1024
    resource.prlimit(pid, resource.RLIMIT_AS, (used + int(share * need), resource.RLIM_INFINITY))
# A budget far beyond the limit: what is planned cannot be had.
found = upscaled(large, memory_budget_bytes=1 << 40)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert engine.SMALLER_PIECES in loaded.notes, loaded.notes
assert np.abs(found - upscaled(large)).max() < 1e-4
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's address space so")
def test_real_want_of_memory_still_gives_the_picture(cache: Path) -> None:
    """In processes that get less than was planned the picture comes out whole, and the sentence is told."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _LIMITED, str(cache)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
