"""Single entries of an Exif structure, found so that they can be changed in place and everything else stays."""

from __future__ import annotations

import struct

SHORT, RATIONAL = 3, 5
"""Types of an entry (TIFF 6.0 §2): two bytes, and two numbers of four bytes elsewhere in the structure."""


def order_of(data: bytes | bytearray) -> str:
    """The byte order as `struct` writes it; empty for what is no Exif."""
    return {b"II": "<", b"MM": ">"}.get(bytes(data[:2]), "")


def find(data: bytes | bytearray, order: str, tag: int, kind: int) -> int | None:
    """Where the value of an entry of the first directory stands; None when it is not there.

    Args:
        data: Exif without the "Exif" prefix.
        order: of `order_of`.
        tag: of the entry.
        kind: its type; one value of it.

    Raises:
        struct.error: the structure ends early.
    """
    (first,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, first)
    for index in range(count):
        entry = int(first + 2 + 12 * index)
        if struct.unpack_from(order + "HH", data, entry) == (tag, kind):
            position = entry + 8
            return position if kind == SHORT else int(struct.unpack_from(order + "I", data, position)[0])
    return None
