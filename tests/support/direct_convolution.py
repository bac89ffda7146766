"""Convolutions of 3x3 as they are written, in float64, and pictures of noise: what the fast ones are held to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine.winograd.layout import Layout

Floats = npt.NDArray[np.float32]


def noise(*shape: int, seed: int = 0) -> Floats:
    """Normal numbers."""
    return np.random.default_rng(seed + sum(shape)).standard_normal(shape).astype(np.float32)


def convolved(image: Floats, weight: Floats, bias: Floats) -> npt.NDArray[np.float64]:
    """(C, H, W) with zeros around → (O, H, W)."""
    height, width = image.shape[1:]
    padded = np.pad(image.astype(np.float64), ((0, 0), (1, 1), (1, 1)))
    result = np.zeros((weight.shape[0], height, width)) + bias[:, np.newaxis, np.newaxis]
    for row in range(3):
        for column in range(3):
            seen = padded[:, row : row + height, column : column + width]
            result += np.einsum("oi,ihw->ohw", weight[:, :, row, column].astype(np.float64), seen)
    return result


def unpacked(layout: Layout, units: list[Floats]) -> Floats:
    """Units → (C, H, W)."""
    return np.concatenate([layout.unpack(unit, number) for number, unit in enumerate(units)]).transpose(2, 0, 1)
