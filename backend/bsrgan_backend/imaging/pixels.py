"""Pixels of the spool and the wire to the network's numbers and back.

Outside: little-endian, row-major, interleaved u8, u16, f16 or f32 in the layer's own non-linear space; one to four
channels (gray, gray+alpha, RGB, RGBA), alpha straight and last. Inside: float32 in 0..1, alpha apart.

Float pixels may lie outside 0..1 (scene-referred or wide-gamut layers). The networks know only 0..1, so such values
are clamped on the way in, and `join` never leaves 0..1; `worker.highlights` carries the rest around the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bsrgan_backend.errors import BackendError

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[Any]
"""An array of an outside type: u8, u16, f16 or f32."""

_DTYPES: dict[str, np.dtype[np.generic]] = {
    "u8": np.dtype("u1"),
    "u16": np.dtype("<u2"),
    "f16": np.dtype("<f2"),
    "f32": np.dtype("<f4"),
}


@dataclass(frozen=True)
class PixelFormat:
    """Type and channels of pixels outside.

    Attributes:
        dtype: "u8", "u16", "f16" or "f32".
        channels: 1 gray, 2 gray+alpha, 3 RGB, 4 RGBA.
    """

    dtype: str
    channels: int

    def __post_init__(self) -> None:
        if self.dtype not in _DTYPES:
            raise BackendError(
                "BAD_DTYPE",
                "This pixel type cannot be worked on; convert the picture to 8, 16 or 32 bit.",
                f"dtype {self.dtype!r}",
            )
        if not 1 <= self.channels <= 4:
            raise BackendError(
                "BAD_SHAPE",
                "Only gray and RGB pictures, with or without alpha, can be worked on; convert the picture first.",
                f"{self.channels} channels",
            )

    @property
    def numpy_dtype(self) -> np.dtype[np.generic]:
        """The same type for numpy, always little-endian."""
        return _DTYPES[self.dtype]

    @property
    def pixel_bytes(self) -> int:
        """Bytes of one pixel with all its channels."""
        return self.channels * self.numpy_dtype.itemsize

    @property
    def top(self) -> int:
        """The value that stands for 1: the largest integer, or 1 for floats."""
        return {"u8": 255, "u16": 65535}.get(self.dtype, 1)

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is alpha."""
        return self.channels in (2, 4)

    @property
    def colours(self) -> int:
        """Channels without alpha: 1 or 3."""
        return self.channels - int(self.has_alpha)


def unpack(data: bytes | bytearray | memoryview, width: int, layout: PixelFormat) -> Pixels:
    """View raw bytes as rows of pixels.

    Args:
        data: whole rows.
        width: pixels of a row.
        layout: what the bytes mean.

    Returns:
        (rows, width, channels) of the outside dtype; a view, not a copy.
    """
    block: Pixels = np.frombuffer(data, layout.numpy_dtype).reshape(-1, width, layout.channels)
    return block


def split(block: Pixels) -> tuple[Floats, Floats | None]:
    """Turn outside pixels into what the network works on.

    Colour under alpha 0 has no meaning and is erased here (to 0), so nothing after this can leak it. Integers are
    divided by their largest value; floats are clamped to 0..1.

    Args:
        block: (H, W, C) of any outside dtype, C 1 to 4.

    Returns:
        colour (H, W, 1 or 3) float32 in 0..1, and alpha (H, W) float32 in 0..1 or None when C is 1 or 3. Both are
        new arrays.

    Raises:
        BackendError: NONFINITE when a visible value or an alpha is NaN or infinite.
    """
    colours = 1 if block.shape[2] < 3 else 3
    colour = _to_unit(block[..., :colours])
    alpha = None if block.shape[2] == colours else _to_unit(block[..., colours])
    is_float = block.dtype.kind == "f"
    if alpha is not None:
        if is_float:
            _require_finite(alpha)
        colour[~(alpha > 0.0)] = 0.0
    if is_float:
        _require_finite(colour)
        np.clip(colour, 0.0, 1.0, out=colour)
        if alpha is not None:
            np.clip(alpha, 0.0, 1.0, out=alpha)
    return colour, alpha


