"""Pixels of running jobs on disk: unlinked files of mode 0600, reserved before they are written.

A reservation counts the bytes that a file may grow to, so that two jobs are never promised the same free space.
Pixels are read with pread and never mapped: a file that another process truncates must not be able to kill the
supervisor with SIGBUS.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
import tempfile
from pathlib import Path

from bsrgan_backend.daemon.endpoint import make_private
from bsrgan_backend.errors import BackendError

_SUFFIX = ".pixels"
_SPARE_BYTES = 256 * 2**20
_SPARE_PART = 100


class SpoolFile:
    """One file of known final size.

    Attributes:
        size: the bytes reserved for it, and the most that `write` takes.
        descriptor: open for reading and writing, not inherited by children.
        path: where the file is; it has no name any more on POSIX.
    """

    def __init__(self, spool: Spool, descriptor: int, path: Path, size: int) -> None:
        self._spool = spool
        self.descriptor = descriptor
        self.path = path
        self.size = size
        self.is_open = True

    def write(self, offset: int, data: memoryview) -> None:
        """Write all of `data` at `offset`.

        Raises:
            BackendError: DISK_FULL, when the disk does not take it all.
        """
        done = 0
        try:
            while done < len(data):
                done += _pwrite(self.descriptor, data[done:], offset + done)
        except OSError as error:
            raise _disk_error(error) from error

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes at `offset`.

        Raises:
            BackendError: RESULT_EXPIRED, when the disk cannot be read or the file was cut from outside.
        """
        try:
            data = _pread(self.descriptor, length, offset)
            while len(data) < length and (more := _pread(self.descriptor, length - len(data), offset + len(data))):
                data += more
        except OSError as error:
            raise _lost(str(error)) from error
        if len(data) < length:
            raise _lost("the spool file was cut")
        return data

    def settle(self, size: int) -> None:
        """Reserve what the file has turned out to take."""
        self._spool.reserved_bytes += size - self.size
        self.size = size

    def taken(self) -> int:
        """Bytes that the file takes on the disk now; a sparse file takes less than its length."""
        facts = os.fstat(self.descriptor)
        return facts.st_size if sys.platform == "win32" else facts.st_blocks * 512

    def length(self) -> int:
        """The file's length now."""
        return os.fstat(self.descriptor).st_size

    def close(self) -> None:
        """Give the bytes and the reservation back; may be repeated."""
        if not self.is_open:
            return
        self.is_open = False
        os.close(self.descriptor)
        if sys.platform == "win32":
            with contextlib.suppress(OSError):
                self.path.unlink()
        self._spool.forget(self)


class Spool:
    """The folder of spool files and the quota.

    Attributes:
        folder: private to this user; what a crashed daemon left in it is removed.
        limit_bytes: most bytes reserved at a time.
        reserved_bytes: sum of the open files' sizes.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        make_private(folder)
        self.folder = folder
        self.limit_bytes = limit_bytes
        self.reserved_bytes = 0
        self._open: set[SpoolFile] = set()
        for stale in folder.glob(f"*{_SUFFIX}"):
            with contextlib.suppress(OSError):
                stale.unlink()

    def check(self, size: int) -> None:
        """Check that `size` more bytes fit into the quota and on the disk.

        Raises:
            BackendError: DISK_FULL.
        """
        if self.reserved_bytes + size > self.limit_bytes:
            raise BackendError(
                "DISK_FULL",
                "The jobs at work already take the disk space set for them; try again when some are done.",
                f"{size} bytes asked, {self.reserved_bytes} of {self.limit_bytes} taken",
            )
        try:
            make_private(self.folder)  # it may have been deleted since
            disk = shutil.disk_usage(self.folder)
        except OSError as error:
            raise _disk_error(error) from error
        promised = sum(max(file.size - file.taken(), 0) for file in self._open)
        spare = min(_SPARE_BYTES, disk.total // _SPARE_PART)
        if disk.free - promised - spare < size:
            raise BackendError(
                "DISK_FULL",
                f"The disk is too full: {_amount(size)} are needed; free some space and try again.",
                f"{size} bytes asked, {disk.free} free, {promised} promised",
            )

    def create(self, size: int) -> SpoolFile:
        """Create a file that may grow to `size` bytes; it vanishes with its descriptor.

        Raises:
            BackendError: DISK_FULL.
        """
        try:
            make_private(self.folder)
            descriptor, name = tempfile.mkstemp(suffix=_SUFFIX, dir=self.folder)
            if sys.platform != "win32":
                os.unlink(name)  # noqa: PTH108 - a plain string comes from mkstemp
        except OSError as error:
            raise _disk_error(error) from error
        file = SpoolFile(self, descriptor, Path(name), size)
        self.reserved_bytes += size
        self._open.add(file)
        return file

    def forget(self, file: SpoolFile) -> None:
        """Called by a file when it is closed."""
        if file in self._open:
            self._open.remove(file)
            self.reserved_bytes -= file.size

    def close(self) -> None:
        """Close every file and remove the folder if it is empty."""
        for file in list(self._open):
            file.close()
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def _disk_error(error: OSError) -> BackendError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return BackendError("DISK_FULL", "The disk is full; free some space and try again.", str(error))
    return BackendError("DISK_FULL", "The folder for pixels cannot be written; check the disk.", str(error))


def _lost(detail: str) -> BackendError:
    return BackendError("RESULT_EXPIRED", "The result can no longer be read from the disk; run it again.", detail)


def _amount(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"


if sys.platform == "win32":

    def _pwrite(descriptor: int, data: memoryview, offset: int) -> int:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.write(descriptor, data)

    def _pread(descriptor: int, length: int, offset: int) -> bytes:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, length)

else:

    def _pwrite(descriptor: int, data: memoryview, offset: int) -> int:
        return os.pwrite(descriptor, data, offset)

    def _pread(descriptor: int, length: int, offset: int) -> bytes:
        return os.pread(descriptor, length, offset)
