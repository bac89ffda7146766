"""The spool: unlinked files, reservations, full disks, files cut from outside."""

from __future__ import annotations

import os
import shutil
import stat
from collections import namedtuple

import pytest

from bsrgan_backend.daemon.spool import Spool
from bsrgan_backend.errors import BackendError

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def spool(tmp_path):
    """A spool of 1 MiB."""
    spool = Spool(tmp_path / "spool", 2**20)
    yield spool
    spool.close()


def test_pixels_come_back_as_written(spool):
    """Pieces written in any order are read at any offset."""
    file = spool.create(10)
    file.write(5, memoryview(b"world"))
    file.write(0, memoryview(b"hello"))
    assert file.read(0, 10) == b"helloworld"
    assert file.read(3, 4) == b"lowo"
    assert file.length() == 10


def test_files_have_no_name_and_are_private(spool):
    """Nobody can open them, and a crash leaves nothing behind."""
    file = spool.create(10)
    facts = os.fstat(file.descriptor)
    assert list(spool.folder.iterdir()) == []
    assert facts.st_nlink == 0
    assert stat.S_IMODE(facts.st_mode) == 0o600
    assert stat.S_IMODE(spool.folder.stat().st_mode) == 0o700
    assert not os.get_inheritable(file.descriptor)


def test_reservations_bound_the_sum(spool):
    """What is promised to one job is not promised to another; closing gives it back once."""
    file = spool.create(2**20 - 10)
    spool.check(10)
    with pytest.raises(BackendError, match="disk space set for them") as caught:
        spool.check(11)
    assert caught.value.code == "DISK_FULL"
    file.close()
    file.close()
    assert spool.reserved_bytes == 0
    spool.check(2**20)


def test_free_space_counts_what_is_promised_but_not_written(spool, monkeypatch):
    """Space that other jobs will still fill is not free."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(100_000, 0, 50_000))
    spool.check(49_000)
    file = spool.create(40_000)
    with pytest.raises(BackendError, match="too full"):
        spool.check(20_000)
    file.write(0, memoryview(bytes(40_000)))
    spool.check(20_000)


def test_a_part_of_the_disk_is_left_free(spool, monkeypatch):
    """The last hundredth of a small disk is not taken."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(100_000, 0, 10_000))
    spool.check(9_000)
    with pytest.raises(BackendError):
        spool.check(9_001)


def test_a_file_cut_from_outside_is_noticed(spool):
    """A short read is an error of the result, never a short result."""
    file = spool.create(100)
    file.write(0, memoryview(bytes(100)))
    os.ftruncate(file.descriptor, 50)
    with pytest.raises(BackendError) as caught:
        file.read(0, 100)
    assert caught.value.code == "RESULT_EXPIRED"


def test_a_refused_write_is_disk_full(spool):
    """When the system takes no more, the job's error says so."""
    file = spool.create(100)
    read_only = os.open(f"/dev/fd/{file.descriptor}", os.O_RDONLY)
    os.dup2(read_only, file.descriptor)
    os.close(read_only)
    with pytest.raises(BackendError) as caught:
        file.write(0, memoryview(b"x"))
    assert caught.value.code == "DISK_FULL"


def test_the_folder_is_made_again(spool):
    """Deleting it while running costs nothing."""
    spool.folder.rmdir()
    spool.check(10)
    assert spool.create(10).read(0, 0) == b""


def test_what_a_crash_left_is_removed(tmp_path):
    """Only the spool's own files go; another user's folder is refused."""
    folder = tmp_path / "spool"
    folder.mkdir(mode=0o700)
    (folder / "old.pixels").write_text("x")
    (folder / "mine.txt").write_text("x")
    spool = Spool(folder, 10)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    spool.close()
    assert folder.exists()
