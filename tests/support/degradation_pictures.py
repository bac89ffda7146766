"""Pictures with known bytes for tests of the degradation."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
DATA = Path(__file__).resolve().parent.parent / "degradation" / "data"
REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference" / "degradation_reference.json"
SHA256 = {
    "synthetic256": "a1caf37daf75392da00d1700eada6d2062d71ced111a2ffb38fb51284f84e353",
    "skimage_astronaut_area256": "04dfc661f6b4ea61d6f5fd16fbf5a22a46e7bb1917b03df287a6d283152ab954",
}


def digest(levels: npt.NDArray[np.uint8]) -> str:
    """SHA-256 of RGB bytes."""
    return hashlib.sha256(levels.tobytes()).hexdigest()


@functools.cache
def levels_of(name: str) -> npt.NDArray[np.uint8]:
    """(256, 256, 3) RGB of one of the pictures of the reference."""
    if name == "synthetic256":
        return _synthetic()
    # NASA's portrait of Eileen Collins (public domain), reduced by area from 512 x 512.
    read = cv2.imread(str(DATA / "astronaut256.png"), cv2.IMREAD_COLOR)
    return np.ascontiguousarray(read[..., ::-1])


def picture(name: str) -> Array:
    """The same in 0..1, a new array each time."""
    return levels_of(name).astype(np.float32) / np.float32(255)


def _synthetic() -> npt.NDArray[np.uint8]:
    """Waves, a disc, a box with stripes and a line: closed forms, so that it can be made anywhere."""
    n, turn = 256, 2 * np.pi
    y, x = np.mgrid[0:n, 0:n].astype(np.float64)
    red = 0.5 + 0.25 * np.sin(turn * x / 64) + 0.15 * np.cos(turn * (x + 2 * y) / 23)
    green = 0.5 + 0.25 * np.cos(turn * y / 48) + 0.15 * np.sin(turn * (2 * x - y) / 17)
    blue = 0.5 + 0.2 * np.sin(turn * (x + y) / 96) + 0.15 * np.sin(turn * x * y / (14 * n))
    image = np.stack([red, green, blue], axis=-1)
    image[(x - 0.3 * n) ** 2 + (y - 0.35 * n) ** 2 < (0.16 * n) ** 2] = (0.9, 0.25, 0.15)
    box = (np.abs(x - 0.7 * n) < 0.15 * n) & (np.abs(y - 0.65 * n) < 0.2 * n)
    image[box] = (0.12, 0.18, 0.55)
    image[box & ((x // 3) % 2 == 0)] = (0.85, 0.85, 0.8)
    image[np.abs(x - y - 0.1 * n) < 1.5] = (0.02, 0.02, 0.02)
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def flat(level: float, size: int = 64, channels: int = 3) -> Array:
    """A picture of one value."""
    return np.full((size, size, channels), level, np.float32)


def neutral(size: int = 64) -> Array:
    """Detail without colour: the brightness of the synthetic picture in all three channels."""
    gray = picture("synthetic256")[:size, :size].mean(axis=2, keepdims=True)
    return np.repeat(np.rint(gray * 255) / np.float32(255), 3, axis=2).astype(np.float32)


def psnr(first: Array, second: Array) -> float:
    """Peak signal-to-noise ratio in dB, peak 1."""
    error = np.mean((first.astype(np.float64) - second.astype(np.float64)) ** 2)
    return float(10 * np.log10(1.0 / error)) if error else np.inf
