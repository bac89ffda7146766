"""RRDBNet as functions of an image and of named weights (ESRGAN §3.1; BSRGAN §4).

The functions take Paddle tensors of either kind: eager ones compute at once (the tests' reference), those of a
static program describe the program that `saving` writes. Weights are always arguments, so one description serves
for a net with its weights inside and for the staged block, whose weights are inputs.

The net is cut where its resolution changes. The trunk works at the size of the (unshuffled) image and does 93 % of
the arithmetic, the tail at the size of the result and needs most of the memory:

    trunk = head (conv_first) → block 0 … block nb-1 → join (conv_first + conv_body)
    tail  = doublings → conv_hr → conv_last
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from bsrgan_backend.engine.runtime import paddle
from bsrgan_backend.models.weights import Architecture

Tensor = Any
Tensors = Mapping[str, Tensor]

_JOINED = "joined"
"""The part of an RRDB's very last kernel that reads all of its dense block's arrays but the input."""

_SLOPE = 0.2
"""Leaky rectifier's slope below zero, and the factor on every residual branch."""


def _conv(values: Tensor, weights: Tensors, name: str) -> Tensor:
    return paddle.nn.functional.conv2d(values, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1)


def _rectified(values: Tensor) -> Tensor:
    return paddle.nn.functional.leaky_relu(values, _SLOPE)


def _dense(values: Tensor, weights: Tensors, prefix: str, skip: Tensor = None) -> Tensor:
    """One dense block with what it adds, `prepared`; `skip` is added too.

    As it is drawn, every convolution joins all arrays before it, and joining copies each of them anew: a quarter of the
    time in bfloat16. Here a convolution reads one array and adds to what the one before it made of another, which
    engines do as they write. The last one's chain ends with the input, so that what bfloat16 rounds before is small.
    """
    late: dict[int | str, Tensor] = {}
    for conv in range(1, 5):
        late[conv] = _rectified(_chain({0: values, **late}, weights, f"{prefix}.conv{conv}"))
    last = f"{prefix}.conv5"
    if skip is None:
        return _chain({**late, 0: values}, weights, last)
    # What is added to the skip is float32 like it, and so dear that here joining four arrays costs less.
    return _chain({0: values, _JOINED: paddle.concat([*late.values()], axis=1)}, weights, last, skip)


def _chain(parts: Mapping[int | str, Tensor], weights: Tensors, name: str, total: Tensor = None) -> Tensor:
    """The sum of `total`, a bias, and what a kernel makes of the arrays that its parts read."""
    bias = weights[f"{name}.bias"]
    for part, values in parts.items():
        share = paddle.nn.functional.conv2d(values, weights[f"{name}.{part}.weight"], bias, padding=1)
        total, bias = share if total is None else share + total, None
    return total


