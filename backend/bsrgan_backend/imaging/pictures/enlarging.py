"""A picture that has become larger, as a file: the size on paper stays, as it does when GIMP enlarges one."""

from __future__ import annotations

import contextlib
import struct
from dataclasses import replace
from fractions import Fraction

from bsrgan_backend.imaging.pictures import exif_entries
from bsrgan_backend.imaging.pictures.picture import Picture
from bsrgan_backend.imaging.pixels import Pixels

_RESOLUTIONS = (0x011A, 0x011B)
_SIDES = ((0x0100, 0xA002), (0x0101, 0xA003))
"""Width and height, each in the first directory and in that of Exif."""
_EXIF_IFD = 0x8769
_FINEST = 10_000
"""Largest denominator of a resolution in Exif."""
_LARGEST = 2**32 - 1


def enlarged(picture: Picture, pixels: Pixels) -> Picture:
    """The same picture with other pixels, and the resolution multiplied by what each side has grown.

    Exif gets the new size where it has one, and its thumbnail, which shows the old pixels, is no longer part of it.

    Args:
        picture: as it was read.
        pixels: (H, W, C) of any other size.
    """
    height, width = picture.pixels.shape[:2]
    size = pixels.shape[1], pixels.shape[0]
    factors = size[0] / width, size[1] / height
    dpi = None if picture.dpi is None else (picture.dpi[0] * factors[0], picture.dpi[1] * factors[1])
    return replace(picture, pixels=pixels, dpi=dpi, exif=_of_result(picture.exif, factors, size))


def _of_result(exif: bytes, factors: tuple[float, float], size: tuple[int, int]) -> bytes:
    """Exif with the result's resolution and size where it has such tags, and without the old picture's thumbnail."""
    data = bytearray(exif)
    if not (order := exif_entries.order_of(data)):
        return exif
    # Broken metadata is no reason to lose a sound picture.
    with contextlib.suppress(struct.error):
        for tag, factor in zip(_RESOLUTIONS, factors, strict=True):
            _multiply(data, order, tag, factor)
        for (tag, camera_tag), side in zip(_SIDES, size, strict=True):
            exif_entries.set_number(data, order, tag, side)
            exif_entries.set_number(data, order, camera_tag, side, _EXIF_IFD)
        exif_entries.end_after_first(data, order)
    return bytes(data)


def _multiply(data: bytearray, order: str, tag: int, factor: float) -> None:
    position = exif_entries.find(data, order, tag, exif_entries.RATIONAL)
    if position is None:
        return
    numerator, denominator = struct.unpack_from(order + "II", data, position)
    if not denominator:
        return
    value = Fraction(Fraction(numerator, denominator) * Fraction(factor)).limit_denominator(_FINEST)
    if value.numerator <= _LARGEST:
        struct.pack_into(order + "II", data, position, value.numerator, value.denominator)
