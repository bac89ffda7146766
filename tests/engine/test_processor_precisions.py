"""The two precisions of a net on the processor: which one runs, what it keeps, and what it holds back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bsrgan_backend.engine import engine, paddle_engine, precision, processor, saving
from bsrgan_backend.engine.winograd import network
from bsrgan_backend.engine.winograd.run import _Picture
from bsrgan_backend.engine.winograd.transforms import EXACT, FAST, Scheme
from bsrgan_backend.models import synthetic
from bsrgan_backend.models.weights import Weights
from support import plain_network
from support.wide_network import CLOSE, WIDE, needs_bfloat16, noise, prefer, upscaled

Array = npt.NDArray[np.float32]


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


@pytest.mark.parametrize(("threads", "blocks"), [(1, 2), (2, 4), (16, 16)])
def test_bfloat16_has_to_beat_rows_in_full_swing(
    threads: int, blocks: int, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows of its trial have two blocks for each thread, on a picture as wide as those that take long."""
    # With one, and 288 px, bfloat16 won the trial where it took a fifth longer for 512 x 512.
    deep = synthetic.random_weights(replace(WIDE, blocks=16), 2)
    tiled = paddle_engine.load(deep, cache, threads=threads, precision=None)
    tried: list[tuple[int, tuple[int, ...]]] = []

    def first_blocks(_self: object, image: Array, which: str, count: int) -> Callable[[], Array]:
        assert which == "fast"
        tried.append((count, image.shape))
        return lambda: image

    monkeypatch.setattr(processor.ProcessorEngine, "first_blocks", first_blocks)
    monkeypatch.setattr(processor.ProcessorEngine, "whole", lambda _self, image, _which: image)
    monkeypatch.setattr(precision.Staged, "one_pass", lambda _self, image, _which: image)
    monkeypatch.setattr(precision.Staged, "sample", lambda *_: (lambda: None, 1))
    precision.measure(processor._Contest(processor.ProcessorEngine(deep, tiled, cache)))
    ((count, shape),) = tried
    assert (count, shape[3]) == (blocks, 512)
    assert shape[2] >= 24 * threads


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
