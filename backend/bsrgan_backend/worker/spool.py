"""Pixels in the open files that supervisor and worker share: rows in, rows out, by position."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

import numpy as np

from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging.pixels import Pixels

_BAND_BYTES = 8 * 1024 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def require_length(descriptor: int, expected: int) -> None:
    """Check the input's size before anything is allocated for it.

    Raises:
        BackendError: BAD_SHAPE when the file is not exactly `expected` bytes long.
    """
    length = os.fstat(descriptor).st_size
    if length != expected:
        raise BackendError(
            "BAD_SHAPE",
            "The pixels that arrived do not fit the picture's size; try again.",
            f"{length} bytes, expected {expected}",
        )


def read_bands(descriptor: int, row_bytes: int, height: int) -> Iterator[tuple[int, bytes]]:
    """Read whole rows in bands of about 8 MiB.

    Args:
        descriptor: an open file; its own position is neither used nor moved.
        row_bytes: bytes of a row.
        height: rows of the picture.

    Yields:
        Index of the band's first row and its bytes.

    Raises:
        BackendError: BAD_SHAPE when the file ends early.
    """
    rows = max(1, _BAND_BYTES // row_bytes)
    for first in range(0, height, rows):
        last = min(first + rows, height)
        try:
            data = read_rows(descriptor, row_bytes, first, last)
        except BackendError:
            require_length(descriptor, height * row_bytes)
            raise
        yield first, data


def read_rows(descriptor: int, row_bytes: int, first: int, last: int) -> bytes:
    """Some whole rows of a file.

    Args:
        descriptor: an open file; its own position is neither used nor moved.
        row_bytes: bytes of a row.
        first: first row.
        last: row after the last one.

    Raises:
        BackendError: INTERNAL when the file ends early.
    """
    wanted = (last - first) * row_bytes
    data = _read_at(descriptor, wanted, first * row_bytes)
    if len(data) != wanted:
        raise BackendError("INTERNAL", "The picture's pixels could not be read; try again.", "short read")
    return data


def reserve(descriptor: int, total: int) -> None:
    """Take the disk space of the result before hours of work go into it.

    Raises:
        BackendError: DISK_FULL when there is not enough.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(descriptor, 0, total)
    except OSError as error:
        # Not every file system can; then the writes themselves find out.
        if error.errno in _FULL:
            raise _disk_full(error) from None


def write_rows(descriptor: int, block: Pixels, first_row: int) -> int:
    """Write whole rows of the result where they belong.

    Args:
        descriptor: an open file; its own position is neither used nor moved.
        block: (n, W, C) contiguous rows of the result.
        first_row: index of the first of them.

    Returns:
        Bytes written.

    Raises:
        BackendError: DISK_FULL when they do not fit.
    """
    data = np.ascontiguousarray(block).view(np.uint8).data.cast("B")
    position = first_row * block.shape[1] * block.shape[2] * block.itemsize
    try:
        _write_at(descriptor, data, position)
    except OSError as error:
        if error.errno in _FULL:
            raise _disk_full(error) from None
        raise
    return len(data)


def _read_at(descriptor: int, length: int, position: int) -> bytes:
    parts = []
    while length:
        part = _pread(descriptor, length, position)
        if not part:
            break
        parts.append(part)
        length -= len(part)
        position += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _write_at(descriptor: int, data: memoryview, position: int) -> None:
    while data:
        written = _pwrite(descriptor, data, position)
        data = data[written:]
        position += written


def _pread(descriptor: int, length: int, position: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(descriptor, length, position)
    os.lseek(descriptor, position, os.SEEK_SET)
    return os.read(descriptor, length)


def _pwrite(descriptor: int, data: memoryview, position: int) -> int:
    if hasattr(os, "pwrite"):
        return os.pwrite(descriptor, data, position)
    os.lseek(descriptor, position, os.SEEK_SET)
    return os.write(descriptor, data)


def _disk_full(error: OSError) -> BackendError:
    return BackendError(
        "DISK_FULL",
        "The disk is too full for the result; free some space and try again.",
        os.strerror(error.errno or 0),
    )
