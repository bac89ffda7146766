"""Pictures on a card: whole, in strips, in tiles when memory is short, and one sentence when there is none."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from bsrgan_backend.engine import device_engine, engine, resident
from bsrgan_backend.engine.device_engine import DeviceEngine
from bsrgan_backend.errors import BackendError
from support.device_doubles import PretendedCard
from support.network_doubles import Reaching

Array = npt.NDArray[np.float32]


def noise(height: int, width: int) -> Array:
    """A picture of random values."""
    return np.random.default_rng(height * 100 + width).random((height, width, 3), dtype=np.float32)


def run(card: PretendedCard, image: Array, **options: object) -> tuple[Array, DeviceEngine]:
    """The whole result, and the engine that gave it."""
    loaded = DeviceEngine(card, 1, None)
    loaded.prefer("fast")
    strips: list[Array] = []

    def sink(first: int, strip: Array) -> None:
        assert first == sum(len(one) for one in strips)
        strips.append(strip)

    loaded.upscale(image, sink, lambda *_: None, lambda: False, **options)  # type: ignore[arg-type]
    return np.concatenate(strips), loaded


def wanted(image: Array, blocks: int = 3) -> Array:
    """One pass by the double alone."""
    strips: list[Array] = []
    network = Reaching(scale=2, blocks=blocks)
    engine.upscale(network, image, lambda _, strip: strips.append(strip), lambda *_: None, lambda: False)
    return np.concatenate(strips)


@pytest.mark.parametrize("size", [(60, 50), (1, 40), (97, 3)])
def test_a_picture_stays_on_the_card(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """What fits is uploaded once, each block sees all of it, and the strips of the tail show no seam."""
    monkeypatch.setattr(resident, "STRIP_PX", 20 * size[1])
    image = noise(*size)
    card = PretendedCard()
    result, loaded = run(card, image)
    assert (result == wanted(image)).all()
    assert [pixels for stage, pixels in card.calls if stage == "block"] == [size[0] * size[1]] * 3
    assert loaded.notes == ()


@pytest.mark.parametrize(("kept_px", "released"), [(30 * 20, 0), (30 * 20 - 1, 1)])
def test_a_large_picture_leaves_no_memory_behind(kept_px: int, released: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory of a large picture goes back to the card; that of a preview is kept for the next one."""
    monkeypatch.setattr(device_engine, "KEPT_PX", kept_px)
    card = PretendedCard()
    run(card, noise(30, 20))
    assert card.released == released


def test_progress_rises_to_its_total_on_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress never falls and ends where it said that it would."""
    monkeypatch.setattr(resident, "STRIP_PX", 40 * 9)
    told: list[tuple[int, ...]] = []
    loaded = DeviceEngine(PretendedCard(), 1, None)
    loaded.upscale(noise(60, 40), lambda *_: None, lambda *values: told.append(values), lambda: False)
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]
    assert told[-1][2] == told[-1][3]


@pytest.mark.parametrize("after", [0, 1, 3, 4, 6])
def test_a_stop_is_met_within_a_block_or_strip(after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the answer is yes, nothing more is computed."""
    monkeypatch.setattr(resident, "STRIP_PX", 40 * 9)
    card = PretendedCard()
    asked = []

    def should_stop() -> bool:
        asked.append(len(card.calls))
        return len(asked) > after

    with pytest.raises(engine.Stopped):
        DeviceEngine(card, 1, None).upscale(noise(60, 40), lambda *_: None, lambda *_: None, should_stop)
    assert len(card.calls) == asked[-1]


@pytest.mark.parametrize("most_px", [35_999, 20_000, 12_000])
def test_a_trunk_that_does_not_fit_goes_in_tiles(most_px: int) -> None:
    """When memory runs out in the middle, the picture starts again in tiles, and these shrink until they fit."""
    image = noise(200, 180)
    card = PretendedCard()
    card.most_px["block"] = most_px
    result, loaded = run(card, image)
    assert (result == wanted(image)).all()
    assert any("memory ran short" in note.lower() for note in loaded.notes)
    assert card.released >= 2


def test_what_will_not_fit_is_not_begun() -> None:
    """A card with little free memory gets tiles at once, and memory given by the user counts as well."""
    image = noise(80, 80)
    for card, options in ((PretendedCard(free=1000), {}), (PretendedCard(), {"memory_budget_bytes": 630_000})):
        result, _loaded = run(card, image, **options)
        assert (result == wanted(image)).all()
        stages = [stage for stage, _ in card.calls]
        assert stages.count("block") >= 3


@pytest.mark.parametrize("most_px", [1200, 400, 200])
def test_strips_of_the_tail_shrink(most_px: int) -> None:
    """A strip that does not fit is halved until it does; its rows still come in order and without a seam."""
    image = noise(50, 40)
    card = PretendedCard()
    card.most_px["tail"] = most_px
    result, loaded = run(card, image)
    assert (result == wanted(image)).all()
    assert resident.SHORT in loaded.notes


def test_memory_that_never_comes_is_a_sentence_about_the_card() -> None:
    """When not even the smallest piece fits, the user is told of the card's memory and not of the machine's."""
    for stage in ("tail", "block", "head"):
        card = PretendedCard()
        card.most_px[stage] = 10
        with pytest.raises(BackendError) as caught:
            run(card, noise(50, 40))
        assert caught.value.code == "GPU_OOM", stage


def test_a_given_tile_is_used_on_a_card() -> None:
    """A tile that the user chose is what the card gets, margin added."""
    image = noise(90, 70)
    card = PretendedCard()
    result, _loaded = run(card, image, tile=20)
    assert (result == wanted(image)).all()
    assert max(pixels for stage, pixels in card.calls if stage == "block") < 90 * 70


@pytest.mark.parametrize("spoilt", [{2}, {5}, {3, 5}])
def test_no_numbers_in_fast_are_computed_again(spoilt: set[int]) -> None:
    """A block or strip that overflows in half precision is done in the exact one, and that is said."""
    image = noise(40, 30)
    card = PretendedCard()
    card.spoilt = spoilt
    result, loaded = run(card, image)
    assert (result == wanted(image)).all()
    assert loaded.notes == (resident.REDONE,)


def test_another_picture_may_run_inside_a_question() -> None:
    """A preview that runs on the card while a long job asks whether to stop changes neither result."""
    card = PretendedCard()
    loaded = DeviceEngine(card, 1, None)
    inner: list[Array] = []
    outer: list[Array] = []
    small, large = noise(12, 10), noise(60, 40)

    def pause() -> bool:
        if len(card.calls) == 2:
            loaded.upscale(small, lambda _, strip: inner.append(strip), lambda *_: None, lambda: False)
        return False

    loaded.upscale(large, lambda _, strip: outer.append(strip), lambda *_: None, pause)
    assert (np.concatenate(inner) == wanted(small)).all()
    assert (np.concatenate(outer) == wanted(large)).all()


def test_a_wrong_shape_is_refused_on_a_card() -> None:
    """A picture with other channels than the model takes gets its sentence, not a crash."""
    with pytest.raises(BackendError) as caught:
        run(PretendedCard(), np.zeros((4, 4, 1), np.float32))
    assert caught.value.code == "BAD_SHAPE"


def test_arrays_stay_countable_in_32_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture whose widest array has more values than kernels count goes in tiles, however much memory there is."""
    image = noise(60, 50)
    card = PretendedCard()
    monkeypatch.setattr(device_engine, "MOST_VALUES", 60 * 50 * 19)
    result, _loaded = run(card, image)
    assert (result == wanted(image)).all()
    assert [stage for stage, _ in card.calls].count("head") == 1
    assert card.uploads > 2
