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

from collections.abc import Mapping
from typing import Any

import numpy as np

from bsrgan_backend.engine.runtime import paddle
from bsrgan_backend.models.weights import Architecture

Tensor = Any
Tensors = Mapping[str, Tensor]

BLOCK_LAYERS = tuple(f"rdb{dense}.conv{conv}" for dense in (1, 2, 3) for conv in range(1, 6))
"""The convolutions of one RRDB in order of use."""

_SLOPE = 0.2
"""Leaky rectifier's slope below zero, and the factor on every residual branch."""

_FACTOR = np.float32(_SLOPE)


def _conv(values: Tensor, weights: Tensors, name: str) -> Tensor:
    return paddle.nn.functional.conv2d(values, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1)


def _rectified(values: Tensor) -> Tensor:
    return paddle.nn.functional.leaky_relu(values, _SLOPE)


def _dense(values: Tensor, weights: Tensors, prefix: str) -> Tensor:
    seen = [values]
    for conv in range(1, 5):
        joined = paddle.concat(seen, axis=1) if len(seen) > 1 else values
        seen.append(_rectified(_conv(joined, weights, f"{prefix}.conv{conv}")))
    return _conv(paddle.concat(seen, axis=1), weights, f"{prefix}.conv5") + values


def absorbed(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The net's weights with the factor on each dense block's branch multiplied into its last convolution.

    One multiplication fewer for every pixel, and one rounding less that an engine may place where it likes: programs
    with the weights inside and with the weights as inputs then give the same bits.
    """
    return {name: value * _FACTOR if ".conv5." in name else value for name, value in tensors.items()}


def block(features: Tensor, weights: Tensors, prefix: str = "") -> Tensor:
    """One RRDB.

    Args:
        features: (1, nf, H, W) float32.
        weights: tensors named `PREFIXrdbR.convC.weight` and `.bias`, `absorbed`.
        prefix: what stands before `rdbR`, such as `body.7.`.

    Returns:
        (1, nf, H, W) float32.
    """
    values = features
    for dense in (1, 2, 3):
        values = _dense(values, weights, f"{prefix}rdb{dense}")
    return values * _SLOPE + features


def head(image: Tensor, weights: Tensors) -> Tensor:
    """The first convolution: (1, C·u², H, W) unshuffled image → (1, nf, H, W) features."""
    return _conv(image, weights, "conv_first")


def in_channels_last(features: Tensor) -> Tensor:
    """The features themselves, in the layout in which OpenVINO's convolutions work.

    A maximum over single pixels changes nothing, but its result lies in memory as convolutions want it. Without it the
    engine keeps the residual sums in the layout of the program's input and reorders them 92 times on the way.
    """
    return paddle.nn.functional.max_pool2d(features, 1, 1)


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
        weights: the net's tensors, `absorbed`.
        architecture: of the weights.

    Returns:
        (1, C_out, sH, sW) float32, not clamped.
    """
    if architecture.unshuffle > 1:
        image = paddle.nn.functional.pixel_unshuffle(image, architecture.unshuffle)
    return tail(trunk(image, weights, architecture), weights, architecture)
