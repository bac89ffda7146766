"""RRDBNet in PyTorch, written from the papers (ESRGAN §3.1, BSRGAN §4), for comparison only."""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

torch: Any = importlib.import_module("torch")
Array = npt.NDArray[np.float32]

_TRIAL_PX = 64
_TRIALS = 3


class Net:
    """The network with its tensors in one memory format."""

    def __init__(self, tensors: Mapping[str, Array], blocks: int, doublings: int, layout: Any) -> None:
        self._tensors = {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}
        for name, tensor in self._tensors.items():
            if tensor.dim() == 4:
                self._tensors[name] = tensor.to(memory_format=layout)
        self._blocks = blocks
        self._doublings = doublings
        self._layout = layout

    def __call__(self, image: Array) -> Array:
        """(1, C, H, W) → (1, C_out, sH, sW), not clamped."""
        with torch.inference_mode():
            first = self._conv(torch.from_numpy(image).contiguous(memory_format=self._layout), "conv_first")
            features = first
            for index in range(self._blocks):
                features = self._block(features, f"body.{index}")
            features = first + self._conv(features, "conv_body")
            result: Array = self._tail(features).contiguous().numpy()
        return result

    def _block(self, features: Any, name: str) -> Any:
        inner = features
        for number in (1, 2, 3):
            inner = self._dense(inner, f"{name}.rdb{number}")
        return torch.add(features, inner, alpha=0.2)

    def _dense(self, features: Any, name: str) -> Any:
        seen = [features]
        for number in (1, 2, 3, 4):
            joined = seen[0] if number == 1 else torch.cat(seen, 1)
            seen.append(self._rectified(joined, f"{name}.conv{number}"))
        return torch.add(features, self._conv(torch.cat(seen, 1), f"{name}.conv5"), alpha=0.2)

    def _tail(self, features: Any) -> Any:
        for number in range(1, self._doublings + 1):
            doubled = torch.nn.functional.interpolate(features, scale_factor=2, mode="nearest")
            features = self._rectified(doubled, f"conv_up{number}")
        return self._conv(self._rectified(features, "conv_hr"), "conv_last")

    def _conv(self, features: Any, name: str) -> Any:
        weight, bias = self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"]
        return torch.nn.functional.conv2d(features, weight, bias, padding=1)

    def _rectified(self, features: Any, name: str) -> Any:
        return torch.nn.functional.leaky_relu_(self._conv(features, name), 0.2)


class Faster:
    """The network in whichever of PyTorch's memory formats is faster here."""

    def __init__(self, request: Mapping[str, Any], tensors: Mapping[str, Array], image: Array) -> None:
        self._request = request
        self._tensors = tensors
        self._image = image
        self._net = self._made(torch.contiguous_format)

    def prepare(self) -> str:
        """Try both formats on a small picture, keep the faster one, and say which."""
        other = self._made(torch.channels_last)
        small = np.ascontiguousarray(self._image[:, :, :_TRIAL_PX, :_TRIAL_PX])
        is_other = _seconds(other, small) < _seconds(self._net, small)
        if is_other:
            self._net = other
        return f"eager, {'channels last' if is_other else 'NCHW'}, which was the faster format in a trial"

    def run(self) -> Array:
        """The picture's result."""
        return self._net(self._image)

    def _made(self, layout: Any) -> Net:
        return Net(self._tensors, self._request["blocks"], self._request["doublings"], layout)


def load(request: Mapping[str, Any], tensors: Mapping[str, Array], image: Array) -> dict[str, Any]:
    """The network on the picture."""
    torch.set_num_threads(request["threads"])
    faster = Faster(request, tensors, image)
    return {"run": faster.run, "prepare": faster.prepare, "versions": {"torch": torch.__version__}}


def _seconds(net: Net, image: Array) -> float:
    net(image)
    times = []
    for _ in range(_TRIALS):
        began = time.perf_counter()
        net(image)
        times.append(time.perf_counter() - began)
    return min(times)
