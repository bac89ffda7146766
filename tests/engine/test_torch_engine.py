"""The engine of PyTorch on the processor: the numbers of Paddle's, in one piece and in tiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from bsrgan_backend.engine import engine, paddle_engine, precision, resident, selftest
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models import synthetic
from bsrgan_backend.models.weights import Architecture, Weights
from support import plain_network, torch_here

torch_here.required()
from bsrgan_backend.engine import torch_engine, torch_network, torch_runtime  # noqa: E402

Array = npt.NDArray[np.float32]

ARCHITECTURES = [
    Architecture(features=6, blocks=2, growth=3, in_channels=3, out_channels=3, scale=4),
    Architecture(features=4, blocks=1, growth=2, in_channels=3, out_channels=1, scale=8),
    Architecture(features=5, blocks=1, growth=2, in_channels=3, out_channels=3, scale=2, unshuffle=2),
    Architecture(features=5, blocks=1, growth=3, in_channels=1, out_channels=1, scale=1, unshuffle=4),
]
LARGER = Architecture(features=32, blocks=3, growth=16, in_channels=3, out_channels=3, scale=4)
PARITY_DB = 100.0


def noise(height: int, width: int, channels: int = 3) -> Array:
    """A picture of random values."""
    return np.random.default_rng(height * 1000 + width).random((height, width, channels), dtype=np.float32)


def run(loaded: engine.Engine, image: Array, **options: object) -> Array:
    """The whole result; rows must come in order."""
    strips: list[Array] = []

    def sink(first: int, strip: Array) -> None:
        assert first == sum(len(one) for one in strips)
        strips.append(strip)

    loaded.upscale(image, sink, lambda *_: None, lambda: False, **options)  # type: ignore[arg-type]
    return np.concatenate(strips)


@pytest.fixture(scope="module")
def larger() -> Weights:
    """A network of a few blocks."""
    return synthetic.random_weights(LARGER, 9)


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_it_computes_what_the_papers_say(architecture: Architecture, tmp_path: Path) -> None:
    """Every scale, unshuffling and number of channels gives the numbers of plain arithmetic."""
    weights = synthetic.random_weights(architecture, 3)
    loaded = torch_engine.load(weights, tmp_path, device="cpu", threads=1)
    image = noise(8, 12, architecture.in_channels)
    wanted = plain_network.forward(image, weights)
    result = run(loaded, image)
    assert result.shape == wanted.shape
    assert np.abs(result - wanted).max() < 2e-5


def test_it_agrees_with_paddles_engine(larger: Weights, cache: Path, tmp_path: Path) -> None:
    """In float32 the two engines differ by less than 100 dB, with a picture of odd sizes."""
    image = noise(45, 61)
    wanted = run(paddle_engine.load(larger, cache, threads=1), image)
    result = run(torch_engine.load(larger, tmp_path, device="cpu", threads=1), image)
    assert result.shape == wanted.shape
    assert selftest.decibels(result, wanted) >= PARITY_DB
    assert np.abs(result - wanted).max() < 1e-4


def test_one_piece_and_tiles_show_no_seam(larger: Weights, tmp_path: Path) -> None:
    """A picture on the device as a whole, in strips, and in tiles through the host gives the same result."""
    loaded = torch_engine.load(larger, tmp_path, device="cpu", threads=1)
    image = noise(150, 90)
    pieces = engine.unshuffled(image, 1)
    one = loaded.arithmetic
    wanted = selftest.whole(one, pieces, "exact")[0].transpose(1, 2, 0)
    assert np.abs(run(loaded, image) - wanted).max() < 1e-6
    assert np.abs(run(loaded, image, tile=40) - wanted).max() < 1e-6


def test_strips_equal_one_piece(larger: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tail in many strips is the tail in one, whatever the rows that are left over."""
    loaded = torch_engine.load(larger, tmp_path, device="cpu", threads=1)
    image = noise(71, 33)
    wanted = run(loaded, image)
    monkeypatch.setattr(resident, "STRIP_PX", 33 * 9)
    assert len(resident.strips(71, 33)) > 5
    assert np.abs(run(loaded, image) - wanted).max() < 1e-6


