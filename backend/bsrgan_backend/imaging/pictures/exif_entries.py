"""Single entries of an Exif structure, found so that they can be changed in place and everything else stays."""

from __future__ import annotations

import struct

SHORT, LONG, RATIONAL = 3, 4, 5
"""Types of an entry (TIFF 6.0 §2): two bytes, four bytes, and two numbers of four bytes elsewhere in the structure."""
_ENTRY_BYTES = 12


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
    entry = _entry(data, order, _first(data, order), tag)
    if entry is None or struct.unpack_from(order + "H", data, entry + 2) != (kind,):
        return None
    position = entry + 8
    return position if kind in (SHORT, LONG) else int(struct.unpack_from(order + "I", data, position)[0])


def set_number(data: bytearray, order: str, tag: int, value: int, under: int | None = None) -> None:
    """Give an entry another number, of four bytes whatever it had; nothing happens when it is not there.

    Args:
        data: Exif without the "Exif" prefix.
        order: of `order_of`.
        tag: of the entry.
        value: 0 to 2^32 - 1.
        under: tag of the first directory's entry that points to the directory to look in; None for the first itself.

    Raises:
        struct.error: the structure ends early.
    """
    directory = _first(data, order)
    if under is not None:
        pointer = find(data, order, under, LONG)
        if pointer is None:
            return
        (directory,) = struct.unpack_from(order + "I", data, pointer)
    entry = _entry(data, order, directory, tag)
    if entry is not None:
        struct.pack_into(order + "HHII", data, entry, tag, LONG, 1, value)


def end_after_first(data: bytearray, order: str) -> None:
    """Make the first directory the last one in its row: the second is that of the thumbnail.

    Args:
        data: Exif without the "Exif" prefix.
        order: of `order_of`.

    Raises:
        struct.error: the structure ends early.
    """
    first = _first(data, order)
    (count,) = struct.unpack_from(order + "H", data, first)
    struct.pack_into(order + "I", data, first + 2 + _ENTRY_BYTES * count, 0)


def _first(data: bytes | bytearray, order: str) -> int:
    return int(struct.unpack_from(order + "I", data, 4)[0])


def _entry(data: bytes | bytearray, order: str, directory: int, tag: int) -> int | None:
    (count,) = struct.unpack_from(order + "H", data, directory)
    for index in range(count):
        entry = directory + 2 + _ENTRY_BYTES * index
        if struct.unpack_from(order + "H", data, entry) == (tag,):
            return entry
    return None
