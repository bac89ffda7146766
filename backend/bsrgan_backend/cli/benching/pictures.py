"""The pictures that a comparison runs on: a photo brought to a size, as a file and as each contestant takes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine.engine import unshuffled
from bsrgan_backend.imaging.pictures import Picture, read_picture, write_picture
from bsrgan_backend.models.weights import Architecture

Bytes = npt.NDArray[np.uint8]
BUNDLED = Path(__file__).parents[4] / "installer" / "photo" / "astronaut.jpg"
"""The photo of the source tree; an installed package does not have it."""

_GENERATED_PX = 256


@dataclass(frozen=True)
class Photo:
    """A source of pictures.

    Attributes:
        pixels: (H, W, 3) uint8.
        source: its name in words.
    """

    pixels: Bytes
    source: str


@dataclass(frozen=True)
class Ground:
    """One picture in all its forms; files below one folder.

    Attributes:
        size: (height, width) in pixels.
        png: the picture as a file for the command line.
        image: (H, W, C) float32 0..1 .npy, for this engine.
        planes: (1, C·u², H/u, W/u) float32 .npy, for the others.
        folder: for results.
    """

    size: tuple[int, int]
    png: Path
    image: Path
    planes: Path
    folder: Path

    @property
    def pixels(self) -> int:
        """Height times width."""
        return self.size[0] * self.size[1]


def photo(path: Path | None) -> Photo:
    """The photo to use: a named one, the bundled one, or a generated picture where there is neither.

    Raises:
        BackendError: the file cannot be read.
    """
    if path is not None:
        return Photo(rgb(path), path.name)
    if BUNDLED.is_file():
        return Photo(rgb(BUNDLED), f"the bundled {BUNDLED.name}")
    return Photo(_generated(), "a generated picture, no photo (--photo FILE)")


def rgb(path: Path) -> Bytes:
    """A picture file as (H, W, 3) uint8; gray is repeated, alpha left out.

    Raises:
        BackendError: the file cannot be read.
    """
    pixels = read_picture(path).pixels
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    elif pixels.dtype == np.float32:
        pixels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    colours = pixels[:, :, :1].repeat(3, axis=2) if pixels.shape[2] < 3 else pixels[:, :, :3]
    return np.ascontiguousarray(colours, np.uint8)


def square(pixels: Bytes, side: int) -> tuple[Bytes, str]:
    """The middle of a picture as a square, mirrored at its edges where it is too small, and how that was done.

    Args:
        pixels: (H, W, 3).
        side: pixels of the square.
    """
    height, width = (min(length, side) for length in pixels.shape[:2])
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    middle = pixels[top : top + height, left : left + width]
    if (height, width) == (side, side):
        return np.ascontiguousarray(middle), "cut out"
    whole = np.pad(middle, ((0, side - height), (0, side - width), (0, 0)), mode="symmetric")
    return np.ascontiguousarray(whole), f"{height} x {width} mirrored until it fills the size"


def prepare(pixels: Bytes, architecture: Architecture, folder: Path) -> Ground:
    """Write a picture in the forms that the contestants take.

    Args:
        pixels: (H, W, 3).
        architecture: of the network; one of a single channel gets the mean of the colours.
        folder: made if it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ground = Ground(
        (pixels.shape[0], pixels.shape[1]), folder / "lr.png", folder / "lr.npy", folder / "planes.npy", folder
    )
    write_picture(ground.png, Picture(pixels))
    image = pixels.astype(np.float32) / np.float32(255)
    if architecture.in_channels == 1:
        image = image.mean(axis=2, keepdims=True, dtype=np.float32)
    np.save(ground.image, image)
    np.save(ground.planes, unshuffled(image, architecture.unshuffle))
    return ground


def _generated() -> Bytes:
    generator = np.random.default_rng(0)
    slope = np.linspace(0, 200, _GENERATED_PX, dtype=np.float32)
    noise = generator.normal(28, 8, (_GENERATED_PX, _GENERATED_PX, 3)).astype(np.float32)
    pixels: Bytes = np.clip(slope[:, None, None] + noise, 0, 255).astype(np.uint8)
    return pixels