def prepared(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The net's weights as the functions here take them: `absorbed`, and kernels cut by the arrays that they read."""
    found: dict[str, Any] = {}
    for name, value in absorbed(tensors).items():
        layer, _, kind = name.rpartition(".")
        if kind == "bias" or ".rdb" not in layer:
            found[name] = value
            continue
        growth, features = tensors[f"{layer[:-1]}1.weight"].shape[:2]
        low = 0
        for part, count in _parts(layer, features, growth):
            found[f"{layer}.{part}.weight"] = np.ascontiguousarray(value[:, low : low + count])
            low += count
    return found


def _parts(layer: str, features: int, growth: int) -> list[tuple[int | str, int]]:
    """The parts of a dense block's kernel, and how many channels each reads: the input's, then those of every array."""
    conv = int(layer[-1])
    if layer.endswith("rdb3.conv5"):
        return [(0, features), (_JOINED, 4 * growth)]
    return [(0, features), *((number, growth) for number in range(1, conv))]


def block_inputs(architecture: Architecture) -> Iterator[tuple[str, list[int]]]:
    """Names and shapes of one block's `prepared` weights, in order: `rdbR.convC.PART.weight`, `rdbR.convC.bias`."""
    nf, gc = architecture.features, architecture.growth
    for dense in (1, 2, 3):
        for conv in range(1, 6):
            name, outputs = f"rdb{dense}.conv{conv}", nf if conv == 5 else gc
            for part, count in _parts(name, nf, gc):
                yield f"{name}.{part}.weight", [outputs, count, 3, 3]
            yield f"{name}.bias", [outputs]


def absorbed(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The net's weights with all of a block's sums but one put into the last convolution of each dense block.

    Its kernel's middle sees the dense block's own input, so a one there adds it. The factor on the branch, and in the
    third dense block also the one on the RRDB's, are multiplied in. What is left of an RRDB's sums is its input.
    """
    return {name: _absorbed(name, value) if ".conv5." in name else value for name, value in tensors.items()}


def _absorbed(name: str, value: Any) -> Any:
    exact = np.asarray(value, np.float64) * _SLOPE
    if name.endswith(".weight"):
        outputs = np.arange(exact.shape[0])
        exact[outputs, outputs, 1, 1] += 1.0
    return (exact * _SLOPE if ".rdb3." in name else exact).astype(np.float32)


def block(features: Tensor, weights: Tensors, prefix: str = "") -> Tensor:
    """One RRDB.

    Args:
        features: (1, nf, H, W) float32.
        weights: tensors named as in `block_inputs`, with a prefix.
        prefix: what stands before `rdbR`, such as `body.7.`.

    Returns:
        (1, nf, H, W) float32.
    """
    values = _dense(features, weights, f"{prefix}rdb1")
    values = _dense(values, weights, f"{prefix}rdb2")
    return _dense(values, weights, f"{prefix}rdb3", skip=features)


def head(image: Tensor, weights: Tensors) -> Tensor:
    """The first convolution: (1, C·u², H, W) unshuffled image → (1, nf, H, W) features."""
    return _conv(image, weights, "conv_first")


def join(image: Tensor, features: Tensor, weights: Tensors) -> Tensor:
    """The trunk's last convolution plus its long skip, whose first convolution is computed anew.

    Keeping the first features instead would cost 256 bytes a pixel for the whole run; computing them again
    costs one hundredth of a percent of it.

    Args:
        image: (1, C·u², H, W) unshuffled image.
        features: (1, nf, H, W) what the last block gave.
        weights: the net's tensors.

    Returns:
        (1, nf, H, W): what the tail takes.
    """
    return head(image, weights) + _conv(features, weights, "conv_body")


def trunk(image: Tensor, weights: Tensors, architecture: Architecture) -> Tensor:
    """Everything at the image's own resolution: (1, C·u², H, W) unshuffled image → (1, nf, H, W) features."""
    features = head(image, weights)
    for index in range(architecture.blocks):
        features = block(features, weights, f"body.{index}.")
    return join(image, features, weights)


def tail(features: Tensor, weights: Tensors, architecture: Architecture) -> Tensor:
    """Everything after the first doubling: (1, nf, H, W) → (1, C_out, fH, fW), f = 2 ** doublings."""
    values = features
    for index in range(1, architecture.doublings + 1):
        values = paddle.nn.functional.interpolate(values, scale_factor=2, mode="nearest")
        values = _rectified(_conv(values, weights, f"conv_up{index}"))
    return _conv(_rectified(_conv(values, weights, "conv_hr")), weights, "conv_last")


def forward(image: Tensor, weights: Tensors, architecture: Architecture) -> Tensor:
    """The whole net in one pass: the reference that every faster path is held to.

    Args:
        image: (1, C, H, W) float32, sides multiples of the unshuffle factor.
        weights: the net's tensors, `prepared`.
        architecture: of the weights.

    Returns:
        (1, C_out, sH, sW) float32, not clamped.
    """
    if architecture.unshuffle > 1:
        image = paddle.nn.functional.pixel_unshuffle(image, architecture.unshuffle)
    return tail(trunk(image, weights, architecture), weights, architecture)
