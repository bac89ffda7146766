"""The driver: images of any size through a network, in pieces that cannot be seen in the result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings

from bsrgan_backend.engine import engine, host
from bsrgan_backend.errors import BackendError
from support.network_doubles import Nearest, Overflowing, Reaching, Starved

Array = npt.NDArray[np.float32]
SOME = settings(deadline=None, max_examples=60)


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> Array:
    """A picture of random values."""
    return np.random.default_rng(seed).random((height, width, channels), dtype=np.float32)


def run(network: engine.Network, image: Array, **options: object) -> Array:
    """The whole result, after checking that its rows came in order."""
    strips: list[Array] = []

    def sink(first_row: int, strip: Array) -> None:
        assert first_row == sum(len(one) for one in strips)
        assert strip.dtype == np.float32
        strips.append(strip)

    engine.upscale(network, image, sink, lambda *_: None, lambda: False, **options)  # type: ignore[arg-type]
    return np.concatenate(strips)


@SOME
@given(
    st.integers(1, 200),
    st.integers(1, 200),
    st.sampled_from((1, 2, 4, 8)),
    st.sampled_from((1, 2, 4)),
    st.sampled_from((1, 3)),
    st.one_of(st.none(), st.integers(16, 70)),
)
def test_nearest_comes_out_bit_for_bit(
    height: int, width: int, scale: int, unshuffle: int, channels: int, tile: int | None
) -> None:
    """A network that repeats pixels gives exactly the repeated picture, at any size, factor, tile and remainder."""
    image = noise(height, width, channels)
    got = run(Nearest(scale, unshuffle, channels), image, tile=tile)
    assert np.array_equal(got, image.repeat(scale, axis=0).repeat(scale, axis=1))


@SOME
@given(st.integers(1, 150), st.integers(1, 150), st.integers(14, 60))
def test_tiles_equal_one_piece_at_the_full_reach(height: int, width: int, tile: int) -> None:
    """A network that looks as far as the real one gives the same whole numbers in tiles as in one pass."""
    image = noise(height, width, seed=height)
    network = Reaching(scale=2, blocks=3)
    whole = network.tail(engine.trunk(network, engine.unshuffled(image, 1)))[0].transpose(1, 2, 0)
    assert np.array_equal(run(network, image, tile=tile), whole)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 4097), (4097, 1), (33, 1000), (16, 30_000), (30_000, 16)])
def test_odd_sizes_equal_one_piece(size: tuple[int, int]) -> None:
    """Single pixels and long lines come out as in one pass, whether tiles are chosen or given."""
    image = noise(*size)
    network = Reaching(scale=2, blocks=2)
    whole = network.tail(engine.trunk(network, engine.unshuffled(image, 1)))[0].transpose(1, 2, 0)
    assert np.array_equal(run(network, image), whole)
    assert np.array_equal(run(network, image, tile=64), whole)


def test_a_small_budget_changes_nothing_but_the_pieces() -> None:
    """With little memory the same result comes out of smaller calls."""
    image = noise(300, 310)
    rich, poor = Reaching(scale=2), Reaching(scale=2)
    expected = run(rich, image, memory_budget_bytes=1 << 30)
    assert np.array_equal(run(poor, image, memory_budget_bytes=9_000_000), expected)
    assert poor.largest_px < rich.largest_px


def test_features_on_disk_give_the_same(tmp_path: Path) -> None:
    """Features that do not fit into the budget go through a file that has no name, and nothing stays behind."""
    image = noise(900, 400)
    network = Reaching(scale=1, blocks=2, unshuffle=2)
    expected = run(network, image)
    assert np.array_equal(run(network, image, memory_budget_bytes=7_500_000, spool=tmp_path), expected)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the file for the features cannot be had, the run ends with DISK_FULL and nothing was computed."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    network = Reaching(scale=1, unshuffle=2)
    with pytest.raises(BackendError) as failed:
        run(network, noise(900, 400), memory_budget_bytes=7_500_000, spool=tmp_path)
    assert failed.value.code == "DISK_FULL"
    assert network.calls == []


def test_progress_rises_evenly_to_the_total() -> None:
    """Progress starts at 0, never falls, takes a step for every tile, and ends at a constant total."""
    seen: list[tuple[int, int, int, int]] = []
    network = Reaching(scale=2, blocks=5)
    engine.upscale(network, noise(120, 120), lambda *_: None, lambda *step: seen.append(step), lambda: False, tile=40)
    done = [step[0] for step in seen]
    assert {step[1] for step in seen} == {done[-1]}
    assert [step[2] for step in seen] == list(range(len(seen)))
    assert {step[3] for step in seen} == {len(seen) - 1}
    assert done == sorted(done)
    assert done[0] == 0
    assert len(set(done)) > 5 * 9


@pytest.mark.parametrize("after", [0, 1, 7, 20, 45])
def test_a_stop_works_before_the_next_call(after: int) -> None:
    """Once `should_stop` is true no further call of the network is made, wherever the run is."""
    network = Reaching(scale=2, blocks=3)
    calls_at_stop: list[int] = []

    def should_stop() -> bool:
        if len(network.calls) >= after:
            calls_at_stop.append(len(network.calls))
        return bool(calls_at_stop)

    with pytest.raises(engine.Stopped):
        engine.upscale(network, noise(100, 130), lambda *_: None, lambda *_: None, should_stop, tile=40)
    assert len(network.calls) == calls_at_stop[0]


def test_nothing_of_the_results_size_is_kept() -> None:
    """The sink gets many strips, none larger than a fraction of the result."""
    heights: list[int] = []
    engine.upscale(
        Nearest(4),
        noise(600, 40),
        lambda _, strip: heights.append(len(strip)),
        lambda *_: None,
        lambda: False,
        tile=50,
    )
    assert sum(heights) == 2400
    assert max(heights) <= 200


def test_memory_errors_become_a_sentence() -> None:
    """A MemoryError of the network or of numpy is HOST_OOM with advice, not a traceback."""

    class Hungry(Nearest):
        def _tail(self, features: Array) -> Array:
            raise MemoryError("Fail to alloc memory")

    with pytest.raises(BackendError) as failed:
        run(Hungry(), noise(8, 8))
    assert failed.value.code == "HOST_OOM"
    assert "free memory" in failed.value.text


def test_a_call_that_runs_out_of_memory_is_done_in_halves() -> None:
    """Whichever call fails, the result is the same to the last bit, the rest goes on, and the user is told."""
    image = noise(90, 130)
    whole = run(Starved(), image, tile=None)
    calls = Starved()
    run(calls, image)
    for number in range(1, len(calls.calls) + 1):
        network = Starved(failing=frozenset({number}))
        strips: list[Array] = []
        notes = engine.upscale(network, image, lambda _, one: strips.append(one), lambda *_: None, lambda: False)  # noqa: B023
        assert np.array_equal(np.concatenate(strips), whole), number
        assert notes == ("Memory ran short, so the picture was worked on in smaller pieces.",)


@pytest.mark.parametrize("most_px", [9000, 5000, 3000])
def test_tiles_stay_small_once_memory_was_short(most_px: int) -> None:
    """After a tile was too large, later ones of its size are cut before they are tried."""
    image = noise(120, 150)
    network = Starved(most_px=most_px)
    assert np.array_equal(run(network, image), run(Starved(), image))
    failures = sum(1 for _ in filter(lambda call: call == "block", network.calls))
    assert failures < 200


def test_memory_that_never_comes_is_one_sentence() -> None:
    """When the smallest pieces do not fit either, the run ends with HOST_OOM."""
    with pytest.raises(BackendError) as failed:
        run(Starved(most_px=100), noise(90, 90))
    assert failed.value.code == "HOST_OOM"


def test_a_given_tile_is_never_cut() -> None:
    """A tile size that the user has chosen fails with advice instead of shrinking silently."""
    network = Starved(failing=frozenset({5}))
    with pytest.raises(BackendError) as failed:
        run(network, noise(90, 90), tile=50)
    assert failed.value.code == "HOST_OOM"
    assert "50 pixels" in failed.value.text
    assert len(network.calls) == 5


@pytest.mark.parametrize("stages", [("blocks",), ("tail",), ("blocks", "tail")])
def test_what_overflows_in_fast_is_done_in_exact(stages: tuple[str, ...]) -> None:
    """Blocks and strips without finite values in the fast precision are done again in exact, and told about once."""
    image = noise(70, 80)
    strips: list[Array] = []
    network = Overflowing(stages)
    notes = engine.upscale(
        network, image, lambda _, one: strips.append(one), lambda *_: None, lambda: False, precision="fast", tile=40
    )
    assert np.array_equal(np.concatenate(strips), run(Overflowing(()), image))
    assert len(notes) == 1
    assert "exact" in notes[0]


def test_another_picture_may_run_between_two_pieces() -> None:
    """`should_stop` may put a small picture through the same network; both results are right."""
    network = Reaching(scale=2, blocks=2)
    large, small = noise(100, 90), noise(20, 30, seed=5)
    between: list[Array] = []

    def pause() -> bool:
        if len(between) < 3:
            between.append(np.empty(0, np.float32))
            between[-1] = run(network, small)
        return False

    strips: list[Array] = []
    engine.upscale(network, large, lambda _, one: strips.append(one), lambda *_: None, pause, tile=40)
    assert np.array_equal(np.concatenate(strips), run(network, large))
    assert all(np.array_equal(one, run(network, small)) for one in between)


def test_no_numbers_are_an_error_of_the_model() -> None:
    """A result with NaN or infinity is never given out."""

    class Broken(Nearest):
        def _tail(self, features: Array) -> Array:
            result = super()._tail(features)
            result[..., -1, -1] = np.inf
            return result

    strips: list[int] = []
    with pytest.raises(BackendError) as failed:
        engine.upscale(Broken(), noise(8, 8), lambda first, _: strips.append(first), lambda *_: None, lambda: False)
    assert failed.value.code == "MODEL_LOAD"
    assert strips == []


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 1), (0, 4, 3), (4, 4, 4)])
def test_a_wrong_shape_is_refused(shape: tuple[int, ...]) -> None:
    """A picture without pixels or with channels that the network does not take is BAD_SHAPE."""
    with pytest.raises(BackendError) as failed:
        run(Nearest(), np.zeros(shape, np.float32))
    assert failed.value.code == "BAD_SHAPE"


def test_the_budget_comes_from_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a budget, most of the memory that is free now counts, and too little of it refuses the picture."""
    monkeypatch.setattr(host, "available_memory_bytes", lambda: 1_000_000)
    network = Nearest()
    network.architecture = replace(network.architecture, features=64)
    with pytest.raises(BackendError) as failed:
        run(network, noise(400, 400))
    assert failed.value.code == "HOST_OOM"
    assert network.calls == []


@pytest.mark.parametrize("factor", [2, 4])
def test_unshuffling_mirrors_what_is_missing(factor: int) -> None:
    """Sides that are no multiple are filled with their mirror image, or with the edge where that is too short."""
    image = noise(2 * factor + 1, 1)
    got = engine.unshuffled(image, factor)
    padded = np.pad(image, ((0, factor - 1), (0, 0), (0, 0)), mode="reflect").repeat(factor, axis=1)
    assert got.shape == (1, 3 * factor * factor, 3, 1)
    for channel in range(3):
        for row in range(factor):
            for column in range(factor):
                plane = got[0, channel * factor * factor + row * factor + column]
                assert np.array_equal(plane, padded[row::factor, column::factor, channel])
