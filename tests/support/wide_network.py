"""A network of the real width on the processor, what it is given and what it gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from bsrgan_backend.engine import engine, host, processor, ways
from bsrgan_backend.models.weights import Architecture

Array = npt.NDArray[np.float32]

WIDE = Architecture(features=64, blocks=2, growth=32, in_channels=3, out_channels=3, scale=4)
CLOSE = 1e-4
needs_bfloat16 = pytest.mark.skipif(not host.has_bfloat16(), reason="this processor has no bfloat16 arithmetic")


def noise(height: int, width: int, channels: int = 3) -> Array:
    """A picture of random values."""
    return np.random.default_rng(height * 1000 + width).random((height, width, channels), dtype=np.float32)


def upscaled(loaded: engine.Engine, image: Array, **options: object) -> Array:
    """The whole result."""
    strips: list[Array] = []
    loaded.upscale(image, lambda _, one: strips.append(one), lambda *_: None, lambda: False, **options)  # type: ignore[arg-type]
    return np.concatenate(strips)


def prefer(monkeypatch: pytest.MonkeyPatch, way: str) -> list[str]:
    """Let the trial of rows and tiles end with a way; the list gets a word whenever it is asked."""
    asked: list[str] = []

    def choose(_path: Path, candidates: tuple[str, ...], *_rest: object, rounds: int, is_shared: bool) -> str:
        assert candidates == (processor.TILES, processor.ROWS)
        assert is_shared
        asked.append(way)
        return way

    monkeypatch.setattr(ways, "choose", choose)
    return asked