def join(colour: Floats, alpha: Floats | None, layout: PixelFormat) -> Pixels:
    """Turn results into outside pixels: one clamp to 0..1 and one rounding, the last step of all.

    Integers are rounded half up, halves (f16) to the nearest with ties to even, f32 not at all. NaN cannot come from
    a sound engine and becomes 0.

    Args:
        colour: (H, W, 1 or 3) float32, any range.
        alpha: (H, W) float32, or None for opaque.
        layout: type and channels of the result.

    Returns:
        (H, W, C) C-contiguous array of the outside dtype.
    """
    block: Pixels = np.empty((*colour.shape[:2], layout.channels), layout.numpy_dtype)
    block[..., : layout.colours] = _from_unit(colour, layout)
    if layout.has_alpha:
        block[..., layout.colours] = layout.top if alpha is None else _from_unit(alpha, layout)
    return block


def quantised(values: Floats, layout: PixelFormat) -> Pixels:
    """Single values as `join` writes them: clamped to 0..1, rounded once.

    Args:
        values: float32 of any shape.
        layout: its type is used.

    Returns:
        The values in units of the type, of its dtype.
    """
    return _from_unit(values, layout).astype(layout.numpy_dtype)


def widen(colour: Floats, channels: int) -> Floats:
    """Repeat gray for a network that takes three channels.

    Args:
        colour: (H, W, 1 or 3) float32.
        channels: channels that the network takes, 1 or 3.

    Returns:
        (H, W, channels) float32.

    Raises:
        BackendError: BAD_SHAPE for a colour picture and a network that takes gray only.
    """
    if colour.shape[2] == channels:
        return colour
    if colour.shape[2] == 1:
        return np.repeat(colour, channels, axis=2)
    raise BackendError(
        "BAD_SHAPE",
        "This model works on gray pictures only; choose another model or convert the picture to grayscale.",
    )


def narrow(colour: Floats, channels: int) -> Floats:
    """Bring the network's channels back to the picture's.

    Gray goes through the network as three equal channels. Its three answers are equally good estimates of one value
    (the networks are trained with the same loss on each), so their mean is taken; luma weights would favour one
    estimate for a reason that a gray space does not have.

    Args:
        colour: (H, W, 1 or 3) float32 from the network.
        channels: colour channels of the picture, 1 or 3.

    Returns:
        (H, W, channels) float32.
    """
    if colour.shape[2] == channels:
        return colour
    if channels == 1:
        # The mean as an offset from the first channel: three equal values give exactly that value.
        first = colour[..., :1]
        gray: Floats = first + (colour[..., 1:2] - first + colour[..., 2:3] - first) / np.float32(3.0)
        return gray
    return np.repeat(colour, channels, axis=2)


def _to_unit(values: Pixels) -> Floats:
    if values.dtype.kind == "u":
        # In one pass: a whole picture in between would cost more than the division.
        top = np.float32(255 if values.dtype.itemsize == 1 else 65535)
        unit: Floats = np.divide(values, top, dtype=np.float32)
        return unit
    return values.astype(np.float32)


def _from_unit(values: Floats, layout: PixelFormat) -> Pixels:
    # fmax and not clip, which lets NaN through: casting NaN to an integer is undefined.
    clamped: Floats = np.fmax(values, np.float32(0.0))
    np.minimum(clamped, np.float32(1.0), out=clamped)
    if layout.top == 1:
        return clamped
    clamped *= np.float32(layout.top)
    clamped += np.float32(0.5)
    return np.floor(clamped, out=clamped)


def _require_finite(values: Floats) -> None:
    # The sum of finite values below 1e38 is finite far cheaper than isfinite; only doubt is looked at closely.
    with np.errstate(over="ignore", invalid="ignore"):
        doubtful = not np.isfinite(values.sum(dtype=np.float64))
    if doubtful and not np.isfinite(values).all():
        raise BackendError(
            "NONFINITE", "The picture holds NaN or infinite values; clip or repaint those pixels and try again."
        )
