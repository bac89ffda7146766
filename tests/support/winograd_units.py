"""Pictures of noise, and pictures put together from the units of `engine.winograd`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine.winograd.layout import Layout

Floats = npt.NDArray[np.float32]


def noise(*shape: int, seed: int = 0) -> Floats:
    """Normal numbers."""
    return np.random.default_rng(seed + sum(shape)).standard_normal(shape).astype(np.float32)


def unpacked(layout: Layout, units: list[Floats]) -> Floats:
    """Units → (C, H, W)."""
    return np.concatenate([layout.unpack(unit, number) for number, unit in enumerate(units)]).transpose(2, 0, 1)
