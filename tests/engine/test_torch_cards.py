"""Cards in PyTorch's hands: held to the processor before they are trusted. The card here is a processor in disguise."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bsrgan_backend.engine import devices, loading, selftest, ways
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models import synthetic
from bsrgan_backend.models.weights import Architecture, Weights
from support import torch_here

torch_here.required()
from bsrgan_backend.engine import torch_engine, torch_network, torch_runtime  # noqa: E402
from bsrgan_backend.engine.torch_runtime import TorchDevice, torch  # noqa: E402

ARCHITECTURE = Architecture(features=16, blocks=2, growth=8, in_channels=3, out_channels=3, scale=2)


class Disguised(TorchDevice):
    """A card for this project, a processor for PyTorch."""

    @property
    def torch_name(self) -> str:
        """Where its tensors really are."""
        return "cpu"


@pytest.fixture
def weights() -> Weights:
    """A small network."""
    return synthetic.random_weights(ARCHITECTURE, 4)


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> list[TorchDevice]:
    """Two cards; what only a driver can answer is answered here."""
    found: list[TorchDevice] = [Disguised("xpu", 0, "Card A"), Disguised("xpu", 1, "Card B")]
    monkeypatch.setattr(torch_runtime, "cards", lambda: found)
    monkeypatch.setattr(torch_runtime, "free_bytes", lambda _device: 1 << 33)
    monkeypatch.setattr(torch_runtime, "occupy", lambda _device: None)
    monkeypatch.setattr(torch_runtime, "finish", lambda _device: None)
    monkeypatch.setattr(torch_runtime, "release", lambda _device: None)
    monkeypatch.setattr(selftest, "gain_of", lambda *_: 2.0)
    monkeypatch.setattr(ways, "choose", lambda *_, **__: "wide")
    return found


def spoil(monkeypatch: pytest.MonkeyPatch, factor: float, which: str) -> None:
    """Let blocks on a card give other numbers in a precision."""
    real = torch_network.TorchNetwork.block

    def block(self, index, features, precision):
        result = real(self, index, features, precision)
        return result * factor if self.device != "cpu" and precision == which else result

    monkeypatch.setattr(torch_network.TorchNetwork, "block", block)


def test_a_card_that_is_right_is_used(weights: Weights, cards: list[TorchDevice], tmp_path: Path) -> None:
    """A card that agrees with the processor runs in half precision where that is faster, by number or unasked."""
    for device, wanted in (("auto", "gpu:0"), ("gpu", "gpu:0"), ("gpu:1", "gpu:1")):
        loaded = torch_engine.load(weights, tmp_path, device=device, threads=1, precision="auto")
        assert (loaded.facts.device, loaded.facts.precision, loaded.notes) == (wanted, "fp16", ())
    assert loaded.facts.device_name == "Card B"


def test_the_self_test_is_remembered(
    weights: Weights, cards: list[TorchDevice], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card is examined once for a model, and again after PyTorch was replaced."""
    examined = []
    real = selftest.examine
    monkeypatch.setattr(selftest, "examine", lambda *given: examined.append(1) or real(*given))
    for _ in range(2):
        torch_engine.load(weights, tmp_path, device="gpu", threads=1)
    assert len(examined) == 1
    monkeypatch.setattr(torch, "__version__", "99")
    torch_engine.load(weights, tmp_path, device="gpu", threads=1)
    assert len(examined) == 2


