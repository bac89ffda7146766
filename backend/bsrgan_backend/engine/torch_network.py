"""RRDBNet's parts on one PyTorch device (ESRGAN §3.1; BSRGAN §4): what `arithmetic.Arithmetic` asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine import torch_blocks, torch_runtime, ways
from bsrgan_backend.engine.arithmetic import Appetite
from bsrgan_backend.engine.torch_blocks import SLOPE, conv, rectified
from bsrgan_backend.engine.torch_runtime import TorchDevice, torch
from bsrgan_backend.models.weights import Architecture, Weights

Array = npt.NDArray[np.float32]
Tensor = Any

_HALVES = {"fp16": "float16", "bf16": "bfloat16"}
_SCRATCH = 256 << 20
"""Bytes that convolutions take for themselves, and what the allocator rounds up."""


class TorchNetwork:
    """A network's parts on one PyTorch device: an `arithmetic.Arithmetic`.

    Args:
        weights: the net.
        device: where it runs.
        half: type of the products in the fast precision, `fp16` or `bf16`; empty for none.
        threads: for the arithmetic on the processor.
    """

    def __init__(self, weights: Weights, device: TorchDevice, half: str, threads: int) -> None:
        # TensorFloat-32 keeps ten bits: exact would not be exact.
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = device.kind == "cuda"
        torch.set_num_threads(threads)
        torch_runtime.occupy(device)
        self.architecture: Architecture = weights.architecture
        self.device = device.label
        self.device_name = device.name
        self.engine = "torch"
        self.engine_version = f"PyTorch {torch.__version__}"
        self.half = half
        self._way, self._block = "joined", torch_blocks.block_by("joined")
        self._device = device
        self._source = weights.tensors
        # Tensor cores want the channels side by side; Metal's kernels do not.
        self._layout = torch.contiguous_format if device.kind == "mps" else torch.channels_last
        self._tensors: dict[str, dict[str, Tensor]] = {}
        self._blocks: dict[tuple[int, str], dict[str, Tensor]] = {}

    def appetite(self, precision: str) -> Appetite:
        """From the arrays that are there at once: a block's sums, what it has seen, and that joined."""
        one, size = self.architecture, 4 if precision == "exact" else 2
        wide = one.features + 4 * one.growth
        sums = 3 * (2 if precision == "fast" and self.half == "fp16" else 4) * one.features
        image = 4 * one.in_channels * one.unshuffle**2
        result = 4**one.doublings
        tail = result * (3 * size * one.features + (size + 8) * one.out_channels)
        is_card = self._device.kind != "cpu"
        # The processor's convolutions reorder what they are given; `wide` keeps the shares of all convolutions.
        copies = (2 if is_card else 3) + (1.5 if precision == "fast" and self._way.startswith("wide") else 0)
        return Appetite(
            trunk_px=int(image + sums + copies * size * wide + size * one.features),
            feature_px=4 * one.features + image,
            tail_px=tail if is_card else tail * 3 // 2,
            base=_SCRATCH,
        )

    def free_bytes(self) -> int:
        """Memory that can still be taken."""
        return torch_runtime.free_bytes(self._device)

    def upload(self, values: Array) -> Tensor:
        """(1, C, H, W) float32 → on the device."""
        with torch_runtime.errors(), torch.inference_mode():
            given = torch.from_numpy(values if values.flags.writeable else values.copy())
            if self._device.kind == "cuda":
                given = given.pin_memory()
            there = given.to(self._device.torch_name, non_blocking=self._device.kind == "cuda")
            return there.contiguous(memory_format=self._layout)

    def download(self, values: Tensor) -> Callable[[], Array]:
        """Start to copy out; see `Arithmetic`."""
        return self._download(values, values.shape, torch.contiguous_format)

    def download_pixels(self, values: Tensor) -> Callable[[], Array]:
        """Start to copy out as (H, W, C); see `Arithmetic`."""
        with torch_runtime.errors(), torch.inference_mode():
            pixels = values[0].permute(1, 2, 0).contiguous()
        return self._download(pixels, pixels.shape, torch.contiguous_format)

    def _download(self, values: Tensor, shape: tuple[int, ...], layout: Any) -> Callable[[], Array]:
        with torch_runtime.errors(), torch.inference_mode():
            ready = values.float().contiguous(memory_format=layout)
            if self._device.kind != "cuda":
                there = ready.cpu().numpy()
                return lambda: np.asarray(there, dtype=np.float32)
            # Into page-locked memory, so that the copy runs beside what is computed next.
            pinned = torch.empty(shape, dtype=torch.float32, pin_memory=True)
            pinned.copy_(ready, non_blocking=True)
            event = torch.cuda.Event()
            event.record()

        def wait() -> Array:
            with torch_runtime.errors():
                event.synchronize()
            return np.asarray(pinned.numpy(), dtype=np.float32)

        return wait

    def head(self, image: Tensor) -> Tensor:
        """The trunk's first convolution."""
        with torch_runtime.errors(), torch.inference_mode():
            return conv(image, self._weights("exact"), "conv_first")

    def block(self, index: int, features: Tensor, precision: str) -> Tensor:
        """One RRDB."""
        weights = self._block_weights(index, precision)
        with torch_runtime.errors(), torch.inference_mode():
            # A way is chosen for the fast precision; in float32 the order of the sums is always the same.
            block = self._block if precision == "fast" else torch_blocks.block_by("joined")
            return block(features, weights)

    def use(self, way: str) -> None:
        """Run the blocks of the fast precision in another of `torch_blocks`' ways."""
        self._way, self._block = way, torch_blocks.block_by(way)
        self._blocks.clear()

    def fastest_way(self, path: Path, image: Array, *, may_compile: bool) -> str:
        """The way that is fastest on this device.

        Args:
            path: file in which the answer is remembered.
            image: (1, C·u², H, W), large enough to keep the device busy.
            may_compile: try the compiled ways as well.
        """
        names = list(torch_blocks.WAYS)
        candidates = [*names, *(f"{name} compiled" for name in names if may_compile)]
        features = self.head(self.upload(image))

        def run(way: str) -> Callable[[], Tensor]:
            self.use(way)
            return lambda: self.block(0, features, "fast")

        def handicap(way: str) -> float:
            return torch_blocks.COMPILED_GAIN if " " in way else 1.0

        return ways.choose(path, candidates, run, lambda found: self.download(found)(), self.finish, handicap)

    def join(self, image: Tensor, features: Tensor) -> Tensor:
        """The trunk's last convolution."""
        weights = self._weights("exact")
        with torch_runtime.errors(), torch.inference_mode():
            return conv(features.float(), weights, "conv_body").add_(conv(image, weights, "conv_first"))

    def tail(self, features: Tensor, precision: str) -> Tensor:
        """Features → result, float32."""
        weights = self._weights(precision)
        with torch_runtime.errors(), torch.inference_mode():
            values = features.to(weights["conv_hr.weight"].dtype)
            for index in range(1, self.architecture.doublings + 1):
                values = torch.nn.functional.interpolate(values, scale_factor=2, mode="nearest")
                values = rectified(conv(values, weights, f"conv_up{index}"))
            return conv(rectified(conv(values, weights, "conv_hr")), weights, "conv_last").float()

    def rows(self, values: Tensor, low: int, high: int) -> Tensor:
        """Rows of a tensor, without a copy."""
        return values[:, :, low:high]

    def is_finite(self, values: Tensor) -> bool:
        """Whether all values are numbers."""
        with torch_runtime.errors(), torch.inference_mode():
            # A sum of finite values may overflow, and then each value is looked at.
            return bool(torch.isfinite(values.sum(dtype=torch.float32))) or bool(torch.isfinite(values).all())

    def finish(self) -> None:
        """Wait for the device."""
        with torch_runtime.errors():
            torch_runtime.finish(self._device)

    def release(self) -> None:
        """Give unused memory back."""
        torch_runtime.release(self._device)

    def _weights(self, precision: str) -> dict[str, Tensor]:
        """The weights in a precision, brought to the device when they are first wanted."""
        if precision not in self._tensors:
            kind = torch.float32 if precision == "exact" else getattr(torch, _HALVES[self.half])
            with torch_runtime.errors():
                self._tensors[precision] = {name: self._weight(name, kind) for name in self._source}
        return self._tensors[precision]

    def _block_weights(self, index: int, precision: str) -> dict[str, Tensor]:
        """The weights of one block without its number in their names, and those of the chosen way."""
        key = (index, precision)
        if key not in self._blocks:
            start = f"body.{index}."
            found = {k.removeprefix(start): v for k, v in self._weights(precision).items() if k.startswith(start)}
            if precision == "fast" and self._way.startswith("wide"):
                with torch_runtime.errors():
                    found |= self._widened(found)
            self._blocks[key] = found
        return self._blocks[key]

    def _widened(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for number in (1, 2, 3):
            found |= torch_blocks.widened(tensors, f"rdb{number}")
        return {
            name: one.contiguous(memory_format=self._layout) if one.ndim == 4 else one for name, one in found.items()
        }

    def _weight(self, name: str, kind: Any) -> Tensor:
        values = self._source[name]
        # The factor on each dense block's branch goes into its last convolution, as in `rrdbnet.absorbed`.
        array = values * np.float32(SLOPE) if ".conv5." in name else np.array(values)
        given = torch.from_numpy(array).to(self._device.torch_name, dtype=kind)
        return given.contiguous(memory_format=self._layout) if given.ndim == 4 else given
