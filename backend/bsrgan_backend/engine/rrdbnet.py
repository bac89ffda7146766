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

_CUT = (".conv3", ".conv4", ".conv5")
"""Ends of the names of the convolutions that `_dense` cuts in two."""

_SLOPE = 0.2
"""Leaky rectifier's slope below zero, and the factor on every residual branch."""


def _conv(values: Tensor, weights: Tensors, name: str) -> Tensor:
    return paddle.nn.functional.conv2d(values, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1)


def _rectified(values: Tensor) -> Tensor:
    return paddle.nn.functional.leaky_relu(values, _SLOPE)


def _dense(values: Tensor, weights: Tensors, prefix: str, skip: Tensor = None) -> Tensor:
    """One dense block with what it adds, `prepared`; `skip` is added too.

    As it is drawn, every convolution joins all arrays before it, and joining copies each of them anew: a quarter of the
    time in bfloat16. Here the first two are joined once, the later ones among themselves, and what a convolution makes
    of either is added up, which engines do while they write the second.
    """
    first = _rectified(_conv(values, weights, f"{prefix}.conv1"))
    early = paddle.concat([values, first], axis=1)
    late = [_rectified(_conv(early, weights, f"{prefix}.conv2"))]
    for conv in (3, 4):
        share = _conv(early, weights, f"{prefix}.conv{conv}.early")
        late.append(_rectified(_conv_late(late, weights, f"{prefix}.conv{conv}.late") + share))
    share = _conv(early, weights, f"{prefix}.conv5.early")
    return _conv_late(late, weights, f"{prefix}.conv5.late") + (share if skip is None else share + skip)


def _conv_late(late: list[Tensor], weights: Tensors, name: str) -> Tensor:
    joined = paddle.concat(late, axis=1) if len(late) > 1 else late[0]
    return paddle.nn.functional.conv2d(joined, weights[f"{name}.weight"], padding=1)


def prepared(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The net's weights as the functions here take them: `absorbed`, and cut in two where `_dense` does so."""
    found: dict[str, Any] = {}
    for name, value in absorbed(tensors).items():
        layer, _, kind = name.rpartition(".")
        if not layer.endswith(_CUT):
            found[name] = value
        elif kind == "bias":
            found[f"{layer}.early.bias"] = value
        else:
            # What the first convolution of the dense block sees and what it gives.
            growth, seen = tensors[f"{layer[:-1]}1.weight"].shape[:2]
            early = seen + growth
            found[f"{layer}.early.weight"] = np.ascontiguousarray(value[:, :early])
            found[f"{layer}.late.weight"] = np.ascontiguousarray(value[:, early:])
    return found


def block_inputs(architecture: Architecture) -> Iterator[tuple[str, list[int]]]:
    """Names and shapes of one block's `prepared` weights, in order of use: `rdbR.convC.weight` and so on."""
    nf, gc = architecture.features, architecture.growth
    for dense in (1, 2, 3):
        for conv in range(1, 6):
            name, outputs = f"rdb{dense}.conv{conv}", nf if conv == 5 else gc
            if conv < 3:
                yield f"{name}.weight", [outputs, nf + (conv - 1) * gc, 3, 3]
                yield f"{name}.bias", [outputs]
            else:
                yield f"{name}.early.weight", [outputs, nf + gc, 3, 3]
                yield f"{name}.early.bias", [outputs]
                yield f"{name}.late.weight", [outputs, (conv - 2) * gc, 3, 3]


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
