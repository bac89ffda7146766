"""Rows of pixels in open files."""

from __future__ import annotations

import errno
import os
import tempfile

import numpy as np
import pytest

from bsrgan_backend.errors import BackendError
from bsrgan_backend.worker import spool


@pytest.fixture
def file():
    """An empty file."""
    with tempfile.TemporaryFile() as opened:
        yield opened


def test_bands_are_whole_rows_in_order(file, monkeypatch):
    """Reading gives every row once, in bands of whole rows, whatever the file's own position is."""
    monkeypatch.setattr(spool, "_BAND_BYTES", 70)
    data = os.urandom(30 * 11)
    file.write(data)
    file.flush()
    bands = list(spool.read_bands(file.fileno(), 30, 11))
    assert [first for first, _ in bands] == [0, 2, 4, 6, 8, 10]
    assert b"".join(band for _, band in bands) == data


def test_a_row_larger_than_a_band_is_read_whole(file, monkeypatch):
    """Even the longest row is one piece."""
    monkeypatch.setattr(spool, "_BAND_BYTES", 8)
    file.write(bytes(60))
    file.flush()
    assert [len(band) for _, band in spool.read_bands(file.fileno(), 30, 2)] == [30, 30]


@pytest.mark.parametrize("length", [99, 101, 0])
def test_a_wrong_length_is_refused(file, length):
    """Input that is shorter or longer than the picture is refused before it is read."""
    file.truncate(length)
    with pytest.raises(BackendError) as caught:
        spool.require_length(file.fileno(), 100)
    assert caught.value.code == "BAD_SHAPE"


def test_a_file_cut_while_it_is_read_is_refused(file):
    """A file that ends early does not become a picture with missing rows."""
    file.write(bytes(50))
    file.flush()
    with pytest.raises(BackendError) as caught:
        list(spool.read_bands(file.fileno(), 10, 6))
    assert caught.value.code == "BAD_SHAPE"


def test_rows_land_where_they_belong(file):
    """Blocks written in any order make up the picture."""
    block = np.arange(6 * 5 * 3, dtype=np.uint16).reshape(6, 5, 3)
    assert spool.write_rows(file.fileno(), block[4:], 4) == block[4:].nbytes
    spool.write_rows(file.fileno(), block[:4], 0)
    file.seek(0)
    assert file.read() == block.tobytes()


def test_a_full_disk_is_named(file):
    """A write that the disk does not take is DISK_FULL and not an unexpected error."""
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(BackendError) as caught:
            spool.write_rows(full, np.zeros((1, 1, 1), np.uint8), 0)
    finally:
        os.close(full)
    assert caught.value.code == "DISK_FULL"


def test_space_is_taken_before_the_work(file):
    """Reserving makes the file as long as the result."""
    spool.reserve(file.fileno(), 12345)
    assert os.fstat(file.fileno()).st_size == 12345


@pytest.mark.parametrize(("number", "is_full"), [(errno.ENOSPC, True), (errno.EFBIG, True), (errno.EOPNOTSUPP, False)])
def test_reserving_fails_only_for_want_of_space(file, monkeypatch, number, is_full):
    """A file system that cannot reserve is left to find out when it writes; a full one stops the job at once."""

    def refuse(*_):
        raise OSError(number, "refused")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    if is_full:
        with pytest.raises(BackendError) as caught:
            spool.reserve(file.fileno(), 10)
        assert caught.value.code == "DISK_FULL"
    else:
        spool.reserve(file.fileno(), 10)
