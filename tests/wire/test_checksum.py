"""CRC-32 put together from pieces."""

from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st

from bsrgan_wire import checksum, limits


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_pieces_have_the_crc_of_the_whole(pieces):
    """However bytes are cut, also into nothing, the pieces' checksums give that of all of them."""
    crc = 0
    for piece in pieces:
        crc = checksum.joined(crc, zlib.crc32(piece), len(piece))
    assert crc == zlib.crc32(b"".join(pieces))


def test_the_longest_piece_counts_as_any():
    """A piece of the longest length on the wire gives the checksum of zlib too."""
    first, second = b"first", bytes(range(256)) * (limits.CHUNK_BYTES // 256)
    whole = zlib.crc32(second, zlib.crc32(first))
    assert checksum.joined(zlib.crc32(first), zlib.crc32(second), len(second)) == whole
