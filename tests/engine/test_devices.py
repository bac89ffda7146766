"""Which cards are seen, and which library is taken for them, without importing either."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bsrgan_backend.engine import devices, loading
from bsrgan_backend.engine.devices import Card
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.weights import Weights

LISTING = """0, NVIDIA GeForce RTX 4090, 560.35.03, 8.9, 24564, 23010
1, NVIDIA H200, 570.86.15, 9.0, 143771, 143167
2, Old Card, 390.1, [N/A], 1000, 900

NVIDIA-SMI has failed
"""


def test_the_drivers_listing_is_read() -> None:
    """Cards come with name, driver, capability and memory; what cannot be read is left out."""
    first, second = devices.parsed(LISTING)
    assert first == Card(0, "NVIDIA GeForce RTX 4090", "560.35.03", (8, 9), 24564 << 20, 23010 << 20)
    assert (second.index, second.capability) == (1, (9, 0))


@pytest.mark.parametrize(
    ("asked", "device", "paddle_gpu", "torch", "card", "wanted"),
    [
        ("auto", "auto", False, False, True, "paddle"),
        ("auto", "auto", False, True, False, "paddle"),
        ("auto", "auto", False, True, True, "torch"),
        ("auto", "auto", True, True, True, "paddle"),
        ("auto", "cpu", False, True, True, "paddle"),
        ("auto", "gpu:1", False, True, False, "torch"),
        ("auto", "gpu", False, False, True, "paddle"),
        ("torch", "cpu", True, True, False, "torch"),
        ("paddle", "gpu", False, True, True, "paddle"),
    ],
)
def test_the_library_that_serves_a_device(
    asked: str, device: str, paddle_gpu: bool, torch: bool, card: bool, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paddle serves the processor and its own cards; PyTorch other cards, or when it is asked for."""
    monkeypatch.setattr(devices, "has_paddle_gpu", lambda: paddle_gpu)
    monkeypatch.setattr(devices, "has_torch", lambda: torch)
    monkeypatch.setattr(devices, "may_have_card", lambda: card)
    assert devices.engine_for(asked, device) == wanted


def test_without_paddle_pytorch_serves_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Paddle has no release, PyTorch also runs on the processor."""
    monkeypatch.setattr(devices, "has_paddle", lambda: False)
    monkeypatch.setattr(devices, "has_torch", lambda: True)
    assert devices.engine_for("auto", "cpu") == "torch"


def test_a_card_without_an_engine_is_refused(tiny: Weights, tmp_path: Path) -> None:
    """A card that is asked for where only the processor is served is a sentence and not another device."""
    with pytest.raises(BackendError) as caught:
        loading.load(tiny, tmp_path, loading.Wish("gpu:0", "paddle", 1, "exact"), tmp_path)
    assert caught.value.code == "DEVICE"


def test_pytorch_stays_out_unless_it_is_chosen(tmp_path: Path) -> None:
    """Loading a model for the processor imports no PyTorch, whether it is installed or not."""
    code = f"""
import sys
from pathlib import Path
from bsrgan_backend.engine import loading
from bsrgan_backend.models import synthetic
wish = loading.Wish("cpu", "auto", 1, "exact")
loading.warm_up(wish)
loading.load(synthetic.random_weights(synthetic.TINY, 5), Path({str(tmp_path)!r}), wish, Path({str(tmp_path)!r}))
sys.exit("torch" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
