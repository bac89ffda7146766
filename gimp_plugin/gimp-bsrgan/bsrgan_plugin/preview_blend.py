"""The two sliders on a preview's three pictures, in whole numbers: quick without numpy, and exact. Without gi.

    shown = (1 - s) * base + s * ((1 - t) * network + t * textured)        s strength, t texture, both 0..1

A long row of bytes is one large integer in Python, and an integer times a weight is fast. Every fourth byte is taken
apart, so that there is room for products of 24 bit above each of them; then nothing carries over to a neighbour.
"""

from __future__ import annotations

_LANES = 4
_WEIGHT_BITS = 16
_PIECE_BYTES = 1 << 16
"""Bytes that are mixed at once: the numbers stay in the processor's cache."""
_MASK = int.from_bytes(b"\xff\0\0\0" * (_PIECE_BYTES // _LANES), "little")
_HALF = int.from_bytes(b"\0\x80\0\0" * (_PIECE_BYTES // _LANES), "little")


def weights(strength: float, texture: float) -> tuple[int, int, int]:
    """The shares of network, textured and base in 1/65536, which add up to 65536.

    Args:
        strength: 0..1.
        texture: 0..1.
    """
    one = 1 << _WEIGHT_BITS
    base = round((1.0 - strength) * one)
    textured = round(strength * texture * one)
    return one - base - textured, textured, base


def mix(pictures: tuple[bytes, bytes, bytes], strength: float, texture: float) -> bytes:
    """Mix 8 bit pictures of one size, each value rounded once.

    Args:
        pictures: network, textured and base, interleaved, straight alpha.
        strength: 0..1.
        texture: 0..1.
    """
    shares = [(picture, weight) for picture, weight in zip(pictures, weights(strength, texture), strict=True) if weight]
    if len(shares) == 1:
        return shares[0][0]
    length = len(pictures[0])
    return b"".join(
        _piece(shares, first, min(_PIECE_BYTES, length - first)) for first in range(0, length, _PIECE_BYTES)
    )


def _piece(shares: list[tuple[bytes, int]], first: int, length: int) -> bytes:
    numbers = [(int.from_bytes(picture[first : first + length], "little"), weight) for picture, weight in shares]
    mixed = 0
    for shift in range(0, 8 * _LANES, 8):
        total = _HALF
        for number, weight in numbers:
            total += (number >> shift & _MASK) * weight
        mixed |= (total >> _WEIGHT_BITS & _MASK) << shift
    # Beyond the end of the last piece there is only what rounding leaves: zeros.
    return mixed.to_bytes(_PIECE_BYTES, "little")[:length]
