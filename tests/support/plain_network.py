"""RRDBNet in plain numpy, written from the papers and without Paddle: slow, and easy to check by eye."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bsrgan_backend.models.weights import Weights

Values = npt.NDArray[np.float64]


def convolution(values: Values, weights: Weights, name: str) -> Values:
    """The convolution of a name: (C, H, W) → (out, H, W)."""
    return convolved(values, weights.tensors[f"{name}.weight"], weights.tensors[f"{name}.bias"])


def convolved(values: npt.NDArray[Any], weight: npt.NDArray[Any], bias: npt.NDArray[Any]) -> Values:
    """3x3 with zeros around: (C, H, W) → (out, H, W), in double precision."""
    kernel = weight.astype(np.float64)
    height, width = values.shape[1:]
    padded = np.pad(values.astype(np.float64), ((0, 0), (1, 1), (1, 1)))
    result = np.zeros((kernel.shape[0], height, width)) + bias[:, None, None]
    for row in range(3):
        for column in range(3):
            seen = padded[:, row : row + height, column : column + width]
            result += np.einsum("oi,ihw->ohw", kernel[:, :, row, column], seen)
    return result


def rectified(values: Values) -> Values:
    """Leaky rectifier of slope 0.2."""
    return np.where(values < 0, 0.2 * values, values)


def unshuffled(image: Values, factor: int) -> Values:
    """(C, H, W) → (C·f², H/f, W/f): channel c·f² + row·f + column."""
    planes = [
        plane[row::factor, column::factor] for plane in image for row in range(factor) for column in range(factor)
    ]
    return np.stack(planes)


def forward(image: npt.NDArray[np.float32], weights: Weights) -> Values:
    """(H, W, C) → (sH, sW, C_out); sides are multiples of the unshuffle factor."""
    arch = weights.architecture
    first = convolution(unshuffled(image.transpose(2, 0, 1).astype(np.float64), arch.unshuffle), weights, "conv_first")
    values = first
    for block in range(arch.blocks):
        start = values
        for dense in (1, 2, 3):
            seen = [values]
            for conv in (1, 2, 3, 4):
                joined = np.concatenate(seen)
                seen.append(rectified(convolution(joined, weights, f"body.{block}.rdb{dense}.conv{conv}")))
            values = values + 0.2 * convolution(np.concatenate(seen), weights, f"body.{block}.rdb{dense}.conv5")
        values = start + 0.2 * values
    values = first + convolution(values, weights, "conv_body")
    for index in range(1, arch.doublings + 1):
        values = rectified(convolution(values.repeat(2, axis=1).repeat(2, axis=2), weights, f"conv_up{index}"))
    return convolution(rectified(convolution(values, weights, "conv_hr")), weights, "conv_last").transpose(1, 2, 0)
