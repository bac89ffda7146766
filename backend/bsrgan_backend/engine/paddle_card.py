"""RRDBNet's parts by Paddle on one device, with tensors that stay there: what `arithmetic.Arithmetic` asks for.

Three ways: the layers one by one in either layout (`nchw`, `nhwc`), or the saved program of a block by Paddle
Inference (`inference`). Written for NVIDIA cards; everything here also runs on Paddle's processor, which tests it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine import driver_memory, host, rrdbnet, ways
from bsrgan_backend.engine.arithmetic import Appetite, DeviceLost
from bsrgan_backend.engine.runtime import VERSION, paddle
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.weights import Architecture, Weights

Array = npt.NDArray[np.float32]
Tensor = Any

WAYS = ("nchw", "nhwc", "inference")
TYPES = {"fp16": "float16", "bf16": "bfloat16"}
"""Paddle's names of the half precisions."""

_SLOPE = 0.2
_SCRATCH = 512 << 20
"""Bytes that cuDNN takes for its convolutions (`FLAGS_conv_workspace_size_limit`), the same as its usual limit."""

_SHORT = re.compile(
    r"ResourceExhausted|out of memory|CUDA error\(2\)|CUDNN error\(4\)|ALLOC_FAILED|bad_alloc|alloc(ate)? memory|"
    r"cudaErrorMemoryAllocation",
    re.IGNORECASE,
)
_LOST = re.compile(
    r"Unsupported GPU arch|Mismatched GPU arch|illegal (memory|instruction)|no kernel image|misaligned address|"
    r"unspecified launch failure|device-side assert|CUDA error\((46|98|209|214|219|7\d\d|999)\)",
    re.IGNORECASE,
)


@contextlib.contextmanager
def errors() -> Iterator[None]:
    """Let Paddle's failures out as `engine` knows them: MemoryError, DeviceLost or BackendError."""
    try:
        yield
    except (RuntimeError, ValueError, OSError, SystemError, NotImplementedError, MemoryError) as error:
        failure = translated(error)
    else:
        return
    # Raised outside of the handler: a chained traceback would keep the tensors alive that found no room.
    raise failure


def translated(error: Exception) -> Exception:
    """An error of Paddle in our words; its classes say little, so the text decides."""
    told = f"{error}".strip()
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    first = next((line for line in reversed(lines) if re.match(r"\(\w+\)|\w*Error", line)), "".join(lines[-1:]))[:300]
    if isinstance(error, MemoryError) or _SHORT.search(told):
        return MemoryError(first)
    if _LOST.search(told):
        text = "The graphics card stopped working with this build of PaddlePaddle; run the installer again."
        return DeviceLost("DEVICE", text, first)
    return BackendError("INTERNAL", "The engine failed while it computed; see the daemon's log.", told[:2000])