def test_wrong_numbers_are_never_used(
    weights: Weights, cards: list[TorchDevice], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card that computes something else is refused by name; "auto" takes the processor and says why."""
    spoil(monkeypatch, 1.01, "exact")
    for _ in range(2):  # never remembered
        with pytest.raises(BackendError) as caught:
            torch_engine.load(weights, tmp_path, device="gpu", threads=1)
        assert caught.value.code == "DEVICE"
        assert "Card A gave wrong numbers" in caught.value.text
    loaded = torch_engine.load(weights, tmp_path, device="auto", threads=1)
    assert loaded.facts.device == "cpu"
    assert "Card A" in loaded.notes[0]


@pytest.mark.parametrize("factor", [1.3, float("nan")])
def test_half_precision_that_is_wrong_is_left_out(
    factor: float, weights: Weights, cards: list[TorchDevice], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card whose half precision gives wrong or no numbers runs in float32, also when fast was asked for."""
    spoil(monkeypatch, factor, "fast")
    loaded = torch_engine.load(weights, tmp_path, device="gpu", threads=1, precision="fast")
    assert loaded.facts.precision == "fp32"
    assert "half precision" in loaded.notes[0]
    strips: list[np.ndarray] = []
    image = np.full((8, 8, 3), 0.5, np.float32)
    loaded.upscale(image, lambda _, s: strips.append(s), lambda *_: None, lambda: False, precision="fast")
    assert np.isfinite(np.concatenate(strips)).all()


def test_a_card_without_code_for_it_is_refused(
    weights: Weights, cards: list[TorchDevice], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build of PyTorch that was not made for the card's architecture is found out and not used."""
    real = torch_network.TorchNetwork.head

    def head(self, image):
        if self.device != "cpu":
            with torch_runtime.errors():
                raise RuntimeError("CUDA error: no kernel image is available for execution on the device")
        return real(self, image)

    monkeypatch.setattr(torch_network.TorchNetwork, "head", head)
    with pytest.raises(BackendError) as caught:
        torch_engine.load(weights, tmp_path, device="gpu:1", threads=1)
    assert caught.value.code == "DEVICE"
    assert torch_engine.load(weights, tmp_path, device="auto", threads=1).facts.device == "cpu"


def test_unasked_a_failing_card_gives_way_to_paddle(
    weights: Weights, cards: list[TorchDevice], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing was chosen, a card that fails leaves the picture to Paddle on the processor, with a sentence."""
    monkeypatch.setattr(devices, "may_have_card", lambda: True)
    wish = loading.Wish("auto", "auto", 1, "exact")
    assert loading.load(weights, tmp_path, wish, tmp_path).facts.device == "gpu:0"
    spoil(monkeypatch, 1.01, "exact")
    other = synthetic.random_weights(ARCHITECTURE, 5)
    loaded = loading.load(other, tmp_path, wish, tmp_path)
    assert (loaded.facts.device, loaded.facts.engine_version) == ("cpu", "Paddle 3.2.2")
    assert "wrong numbers" in loaded.notes[-1]
    cards.clear()
    assert loading.load(other, tmp_path, wish, tmp_path).notes == ()


def test_a_full_card_gives_way_too(
    weights: Weights, cards: list[TorchDevice], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card whose memory others hold is a sentence when it was asked for, and the processor's turn when not."""

    def full(*_: object) -> None:
        raise MemoryError("CUDA out of memory")

    monkeypatch.setattr(devices, "may_have_card", lambda: True)
    monkeypatch.setattr(selftest, "examine", full)
    with pytest.raises(BackendError) as caught:
        loading.load(weights, tmp_path, loading.Wish("gpu:1", "torch", 1, "exact"), tmp_path)
    assert caught.value.code == "GPU_OOM"
    loaded = loading.load(weights, tmp_path, loading.Wish("auto", "auto", 1, "exact"), tmp_path)
    assert loaded.facts.device == "cpu"
    assert "too little free memory" in loaded.notes[-1]


@pytest.mark.parametrize(
    ("name", "half"),
    [("NVIDIA GeForce GTX 1660 Ti", ""), ("NVIDIA GeForce GTX 1650", ""), ("NVIDIA T500", ""), ("NVIDIA H200", "fp16")],
)
def test_half_precision_is_avoided_where_it_is_known_to_fail(name: str, half: str) -> None:
    """The GTX 16 series never runs in half precision."""
    assert torch_engine.half_of(TorchDevice("cuda", 0, name, (7, 5))) == half


def test_memory_that_pytorch_keeps_counts_as_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the allocator holds unused can be taken again, so it is part of what is free."""
    fake = SimpleNamespace(
        mem_get_info=lambda _: (100, 1000), memory_reserved=lambda _: 70, memory_allocated=lambda _: 20
    )
    monkeypatch.setattr(torch, "cuda", fake)
    assert torch_runtime.free_bytes(TorchDevice("cuda", 0, "a card")) == 150


def test_a_card_is_the_processs_own(monkeypatch: pytest.MonkeyPatch, weights: Weights) -> None:
    """A network on the second card makes it the current one, so that events and caches are not the first one's."""
    chosen: list[int] = []
    monkeypatch.setattr(torch, "xpu", SimpleNamespace(set_device=chosen.append))
    torch_network.TorchNetwork(weights, Disguised("xpu", 1, "Card B"), "fp16", 1)
    torch_network.TorchNetwork(weights, torch_runtime.find("cpu"), "", 1)
    assert chosen == [1]
