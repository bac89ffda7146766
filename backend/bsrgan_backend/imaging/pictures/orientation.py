"""Exif orientation (tag 0x0112): turned upright once, and said so in the Exif that stays."""

from __future__ import annotations

import struct

import numpy as np

from bsrgan_backend.imaging.pictures import exif_entries
from bsrgan_backend.imaging.pixels import Pixels

_ORIENTATION = 0x0112
_PREFIX = b"Exif\x00\x00"


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Turn pixels as the camera was held.

    Args:
        pixels: (H, W, C) as stored.
        orientation: 1 to 8 as Exif 2.32 §4.6.4 numbers them; others count as 1.

    Returns:
        (H, W, C) or (W, H, C), C-contiguous.
    """
    turned = pixels
    if orientation in (5, 6, 7, 8):
        turned = turned.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        turned = turned[::-1]
    if orientation in (2, 3, 6, 7):
        turned = turned[:, ::-1]
    return np.ascontiguousarray(turned)


def turned_dpi(dpi: tuple[float, float] | None, orientation: int) -> tuple[float, float] | None:
    """Resolution after `upright`: across and down change places with the sides."""
    return dpi if dpi is None or orientation not in (5, 6, 7, 8) else (dpi[1], dpi[0])


def reset(exif: bytes) -> tuple[bytes, int]:
    """Read the orientation and set it to 1 in place, so that every other byte (maker notes) stays as it is.

    Args:
        exif: Exif with or without the "Exif" prefix; anything malformed counts as having none.

    Returns:
        The Exif without prefix, and the orientation that it had (1 when none).
    """
    data = bytearray(exif.removeprefix(_PREFIX))
    order = exif_entries.order_of(data)
    if not order:
        return b"", 1
    try:
        position = exif_entries.find(data, order, _ORIENTATION, exif_entries.SHORT)
        if position is None:
            return bytes(data), 1
        (orientation,) = struct.unpack_from(order + "H", data, position)
        struct.pack_into(order + "H", data, position, 1)
    except struct.error:
        return bytes(data), 1
    return bytes(data), orientation