@pytest.mark.parametrize("half", ["bf16", "fp16"])
def test_fast_stays_close_to_exact(larger: Weights, half: str) -> None:
    """Products in half precision with float32 sums differ from exact by as little as their type allows."""
    network = torch_network.TorchNetwork(larger, torch_runtime.find("cpu"), half, 1)
    image = precision.picture(LARGER)
    close = selftest.decibels(selftest.whole(network, image, "fast"), selftest.whole(network, image, "exact"))
    assert {"bf16": 40, "fp16": 60}[half] < close < 100


def test_what_is_not_finite_in_fast_is_done_in_exact(larger: Weights) -> None:
    """Values beyond half precision's range cost a repetition and a note, never a black picture."""
    tensors = dict(larger.tensors)
    tensors["conv_first.weight"] = tensors["conv_first.weight"] * np.float32(3e5)
    tensors["conv_body.weight"] = tensors["conv_body.weight"] * np.float32(0)
    tensors["conv_last.weight"] = tensors["conv_last.weight"] * np.float32(1e-5)
    weights = Weights(LARGER, tensors, "overflowing")
    network = torch_network.TorchNetwork(weights, torch_runtime.find("cpu"), "fp16", 1)
    loaded = torch_engine.DeviceEngine(network, 1, None)
    image = noise(20, 20)
    wanted = run(loaded, image, precision="exact")
    result = run(loaded, image, precision="fast")
    assert np.isfinite(result).all()
    assert selftest.decibels(result, wanted) > 50
    assert resident.REDONE in loaded.notes


@pytest.mark.parametrize(
    "text",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB",
        "HIP out of memory. Tried to allocate 20.00 MiB",
        "MPS backend out of memory (MPS allocated: 8.12 GB, other allocations: 1 GB)",
        "Invalid buffer size: 20.00 GiB",
        "XPU out of memory. Tried to allocate 2.00 GiB",
        "Native API failed. Native API returns: -5 (PI_ERROR_OUT_OF_RESOURCES)",
        "level_zero backend failed with error: 39 (UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory",
        "std::bad_alloc",
    ],
)
def test_every_form_of_too_little_memory_is_a_memory_error(text: str) -> None:
    """What backends say when memory is short is understood, so that smaller pieces are tried."""
    with pytest.raises(MemoryError), torch_runtime.errors():
        raise RuntimeError(text)


def test_memory_that_is_really_short_is_a_memory_error() -> None:
    """PyTorch's own refusal of an impossible size is met as MemoryError."""
    with pytest.raises(MemoryError), torch_runtime.errors():
        torch_runtime.torch.empty(1 << 50)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("CUDA error: an illegal memory access was encountered", "DEVICE"),
        ("CUDA error: no kernel image is available for execution on the device", "DEVICE"),
        ("mat1 and mat2 shapes cannot be multiplied", "INTERNAL"),
    ],
)
def test_other_failures_have_their_sentence(text: str, code: str) -> None:
    """A card that cannot go on is told from a mistake of the program."""
    with pytest.raises(BackendError) as caught, torch_runtime.errors():
        raise RuntimeError(text)
    assert caught.value.code == code
    assert isinstance(caught.value, torch_runtime.DeviceLost) == (code == "DEVICE")


def test_a_missing_card_is_refused_and_auto_takes_the_processor(larger: Weights, tmp_path: Path) -> None:
    """A card that is asked for by number must exist; "auto" needs none."""
    if torch_runtime.cards():
        pytest.skip("there is a card here")
    with pytest.raises(BackendError) as caught:
        torch_engine.load(larger, tmp_path, device="gpu:0", threads=1)
    assert caught.value.code == "DEVICE"
    assert torch_engine.load(larger, tmp_path, device="auto", threads=1).facts.device == "cpu"
