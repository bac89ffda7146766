"""The device under proof: its memory as the library and the driver see it, and the network loaded on it."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine import torch_engine, torch_runtime
from bsrgan_backend.engine.device_engine import DeviceEngine
from bsrgan_backend.engine.torch_engine import half_of
from bsrgan_backend.engine.torch_network import TorchNetwork
from bsrgan_backend.engine.torch_runtime import TorchDevice, torch
from bsrgan_backend.models.weights import Weights

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Scale:
    """How much is measured: on a card, or quickly on a processor."""

    picture: int
    sizes: tuple[int, ...]
    jobs: int
    job: int
    preview: int
    matrix: int
    leave_bytes: tuple[int, ...]
    repeats: int


CARD = Scale(192, (1024, 2048), 1000, 64, 256, 8192, (6 << 30, 3 << 30, 1 << 30, 1 << 28), 5)
SMALL = Scale(40, (48, 72), 6, 16, 24, 128, (1 << 20,), 1)


class Bench:
    """One network on one device, with the questions that the proofs ask.

    Args:
        device: as PyTorch has it.
        weights: the net.
        scale: how much is measured.
        threads: of the processor.
    """

    def __init__(self, device: TorchDevice, weights: Weights, scale: Scale, threads: int) -> None:
        self.device = device
        self.weights = weights
        self.scale = scale
        self.threads = threads
        if self.is_card:
            # As the worker loads it: self-test against the processor, and the fastest way of the blocks.
            folder = Path(tempfile.mkdtemp(prefix="prove-"))
            self.engine = torch_engine.load(weights, folder, device=device.label, threads=threads, precision="fast")
            self.network = self.engine.arithmetic
            self.findings = "; ".join(f"{path.stem[:6]}: {path.read_text('utf-8')}" for path in folder.glob("*.json"))
            shutil.rmtree(folder)
        else:
            # The fast precision is exercised on every processor, whether it is worth it or not.
            self.network = TorchNetwork(weights, device, half_of(device) or "bf16", threads)
            self.engine = DeviceEngine(self.network, threads, None)
            self.engine.prefer("fast")
            self.findings = "none measured"

    @property
    def is_card(self) -> bool:
        """Whether it is no processor."""
        return self.device.kind != "cpu"

    def judged(self, is_so: bool) -> bool | None:
        """Whether a claim about cards is met; nothing is claimed of a processor."""
        return is_so if self.is_card else None

    def upscale(self, image: Array, precision: str, **options: Any) -> Array:
        """The whole result of a picture (H, W, 3)."""
        strips: list[Array] = []
        self.engine.upscale(
            image, lambda _, strip: strips.append(strip), _nothing, _go_on, precision=precision, **options
        )
        return np.concatenate(strips)

    def timed(self, image: Array, precision: str) -> float:
        """Seconds from array to strips, which are dropped as they come."""
        started = time.perf_counter()
        self.engine.upscale(image, lambda *_: None, _nothing, _go_on, precision=precision)
        return time.perf_counter() - started

    def reset_peak(self) -> None:
        """Forget the peak of memory and what is kept unused."""
        self.network.release()
        if self.device.kind == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device.index)
        else:
            with contextlib.suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5")

    def held_bytes(self) -> int:
        """Memory that tensors hold now."""
        if self.device.kind == "cuda":
            return int(torch.cuda.memory_allocated(self.device.index))
        return _status("VmRSS")

    def peak_bytes(self) -> int:
        """The most since `reset_peak`, with what convolutions took for themselves."""
        if self.device.kind == "cuda":
            return int(torch.cuda.max_memory_reserved(self.device.index))
        return _status("VmHWM")

    def free_bytes(self) -> int:
        """What the driver says is free for everybody."""
        if self.device.kind == "cuda":
            return int(torch.cuda.mem_get_info(self.device.index)[0])
        return torch_runtime.free_bytes(self.device)


def photo(side: int, width: int = 0) -> Array:
    """A picture with edges, smooth parts and texture: (side, width or side, 3) float32 in 0..1."""
    rows, columns = np.mgrid[0:side, 0 : width or side].astype(np.float32)
    smooth = 0.5 + 0.3 * np.sin(rows / 37 + columns / 53)[..., np.newaxis] * np.array([1, 0.7, -0.5], np.float32)
    edges = 0.2 * ((rows // 29 + columns // 31) % 2)[..., np.newaxis]
    texture = 0.03 * np.random.default_rng(11).standard_normal((*rows.shape, 3)).astype(np.float32)
    return np.clip(smooth + edges + texture, 0, 1).astype(np.float32)


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return 0


def _nothing(*_: int) -> None:
    pass


def _go_on() -> bool:
    return False