class PaddleCard:
    """A network's parts on a card: an `arithmetic.Arithmetic`.

    Args:
        weights: the net.
        place: `gpu:N`, or `cpu` in tests.
        device_name: as its maker calls it.
        half: type of the products in the fast precision, `fp16` or `bf16`; empty for none.
        programs: folder of `saving.prepare`, for the way `inference`.
    """

    def __init__(self, weights: Weights, place: str, device_name: str, half: str, programs: Path) -> None:
        paddle.set_device(place)
        self.architecture: Architecture = weights.architecture
        self.device = place
        self.device_name = device_name
        self.engine = "paddle"
        self.engine_version = f"Paddle {VERSION}"
        self.half = half
        self._index = int(place.partition(":")[2] or 0)
        self._is_gpu = place != "cpu"
        self._programs = programs
        self._plain = weights.tensors
        self._source = rrdbnet.absorbed(weights.tensors)
        self._inputs: dict[str, Tensor] = {}
        self._way = "nchw"
        self._tensors: dict[str, dict[str, Tensor]] = {}
        self._predictors: dict[str, Any] = {}

    def appetite(self, precision: str) -> Appetite:
        """From the arrays that are there at once: a block's sums, what it has seen, and that joined."""
        one, size = self.architecture, 4 if precision == "exact" else 2
        wide = one.features + 4 * one.growth
        sums = 3 * 4 * one.features
        image = 4 * one.in_channels * one.unshuffle**2
        result = 4**one.doublings
        # What a dense block has seen, that joined, and room for one more: how Paddle reuses memory is not measured.
        return Appetite(
            trunk_px=image + sums + 3 * size * wide,
            feature_px=4 * one.features + image,
            tail_px=result * (4 * size * one.features + (size + 8) * one.out_channels),
            base=_SCRATCH,
        )

    def free_bytes(self) -> int:
        """The driver's figure and what Paddle keeps unused."""
        if not self._is_gpu:
            return host.available_memory_bytes()
        cuda = paddle.device.cuda
        kept = int(cuda.memory_reserved(self._index)) - int(cuda.memory_allocated(self._index))
        return driver_memory.free_bytes(self._index) + kept

    def upload(self, values: Array) -> Tensor:
        """(1, C, H, W) float32 → on the device, in the way's layout."""
        with errors(), paddle.no_grad():
            ready = np.ascontiguousarray(values.transpose(0, 2, 3, 1)) if self._is_last else values
            if not self._is_gpu:
                return paddle.to_tensor(ready)
            # Page-locked memory is copied at twice the rate.
            return paddle.to_tensor(ready, place=paddle.CUDAPinnedPlace()).cuda(self._index, blocking=True)

    def download(self, values: Tensor) -> Callable[[], Array]:
        """Copy out; see `Arithmetic`. Paddle has no copy that goes on beside the arithmetic."""
        with errors(), paddle.no_grad():
            there = paddle.cast(values, "float32").numpy()
        axes = (0, 3, 1, 2) if self._is_last else (0, 1, 2, 3)
        return lambda: np.ascontiguousarray(there.transpose(axes), dtype=np.float32)

    def download_pixels(self, values: Tensor) -> Callable[[], Array]:
        """Copy out as (H, W, C); see `Arithmetic`."""
        with errors(), paddle.no_grad():
            pixels = paddle.cast(values, "float32")
            pixels = pixels if self._is_last else paddle.transpose(pixels, [0, 2, 3, 1])
            there = pixels.numpy()[0]
        return lambda: np.ascontiguousarray(there, dtype=np.float32)

    def head(self, image: Tensor) -> Tensor:
        """The trunk's first convolution."""
        with errors(), paddle.no_grad():
            return self._conv(image, self._weights("exact"), "conv_first")

    def block(self, index: int, features: Tensor, precision: str) -> Tensor:
        """One RRDB."""
        weights = self._weights(precision)
        with errors(), paddle.no_grad():
            if self._way == "inference" and precision == "fast":
                return self._by_program(index, features)
            kind = weights["conv_hr.weight"].dtype
            values = paddle.cast(features, kind)
            for number in (1, 2, 3):
                values = self._dense(values, weights, f"body.{index}.rdb{number}")
            return paddle.cast(values, "float32") + features

    def join(self, image: Tensor, features: Tensor) -> Tensor:
        """The trunk's last convolution."""
        weights = self._weights("exact")
        with errors(), paddle.no_grad():
            return self._conv(image, weights, "conv_first") + self._conv(features, weights, "conv_body")

    def tail(self, features: Tensor, precision: str) -> Tensor:
        """Features → result, float32."""
        weights, layers = self._weights(precision), paddle.nn.functional
        with errors(), paddle.no_grad():
            values = paddle.cast(features, weights["conv_hr.weight"].dtype)
            for index in range(1, self.architecture.doublings + 1):
                values = layers.interpolate(values, scale_factor=2, mode="nearest", data_format=self._layout)
                values = self._rectified(self._conv(values, weights, f"conv_up{index}"))
            values = self._rectified(self._conv(values, weights, "conv_hr"))
            return paddle.cast(self._conv(values, weights, "conv_last"), "float32")

    def rows(self, values: Tensor, low: int, high: int) -> Tensor:
        """Rows of a tensor."""
        with errors(), paddle.no_grad():
            return values[:, low:high] if self._is_last else values[:, :, low:high]

    def is_finite(self, values: Tensor) -> bool:
        """Whether all values are numbers."""
        with errors(), paddle.no_grad():
            return bool(paddle.isfinite(values).all())

    def finish(self) -> None:
        """Wait for the device."""
        if self._is_gpu:
            with errors():
                paddle.device.synchronize(self.device)

    def release(self) -> None:
        """Give unused memory back."""
        if self._is_gpu:
            with contextlib.suppress(RuntimeError, ValueError, OSError):
                paddle.device.cuda.empty_cache()

    def use(self, way: str) -> None:
        """Compute in another of `WAYS`; tensors made before must not be used any more."""
        self._way = way
        self.engine = f"paddle {way}"

    def fastest_way(self, path: Path, image: Array, candidates: Sequence[str] = WAYS) -> str:
        """The way that is fastest on this device; see `ways.choose`. `image`: (1, C·u², H, W)."""

        def run(way: str) -> Callable[[], Tensor]:
            self.use(way)
            features = self.head(self.upload(image))
            return lambda: self.block(0, features, "fast")

        return ways.choose(path, candidates, run, lambda found: self.download(found)(), self.finish)

    @property
    def _is_last(self) -> bool:
        return self._way == "nhwc"

    @property
    def _layout(self) -> str:
        return "NHWC" if self._is_last else "NCHW"

    def _dense(self, values: Tensor, weights: dict[str, Tensor], prefix: str) -> Tensor:
        seen, axis = [values], 3 if self._is_last else 1
        for number in range(1, 5):
            joined = paddle.concat(seen, axis=axis) if len(seen) > 1 else values
            seen.append(self._rectified(self._conv(joined, weights, f"{prefix}.conv{number}")))
        return self._conv(paddle.concat(seen, axis=axis), weights, f"{prefix}.conv5")

    def _conv(self, values: Tensor, weights: dict[str, Tensor], name: str) -> Tensor:
        kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return paddle.nn.functional.conv2d(values, kernel, bias, padding=1, data_format=self._layout)

    def _rectified(self, values: Tensor) -> Tensor:
        return paddle.nn.functional.leaky_relu_(values, _SLOPE)

    def _weights(self, precision: str) -> dict[str, Tensor]:
        """The weights in a precision, brought to the device when they are first wanted."""
        if precision not in self._tensors:
            kind = "float32" if precision == "exact" else TYPES[self.half]
            with errors(), paddle.no_grad():
                self._tensors[precision] = {
                    name: paddle.cast(paddle.to_tensor(np.ascontiguousarray(value)), kind)
                    for name, value in self._source.items()
                }
        return self._tensors[precision]

    def _by_program(self, index: int, features: Tensor) -> Tensor:
        predictor = self._predictor("block")
        if not self._inputs:
            self._inputs = {name: paddle.to_tensor(value) for name, value in rrdbnet.prepared(self._plain).items()}
        given = {"features": features, "ticket": paddle.to_tensor(np.array([index], np.int32))}
        names = predictor.get_input_names()
        result, stamp = predictor.run([given[n] if n in given else self._inputs[f"body.{index}.{n}"] for n in names])
        if stamp.tolist() != [index + int(result.shape[3])]:
            raise MemoryError("the engine ended without a result")
        return paddle.cast(result, "float32")

    def _predictor(self, program: str) -> Any:
        if program not in self._predictors:
            config = paddle.inference.Config(str(self._programs / f"{program}.pdmodel"), "")
            config.disable_glog_info()
            if self._is_gpu:
                kinds = paddle.inference.PrecisionType
                config.enable_use_gpu(64, self._index, kinds.Half if self.half == "fp16" else kinds.Bfloat16)
            else:
                config.disable_gpu()
                config.disable_mkldnn()
            self._predictors[program] = paddle.inference.create_predictor(config)
        return self._predictors[program]
