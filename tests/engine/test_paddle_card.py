"""Paddle's arithmetic for cards, on Paddle's processor: every way, every form of failure, and the self-test."""

from __future__ import annotations

import ctypes
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest

from bsrgan_backend.engine import (
    devices,
    driver_memory,
    engine,
    loading,
    paddle_card,
    paddle_engine,
    paddle_gpu,
    resident,
    saving,
    selftest,
)
from bsrgan_backend.engine import precision as precisions
from bsrgan_backend.engine.arithmetic import DeviceLost
from bsrgan_backend.engine.device_engine import DeviceEngine
from bsrgan_backend.engine.paddle_card import PaddleCard
from bsrgan_backend.engine.runtime import paddle
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models import synthetic
from bsrgan_backend.models.weights import Architecture, Weights

Array = npt.NDArray[np.float32]

ARCHITECTURE = Architecture(features=8, blocks=2, growth=4, in_channels=3, out_channels=3, scale=4)


@pytest.fixture(scope="module")
def weights() -> Weights:
    """A network of two blocks."""
    return synthetic.random_weights(ARCHITECTURE, 6)


@pytest.fixture
def card(weights: Weights, cache: Path, monkeypatch: pytest.MonkeyPatch) -> PaddleCard:
    """A card that is Paddle's processor; float64 stands for the half precision, which convolutions have there not."""
    monkeypatch.setitem(paddle_card.TYPES, "fp16", "float64")
    return PaddleCard(weights, "cpu", "Card A", "fp16", saving.prepare(weights, cache))


def run(loaded: engine.Engine, image: Array, **options: object) -> Array:
    """The whole result."""
    strips: list[Array] = []
    loaded.upscale(image, lambda _, s: strips.append(s), lambda *_: None, lambda: False, **options)  # type: ignore[arg-type]
    return np.concatenate(strips)


def noise(height: int, width: int) -> Array:
    """A picture of random values."""
    return np.random.default_rng(height * 100 + width).random((height, width, 3), dtype=np.float32)


