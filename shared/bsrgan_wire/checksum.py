"""The CRC-32 of bytes that come in pieces, from those of the pieces: every byte is looked at once.

A CRC is a remainder of polynomials over GF(2), so that of two pieces is the first one's, moved on by the second one's
length, plus the second one's. As `crc32_combine` of zlib, which Python's module leaves out.
"""

from __future__ import annotations

from functools import lru_cache

_POLYNOMIAL = 0xEDB88320
"""Of CRC-32, with the highest power in the lowest bit."""
_ONE = 1 << 31


def joined(first: int, second: int, length: int) -> int:
    """The CRC-32 of two pieces one after the other.

    Args:
        first: CRC-32 of the first piece; 0 for an empty one.
        second: CRC-32 of the second piece.
        length: bytes of the second piece.
    """
    return _product(_moved_by(length), first) ^ second


@lru_cache(maxsize=64)
def _moved_by(length: int) -> int:
    """The power of x that moves by that many bytes; pieces are of few lengths."""
    power, square = _ONE, _ONE >> 8
    while length:
        if length & 1:
            power = _product(square, power)
        square = _product(square, square)
        length >>= 1
    return power


def _product(left: int, right: int) -> int:
    """Of two polynomials, less what the polynomial of CRC-32 divides."""
    product, bit = 0, _ONE
    while left:
        if left & bit:
            product ^= right
            left ^= bit
        bit >>= 1
        right = right >> 1 ^ _POLYNOMIAL if right & 1 else right >> 1
    return product
