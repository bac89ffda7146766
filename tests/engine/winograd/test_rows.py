"""Whole nets by rows: the right numbers, the same bits however they run, and every way to end."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from bsrgan_backend.engine import staging
from bsrgan_backend.engine.engine import TOO_LITTLE_MEMORY, Stopped, unshuffled
from bsrgan_backend.engine.winograd import blas, convolution, network, run, tail
from bsrgan_backend.engine.winograd.transforms import EXACT, FAST
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models import synthetic
from bsrgan_backend.models.weights import Architecture, Weights
from support import plain_network
from support.architectures import ARCHITECTURES
from support.winograd_rows import noise, planned, preview_within, upscaled

SMALL = ARCHITECTURES[0]
WIDE = Architecture(features=64, blocks=1, growth=32, in_channels=3, out_channels=3, scale=4)
SIZES = [(1, 1), (5, 7), (1, 333), (333, 1), (37, 70)]


@pytest.fixture(scope="module")
def small():
    """Kernels of a small x4 net."""
    return network.prepare(synthetic.random_weights(SMALL, 3))


@pytest.fixture(scope="module")
def wide():
    """Kernels of a net of the real width."""
    return network.prepare(synthetic.random_weights(WIDE, 3))


@pytest.mark.parametrize("scheme", [EXACT, FAST], ids=["exact", "fast"])
@pytest.mark.parametrize("architecture", [*ARCHITECTURES, WIDE], ids=str)
def test_a_net_by_rows_is_the_net(architecture, scheme):
    """Every scale, unshuffling and number of channels gives the numbers of plain arithmetic, at every size."""
    weights = synthetic.random_weights(architecture, 4)
    kernels = network.prepare(weights, scheme)
    factor = architecture.unshuffle
    for size in SIZES[: 5 if architecture.features < 64 else 2]:
        image = noise(*size, architecture.in_channels)
        pads = [(0, -side % factor) for side in size]
        kinds = ["reflect" if side > extra else "edge" for side, (_, extra) in zip(size, pads, strict=True)]
        padded = np.pad(image, [pads[0], (0, 0), (0, 0)], mode=kinds[0])
        padded = np.pad(padded, [(0, 0), pads[1], (0, 0)], mode=kinds[1])
        wanted = plain_network.forward(padded, weights)
        found = upscaled(kernels, image, planned(kernels, image))
        assert found.shape == (*(side * architecture.scale for side in size), architecture.out_channels)
        assert np.abs(found - wanted[: found.shape[0], : found.shape[1]]).max() < 2e-5


@pytest.mark.parametrize("size", [(61, 83), (24, 450), (130, 20)])
def test_no_way_to_run_changes_a_bit(small, wide, size, tmp_path):
    """Threads, bands and the place of the features leave every bit as it is."""
    image = noise(*size)
    for kernels in (small, wide, network.prepare(synthetic.random_weights(WIDE, 3), FAST)):
        whole = upscaled(kernels, image, planned(kernels, image))
        for threads, units in [(1, 16), (5, 4), (3, 1), (2, 5)]:
            plan = replace(planned(kernels, image, threads), band_units=units)
            assert np.array_equal(upscaled(kernels, image, plan), whole), (threads, units)
        spooled = planned(kernels, image, can_spool=True)
        assert np.array_equal(upscaled(kernels, image, spooled, spool=tmp_path), whole)
    assert list(tmp_path.iterdir()) == []


def test_progress_goes_up_to_its_end(small):
    """What is done never becomes less, and the end is told."""
    told = []
    image = noise(300, 200)
    upscaled(small, image, planned(small, image), on_progress=lambda *values: told.append(values))
    done, totals, tiles, counts = zip(*told, strict=True)
    assert list(done) == sorted(done)
    assert list(tiles) == sorted(tiles)
    assert len(set(totals)) == len(set(counts)) == 1
    assert (done[0], done[-1], tiles[-1]) == (0, totals[0], counts[0])


def test_a_stop_ends_the_run_and_nothing_else(small):
    """Whenever it comes, a stop raises Stopped, and the next picture comes out right."""
    image = noise(260, 300)
    runner = run.Runner(small)
    whole = upscaled(small, image, planned(small, image), runner)
    for asked in (1, 2, 4):
        answers = iter([False] * (asked - 1) + [True] * 100)
        with pytest.raises(Stopped):
            upscaled(small, image, planned(small, image), runner, should_stop=lambda answers=answers: next(answers))
    assert np.array_equal(upscaled(small, image, planned(small, image), runner), whole)


def test_a_preview_runs_within_another_picture(small):
    """A small picture that should_stop lets in between gives what it gives alone, and so does the large one."""
    preview_within(small, run.Runner(small))


def test_strips_do_not_pile_up_before_a_slow_sink(small):
    """Threads wait for the sink when they are more than a few bands ahead."""
    image = noise(400, 30)
    plan = replace(planned(small, image), band_units=1)
    runner = run.Runner(small)
    ahead, taken = [], []
    make = tail.Tail.run

    def counted(room, *arguments):
        ahead.append(len(ahead) - len(taken))
        return make(room, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tail.Tail, "run", counted)
        values = unshuffled(image, 1)
        runner.run(plan, values, (400, 30), lambda *_: taken.append(1), lambda *_: None, lambda: False, None)
    assert len(taken) == 100
    assert max(ahead) <= 2 * plan.threads + 2


def test_a_net_that_gives_no_numbers_is_told(small):
    """Values that overflow end in a sentence about the model, without a warning and without a strip of nonsense."""
    weights = synthetic.random_weights(SMALL, 3)
    tensors = {name: values * np.float32(1e12) for name, values in weights.tensors.items()}
    kernels = network.prepare(Weights(SMALL, tensors, "0" * 64))
    image = noise(20, 20)
    with pytest.raises(BackendError) as failed:
        upscaled(kernels, image, planned(kernels, image))
    assert failed.value.code == "MODEL_LOAD"


def test_a_full_disk_is_told_before_anything_is_computed(small, tmp_path):
    """Features that find no room in a file are DISK_FULL."""
    image = noise(20, 20)
    with pytest.raises(BackendError) as failed:
        upscaled(small, image, planned(small, image, can_spool=True), spool=tmp_path / "missing")
    assert failed.value.code == "DISK_FULL"


def test_memory_that_runs_out_at_any_moment_leaves_no_half_result(small, monkeypatch):
    """An allocation that fails raises, or the rest is done with fewer threads and every bit is right."""
    image = noise(90, 40)
    plan = replace(planned(small, image, 2), band_units=4)
    whole = upscaled(small, image, plan)
    outcomes = set()
    real = np.empty
    for failing in range(1, 200):
        count = itertools.count(1)

        def short(*arguments, count=count, failing=failing, **named):
            if next(count) == failing:
                raise MemoryError
            return real(*arguments, **named)

        for module in (run, convolution, staging):
            monkeypatch.setattr(module.np, "empty", short)
        try:
            found = upscaled(small, image, plan)
        except (MemoryError, BackendError) as error:
            outcomes.add(type(error))
        else:
            outcomes.add(None)
            assert np.array_equal(found, whole)
        finally:
            monkeypatch.undo()
        if next(count) <= failing:
            break
    assert {None, MemoryError} <= outcomes


def test_a_sink_without_memory_is_given_no_strip_twice(small):
    """Memory that a sink runs out of is told as such: what it has taken in part cannot be given again."""
    image = noise(90, 40)
    plan = replace(planned(small, image, 2), band_units=4)
    given = []

    def take(first, _strip):
        given.append(first)
        if len(given) == 2:
            raise MemoryError

    with pytest.raises(BackendError) as failed:
        run.Runner(small).run(plan, unshuffled(image, 1), image.shape[:2], take, lambda *_: None, lambda: False, None)
    assert failed.value.code == "HOST_OOM"
    assert failed.value.text == TOO_LITTLE_MEMORY
    assert given == sorted(set(given))


def test_plans_come_fastest_first_and_know_their_memory():
    """More threads need more memory and less time; a file takes the features out of it."""
    plans = run.plans((2048, 2048), synthetic.BSRGAN, 8, EXACT, can_spool=True)
    assert [plan.slowness for plan in plans] == sorted(plan.slowness for plan in plans)
    assert {plan.threads for plan in plans} == {1, 2, 4, 8}
    needs = {(plan.threads, plan.spooled): plan.need_bytes for plan in plans}
    assert needs[8, False] > needs[1, False] > needs[1, True]
    assert needs[2, False] < 4e9
    assert needs[1, True] < 1e9


def test_the_library_behind_products_uses_one_thread_meanwhile():
    """Products start no threads of their own while a picture runs, and may again afterwards."""
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def counts():
        return [each["num_threads"] for each in threadpoolctl.threadpool_info() if each["user_api"] == "blas"]

    before = counts()
    with blas.one_thread():
        assert set(counts()) <= {1}
    assert counts() == before


def test_the_library_behind_products_is_named():
    """One word for NumPy's own library, whichever others are in the process."""
    assert blas.kernels()
    assert len(blas.kernels().split()) == 1
