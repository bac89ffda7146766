"""Small pictures of noise as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bsrgan_backend.imaging.pictures import Picture, write_picture


def picture(path: Path, height: int = 9, width: int = 12, channels: int = 3, dtype: str = "uint8", **facts) -> Path:
    """Write a picture of noise and return its path."""
    generator = np.random.default_rng(height * width)
    if dtype == "float32":
        pixels = generator.random((height, width, channels), np.float32)
    else:
        pixels = generator.integers(0, np.iinfo(dtype).max + 1, (height, width, channels)).astype(dtype)
    write_picture(path, Picture(pixels, **facts))
    return path
