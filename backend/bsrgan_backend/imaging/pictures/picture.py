"""A picture with what a file holds besides its pixels."""

from __future__ import annotations

from dataclasses import dataclass

from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging.pixels import Pixels

SIDE_PX = 65_535
"""Longest side that can be worked on; the wire has the same bound."""

MOST_PX = 512 * 1024 * 1024
"""Most pixels of a picture; the wire has the same bound."""


@dataclass(frozen=True)
class Picture:
    """A picture upright, in memory.

    Attributes:
        pixels: (H, W, C) u8, u16 or f32, C-contiguous; C: 1 gray, 2 gray+alpha, 3 RGB, 4 RGBA; alpha straight and
            last; values as in the file (non-linear for integers), f32 with 1.0 as white.
        icc: colour profile, empty for none.
        exif: Exif as a TIFF structure without the "Exif" prefix, empty for none; its orientation is 1 or missing.
        dpi: pixels per inch across and down, or None.
        format: "png", "tiff", "jpeg" or "webp" (the nearest of them for other formats).
        notes: sentences about what reading had to leave out or convert.
    """

    pixels: Pixels
    icc: bytes = b""
    exif: bytes = b""
    dpi: tuple[float, float] | None = None
    format: str = "png"
    notes: tuple[str, ...] = ()


def require_size(width: int, height: int) -> None:
    """Refuse what cannot be worked on before memory is taken for it.

    Raises:
        BackendError: ZERO_SIZE or TOO_MANY_PIXELS.
    """
    if width < 1 or height < 1:
        raise BackendError("ZERO_SIZE", "The picture is empty.")
    if max(width, height) > SIDE_PX or width * height > MOST_PX:
        raise BackendError(
            "TOO_MANY_PIXELS",
            f"The picture is too large ({width} x {height}); at most {SIDE_PX} pixels a side "
            f"and {MOST_PX // 10**6} million in all can be worked on.",
        )


def unreadable(why: str, detail: str = "") -> BackendError:
    """The error for a file that cannot be read as a picture; `why` is the whole sentence."""
    return BackendError("BAD_PARAM", why, detail)
