"""A net on the processor: by rows where they are faster and right, else by Paddle, with one result either way."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bsrgan_backend.engine import engine, host, paddle_engine, precision, predictors, processor, saving, ways
from bsrgan_backend.engine.winograd import network, run
from bsrgan_backend.engine.winograd.bands import Bands
from bsrgan_backend.engine.winograd.crew import Task
from bsrgan_backend.engine.winograd.helpers import Team
from bsrgan_backend.engine.winograd.network import DENSE_BLOCKS
from bsrgan_backend.engine.winograd.run import _Picture
from bsrgan_backend.engine.winograd.transforms import EXACT, FAST, Scheme
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models import synthetic
from bsrgan_backend.models.weights import Architecture, Weights
from support import plain_network

Array = npt.NDArray[np.float32]

WIDE = Architecture(features=64, blocks=2, growth=32, in_channels=3, out_channels=3, scale=4)
CLOSE = 1e-4
LITTLE, MUCH = 50_000_000, 4_000_000_000
needs_bfloat16 = pytest.mark.skipif(not host.has_bfloat16(), reason="this processor has no bfloat16 arithmetic")


def noise(height: int, width: int, channels: int = 3) -> Array:
    """A picture of random values."""
    return np.random.default_rng(height * 1000 + width).random((height, width, channels), dtype=np.float32)


def upscaled(loaded: engine.Engine, image: Array, **options: object) -> Array:
    """The whole result."""
    strips: list[Array] = []
    loaded.upscale(image, lambda _, one: strips.append(one), lambda *_: None, lambda: False, **options)  # type: ignore[arg-type]
    return np.concatenate(strips)


def prefer(monkeypatch: pytest.MonkeyPatch, way: str) -> list[str]:
    """Let the trial of rows and tiles end with a way; the list gets a word whenever it is asked."""
    asked: list[str] = []

    def choose(_path: Path, candidates: tuple[str, ...], *_rest: object, rounds: int, is_shared: bool) -> str:
        assert candidates == (processor.TILES, processor.ROWS)
        assert is_shared
        asked.append(way)
        return way

    monkeypatch.setattr(ways, "choose", choose)
    return asked


@pytest.fixture(scope="module")
def wide() -> Weights:
    """Random weights of the real width, two blocks deep."""
    return synthetic.random_weights(WIDE, 11)


@pytest.fixture(scope="module")
def tiled(wide: Weights, cache: Path) -> paddle_engine.PaddleEngine:
    """The wide net by Paddle."""
    return paddle_engine.load(wide, cache, threads=2)


@pytest.fixture
def rows(wide: Weights, tiled: paddle_engine.PaddleEngine, cache: Path) -> processor.ProcessorEngine:
    """The wide net by rows."""
    return processor.ProcessorEngine(wide, tiled, saving.prepare(wide, cache))


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


# --- the two precisions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "outcome", [precision.Trial(60.0, processor.ASKED_GAIN - 0.1), precision.Trial(52.0, 3.0), None]
)
def test_fast_is_larger_tiles_where_bfloat16_is_not_worth_it(
    outcome: precision.Trial | None, wide: Weights, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where bfloat16 is too slow, too far off or absent, fast is larger tiles by rows, the same to the eye."""
    prefer(monkeypatch, processor.ROWS)
    monkeypatch.setattr(precision, "is_possible", lambda _engine: outcome is not None)
    monkeypatch.setattr(precision, "remembered", lambda *_: outcome)
    image = noise(12, 17)
    results = {}
    for settled in ("fast", "auto"):
        loaded = processor.load(wide, cache, threads=2, precision=settled)
        assert (loaded.facts.engine, loaded.facts.precision, loaded.notes) == ("winograd", "fp32", ())
        results[settled] = [upscaled(loaded, image, precision=asked) for asked in (None, "auto", "exact", "fast")]
    usual, auto, exact, fast = results["fast"]
    assert np.array_equal(usual, fast)
    assert np.array_equal(auto, fast)
    assert not np.array_equal(exact, fast)
    assert np.abs(fast - plain_network.forward(image, wide)).max() < CLOSE
    assert all(np.array_equal(one, exact) for one in results["auto"][:3])
    assert np.array_equal(results["auto"][3], fast)


