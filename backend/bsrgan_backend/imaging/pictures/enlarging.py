"""A picture that has become larger, as a file: the size on paper stays, as it does when GIMP enlarges one."""

from __future__ import annotations

import struct
from dataclasses import replace
from fractions import Fraction

from bsrgan_backend.imaging.pictures import exif_entries
from bsrgan_backend.imaging.pictures.picture import Picture
from bsrgan_backend.imaging.pixels import Pixels

_RESOLUTIONS = (0x011A, 0x011B)
_FINEST = 10_000
"""Largest denominator of a resolution in Exif."""
_LARGEST = 2**32 - 1


def enlarged(picture: Picture, pixels: Pixels) -> Picture:
    """The same picture with other pixels, and the resolution multiplied by what each side has grown.

    Args:
        picture: as it was read.
        pixels: (H, W, C) of any other size.
    """
    height, width = picture.pixels.shape[:2]
    factors = pixels.shape[1] / width, pixels.shape[0] / height
    dpi = None if picture.dpi is None else (picture.dpi[0] * factors[0], picture.dpi[1] * factors[1])
    return replace(picture, pixels=pixels, dpi=dpi, exif=_with_resolution(picture.exif, factors))


def _with_resolution(exif: bytes, factors: tuple[float, float]) -> bytes:
    """Exif whose resolution tags are multiplied, where it has sound ones."""
    data = bytearray(exif)
    if not (order := exif_entries.order_of(data)):
        return exif
    try:
        for tag, factor in zip(_RESOLUTIONS, factors, strict=True):
            _multiply(data, order, tag, factor)
    except struct.error:
        # Broken metadata is no reason to lose a sound picture.
        return exif
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
