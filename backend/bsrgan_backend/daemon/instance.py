"""One daemon per installation: an operating system lock on `state/daemon.lock`, held as long as the process lives.

The kernel drops the lock when its holder dies, so a lock file left behind, or a process id used again, can
never keep a daemon from starting; only a living daemon can.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from bsrgan_backend.errors import BackendError


class AlreadyRunning(Exception):
    """Another daemon of this installation lives; `pid` is what it wrote, 0 when unreadable."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        super().__init__(f"already running (process {pid})" if pid else "already running")


class InstanceLock:
    """The held lock; the process keeps it until `release` or its end."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, root: Path) -> InstanceLock:
        """Take the lock of the installation at `root` without waiting.

        Raises:
            AlreadyRunning: another process holds it.
            BackendError: the state folder cannot be written (code DENIED).
        """
        path = root / "state" / "daemon.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            while True:
                # O_CLOEXEC (Python's default) keeps the worker from holding the lock after our death.
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
                try:
                    _lock(descriptor)
                except OSError:
                    pid = _read_pid(descriptor)
                    os.close(descriptor)
                    raise AlreadyRunning(pid) from None
                if _is_same_file(path, descriptor):
                    break
                # The old holder removed the file between our open and our lock: lock the new one.
                os.close(descriptor)
        except OSError as error:
            raise BackendError(
                "DENIED", f"The folder {path.parent} cannot be written; check its owner and permissions.", str(error)
            ) from error
        lock = cls(path, descriptor)
        lock._write_pid()
        return lock

    def _write_pid(self) -> None:
        # For people only: a disk that is too full for it is told when the rendezvous file is written.
        with contextlib.suppress(OSError):
            # Byte 0 is what Windows locks, and nobody else could read it there.
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, f" {os.getpid()}\n".encode())

    def is_kept(self) -> bool:
        """Whether the lock is still this process's, taken anew where somebody has deleted its file.

        Raises:
            BackendError: it cannot be taken anew (code DENIED).
        """
        if _is_same_file(self._path, self._descriptor):
            return True
        try:
            again = InstanceLock.acquire(self._path.parent.parent)
        except AlreadyRunning:
            return False
        os.close(self._descriptor)
        self._descriptor = again._descriptor
        return True

    def release(self) -> None:
        """Remove the file and drop the lock, in this order, so that no other holder's file is removed."""
        if sys.platform != "win32" and _is_same_file(self._path, self._descriptor):
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def is_held(root: Path) -> bool:
    """Whether a daemon of the installation at `root` lives, whether or not it answers."""
    try:
        descriptor = os.open(root / "state" / "daemon.lock", os.O_RDWR)
    except OSError:
        return False
    try:
        _lock(descriptor)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _is_same_file(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _read_pid(descriptor: int) -> int:
    try:
        os.lseek(descriptor, 1, os.SEEK_SET)
        return int(os.read(descriptor, 32) or b"0")
    except (OSError, ValueError):
        return 0


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