def test_only_the_kernels_that_are_used_are_kept(wide: Weights, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial's kernels of the other precision do not stay, and a job that asks for it makes them again, once."""
    prefer(monkeypatch, processor.ROWS)
    monkeypatch.setattr(precision, "is_possible", lambda _engine: True)

    def trial(contest: precision.Candidate, _folder: Path) -> precision.Trial:
        contest.one_pass(precision.picture(WIDE)[:, :, :8, :8], "exact")
        return precision.Trial(60.0, 1.0)

    made: list[Scheme] = []
    prepare = network.prepare
    monkeypatch.setattr(precision, "remembered", trial)
    monkeypatch.setattr(network, "prepare", lambda net, scheme, room: made.append(scheme) or prepare(net, scheme, room))
    loaded = processor.load(wide, cache, threads=2, precision="auto")
    assert made == [FAST, EXACT]
    for _again in range(2):
        for asked in ("exact", "fast"):
            upscaled(loaded, noise(4, 5), precision=asked)
    assert made == [FAST, EXACT, FAST]


def test_a_preview_in_another_precision_holds_the_picture_back(rows: processor.ProcessorEngine) -> None:
    """A fast picture that `should_stop` lets into an exact one gives what it gives alone, and so does that one."""
    large, small = noise(130, 120), noise(20, 30)
    alone, whole = upscaled(rows, small, precision="fast"), upscaled(rows, large, precision="exact")
    within: list[Array] = []
    strips: list[Array] = []

    def should_stop() -> bool:
        if not within:
            within.append(upscaled(rows, small, precision="fast"))
        return False

    rows.upscale(large, lambda _, one: strips.append(one), lambda *_: None, should_stop, precision="exact")
    assert np.array_equal(within[0], alone)
    assert np.array_equal(np.concatenate(strips), whole)


class Watched:
    """A crew at work elsewhere, as it is held back."""

    threads = 1

    def __init__(self) -> None:
        self.holds = 0

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Count those who hold it."""
        self.holds += 1
        yield
        self.holds -= 1


def test_a_preview_by_tiles_holds_the_picture_back(
    rows: processor.ProcessorEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While Paddle works on a small picture, also while another one runs by rows within that, a large one waits."""
    crew = Watched()
    rows._crews.append(crew)  # type: ignore[arg-type]
    seen: list[int] = []
    image = noise(8, 9)
    real = rows.tiled.upscale

    def tiled(*arguments: Any, **named: Any) -> None:
        seen.append(crew.holds)
        upscaled(rows, image)
        seen.append(crew.holds)
        real(*arguments, **named)

    monkeypatch.setattr(rows.tiled, "upscale", tiled)
    plans = rows.plans
    monkeypatch.setattr(rows, "plans", lambda given, *rest: [] if given is not image else plans(given, *rest))
    upscaled(rows, noise(5, 6))
    assert seen == [1, 1]
    assert crew.holds == 0
    assert rows._crews == [crew]


def test_the_trials_hold_the_picture_back(rows: processor.ProcessorEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a job asks for while another is at work is measured without that one: by Paddle and by rows."""
    crew = Watched()
    rows._crews.append(crew)  # type: ignore[arg-type]
    seen: list[int] = []
    monkeypatch.setattr(precision, "is_possible", lambda _engine: True)
    monkeypatch.setattr(precision, "remembered", lambda *_: seen.append(crew.holds) or precision.Trial(60.0, 1.0))
    upscaled(rows, noise(5, 6), precision="fast")
    real = _Picture.trunk
    monkeypatch.setattr(_Picture, "trunk", lambda *given: seen.append(crew.holds) or real(*given))
    rows.first_blocks(np.zeros((1, 3, 8, 9), np.float32), "exact", 1)()
    assert set(seen) == {1}
    assert len(seen) > 2
    assert crew.holds == 0


def test_fast_kernels_without_memory_leave_the_picture_to_paddle(
    rows: processor.ProcessorEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job whose precision's kernels do not fit comes out by tiles."""

    def short(*_: object) -> network.Network:
        raise MemoryError

    monkeypatch.setattr(precision, "is_possible", lambda _engine: False)
    monkeypatch.setattr(network, "prepare", short)
    image = noise(9, 8)
    found = upscaled(rows, image, precision="fast")
    assert np.array_equal(found, upscaled(rows.tiled, image, precision="exact"))


@needs_bfloat16
@pytest.mark.parametrize("asked", ["fast", "auto"])
def test_fast_is_used_where_the_trial_says_so(
    asked: str, wide: Weights, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A net whose fast precision passes the trial runs in it unless a job asks for exact, which runs by rows."""
    prefer(monkeypatch, processor.ROWS)
    monkeypatch.setattr(precision, "remembered", lambda *_: precision.Trial(60.0, 2.0))
    loaded = processor.load(wide, cache, threads=2, precision=asked)
    assert isinstance(loaded, processor.ProcessorEngine)
    assert loaded.facts.precision == "bf16"
    assert loaded.notes == ()
    image = noise(21, 30)
    exact = upscaled(loaded, image, precision="exact")
    fast = upscaled(loaded, image)
    assert np.array_equal(fast, upscaled(loaded.tiled, image, precision="fast"))
    assert not np.array_equal(fast, exact)
    assert np.abs(exact - plain_network.forward(image, wide)).max() < CLOSE


def test_exact_asks_for_no_trial_of_precisions(wide: Weights, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading and running in the exact precision never measures the fast one."""
    prefer(monkeypatch, processor.ROWS)
    monkeypatch.setattr(precision, "remembered", lambda *_: pytest.fail("a trial was run"))
    loaded = processor.load(wide, cache, threads=2)
    for asked in (None, "auto", "exact"):
        upscaled(loaded, noise(5, 6), precision=asked)


@needs_bfloat16
def test_a_real_trial_of_the_precisions_has_sound_figures(
    wide: Weights, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows against bfloat16, both really run: close to one another, and neither beyond all bounds faster."""
    picture, remembered = precision.picture, precision.remembered
    told: list[precision.Trial] = []

    def kept(contest: precision.Candidate, _folder: Path) -> precision.Trial:
        told.append(remembered(contest, tmp_path))
        return told[-1]

    prefer(monkeypatch, processor.ROWS)
    monkeypatch.setattr(precision, "picture", lambda architecture: picture(architecture)[:, :, :32, :32])
    monkeypatch.setattr(precision, "remembered", kept)
    loaded = processor.load(wide, cache, threads=2, precision="auto")
    assert told[0].decibels > 20
    assert 0.02 < told[0].gain < 50
    assert loaded.facts.precision == ("bf16" if told[0].passes() else "fp32")
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("which", ["exact", "fast"])
@pytest.mark.parametrize("unshuffle", [1, 2])
def test_what_the_trials_run_is_that_of_the_net(unshuffle: int, which: str, cache: Path) -> None:
    """What the trials run by rows is the whole net, and its first blocks, at the right sizes."""
    architecture = replace(WIDE, blocks=1, scale=2, unshuffle=unshuffle)
    weights = synthetic.random_weights(architecture, 2)
    tiled = paddle_engine.load(weights, cache, threads=2)
    loaded = processor.ProcessorEngine(weights, tiled, saving.prepare(weights, cache))
    image = noise(24, 16)
    values = engine.unshuffled(image, unshuffle)
    found = loaded.whole(values, which)[0].transpose(1, 2, 0)
    assert np.abs(found - plain_network.forward(image, weights)).max() < CLOSE
    features = tiled.join(values, tiled.blocks(tiled.methods("exact")[-1], 0, tiled.head(values), "exact"))
    assert np.abs(loaded.first_blocks(values, which, 1)() - features).max() < CLOSE