@pytest.mark.parametrize("way", paddle_card.WAYS)
@pytest.mark.parametrize("precision", ["exact", "fast"])
def test_every_way_gives_the_processors_numbers(
    card: PaddleCard, weights: Weights, cache: Path, way: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Layers in both layouts and saved programs agree with the processor's engine, in strips, at odd sizes."""
    monkeypatch.setattr(resident, "STRIP_PX", 19 * 9)
    card.use(way)
    image = noise(23, 19)
    wanted = run(paddle_engine.load(weights, cache, threads=1), image)
    found = run(DeviceEngine(card, 1, None), image, precision=precision)
    assert found.shape == wanted.shape
    assert selftest.decibels(found, wanted) > 100
    tiles = run(DeviceEngine(card, 1, None), image, precision=precision, tile=12)
    assert np.abs(tiles - found).max() < 1e-5


def test_the_fastest_way_is_measured_and_remembered(
    card: PaddleCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All ways are timed once; one that fails or computes something else is left out."""
    image = precisions.picture(ARCHITECTURE)[:, :, :16, :20].copy()
    used = []
    real = card.use
    monkeypatch.setattr(card, "use", lambda way: used.append(way) or real(way))

    def broken(*_: object) -> None:
        raise RuntimeError("(NotFound) The kernel is not registered.")

    monkeypatch.setattr(card, "_by_program", broken)
    path = tmp_path / "way.json"
    way = card.fastest_way(path, image)
    assert way in ("nchw", "nhwc")
    assert used == list(paddle_card.WAYS)
    assert card.fastest_way(path, image) == way
    assert used == list(paddle_card.WAYS)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("(ResourceExhausted) Fail to alloc memory of 140737488355328 size"),
        RuntimeError("ResourceExhaustedError: Out of memory error on GPU 0. Cannot allocate 2.0GB memory on GPU 0"),
        OSError("(External) CUDA error(2), out of memory. [Hint: 'cudaErrorMemoryAllocation'. The API call failed]"),
        OSError("(External) CUDNN error(4), CUDNN_STATUS_INTERNAL_ERROR."),
        RuntimeError("(PreconditionNotMet) CUBLAS_STATUS_ALLOC_FAILED"),
        SystemError("std::bad_alloc"),
    ],
    ids=lambda error: f"{error}"[:40],
)
def test_every_form_of_too_little_memory_is_a_memory_error(error: Exception) -> None:
    """However Paddle says that memory is short, smaller pieces are tried."""
    with pytest.raises(MemoryError), paddle_card.errors():
        raise error


@pytest.mark.parametrize(
    "text",
    [
        "Unsupported GPU architecture",
        "(External) CUDA error(209), no kernel image is available for execution on the device.",
        "(External) CUDA error(700), an illegal memory access was encountered.",
    ],
)
def test_a_card_that_cannot_go_on_is_lost(text: str) -> None:
    """After an error that sticks to the process, the process has to end."""
    with pytest.raises(DeviceLost), paddle_card.errors():
        raise OSError(text)


def test_memory_that_is_really_short_is_a_memory_error(card: PaddleCard) -> None:
    """Paddle's own refusal of an impossible size is met as MemoryError, and the next call works."""
    with pytest.raises(MemoryError), paddle_card.errors():
        paddle.empty([1 << 45])
    assert run(DeviceEngine(card, 1, None), noise(6, 5)).shape == (24, 20, 3)


def test_the_self_test_is_held_to_the_processors_engine(
    card: PaddleCard, weights: Weights, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card that agrees is used in the precision that is faster; one that does not is refused and named."""
    monkeypatch.setattr(selftest, "gain_of", lambda *_: 2.0)
    monkeypatch.setattr(PaddleCard, "fastest_way", lambda *_: "nhwc")
    loaded = paddle_gpu.settled(card, weights, cache, 1, None, "auto")
    assert (loaded.facts.precision, loaded.facts.engine, loaded.notes) == ("fp16", "paddle nhwc", ())
    real = PaddleCard.block
    monkeypatch.setattr(PaddleCard, "block", lambda self, *given: real(self, *given) * 1.01)
    card.use("nchw")
    with pytest.raises(BackendError) as caught:
        paddle_gpu.settled(card, weights, tmp_path, 1, None, "auto")
    assert caught.value.code == "DEVICE"
    assert "Card A gave wrong numbers" in caught.value.text


def test_half_precision_that_is_wrong_is_left_out(
    card: PaddleCard, weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card whose half precision fails runs in float32 and says so when fast was asked for."""
    real = PaddleCard.tail

    def tail(self: PaddleCard, features: object, precision: str) -> object:
        result = real(self, features, precision)
        return result * float("nan") if precision == "fast" else result

    monkeypatch.setattr(PaddleCard, "tail", tail)
    loaded = paddle_gpu.settled(card, weights, tmp_path, 1, None, "fast")
    assert loaded.facts.precision == "fp32"
    assert "half precision" in loaded.notes[0]
    assert np.isfinite(run(loaded, noise(6, 5), precision="fast")).all()


@pytest.mark.parametrize(
    ("capability", "built", "is_served"),
    [
        ((8, 9), [75, 80, 86], True),
        ((12, 0), ["80", "86", "90"], False),
        ((9, 0), ["sm_80", "sm_90"], True),
        ((7, 0), [75, 80], False),
        ((12, 0), ["12.0"], True),
        ((6, 1), [], True),
    ],
)
def test_a_build_without_code_for_the_card_is_found_out(
    capability: tuple[int, int], built: list[object], is_served: bool
) -> None:
    """Code for an architecture serves later ones of its generation and no others."""
    if is_served:
        paddle_gpu.check_architecture("Card A", capability, built)
        return
    with pytest.raises(BackendError) as caught:
        paddle_gpu.check_architecture("Card A", capability, built)
    assert caught.value.code == "DEVICE"
    assert "Card A" in caught.value.text


def test_a_missing_card_is_refused(weights: Weights, cache: Path) -> None:
    """Where Paddle sees no card, asking for one is a sentence."""
    with pytest.raises(BackendError) as caught:
        paddle_gpu.load(weights, cache, device="gpu:3", threads=1)
    assert caught.value.code == "DEVICE"


def test_flags_of_other_builds_are_left_out() -> None:
    """Setting up memory and convolutions works on a build that lacks some of the flags."""
    paddle_gpu.set_flags()
    assert paddle.get_flags(["FLAGS_fraction_of_gpu_memory_to_use"])


def test_unasked_a_failing_card_leaves_the_picture_to_the_processor(
    weights: Weights, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Paddle's build for cards, "auto" tries the card and says why the processor computes instead."""
    monkeypatch.setattr(devices, "has_paddle_gpu", lambda: True)
    monkeypatch.setattr(devices, "may_have_card", lambda: True)
    loaded = loading.load(weights, cache, loading.Wish("auto", "auto", 1, "exact"), cache)
    assert loaded.facts.device == "cpu"
    assert "The processor is used" in loaded.notes[-1]
    with pytest.raises(BackendError):
        loading.load(weights, cache, loading.Wish("gpu", "auto", 1, "exact"), cache)


def test_free_memory_comes_from_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver's library is asked for the card that CUDA means, and its tool where there is no library."""
    asked: list[int] = []

    def handle(number: ctypes.c_uint, _handle: object) -> int:
        asked.append(number.value)
        return 0

    def info(_handle: object, memory: object) -> int:
        memory._obj.free = 123 << 20
        return 0

    library = SimpleNamespace(
        nvmlInit_v2=lambda: 0,
        nvmlDeviceGetHandleByIndex_v2=handle,
        nvmlDeviceGetMemoryInfo=info,
        nvmlShutdown=lambda: 0,
    )
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,0")
    monkeypatch.setattr(driver_memory, "_library", lambda: library)
    assert (driver_memory.free_bytes(0), asked) == (123 << 20, [2])
    monkeypatch.setattr(driver_memory, "_library", lambda: None)
    listed = [devices.Card(0, "Card A", "1", (8, 0), 2 << 30, 1 << 30)]
    monkeypatch.setattr(devices, "nvidia_cards", lambda: listed)
    assert driver_memory.free_bytes(1) == 1 << 30
    assert driver_memory.free_bytes(0) == 0
