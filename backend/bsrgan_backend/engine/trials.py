"""Marks of work that may take the process down, such as the first use of an engine. Nothing here imports Paddle.

A marker is a file that is locked while the work runs and removed after it. One that is there and not locked was left
by a process that died: the system frees locks, but not files.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

MARKER_LIFE_S = 24 * 3600.0
"""A marker older than this no longer counts: what failed may have been mended, and one more crash is bearable."""

_active: set[Path] = set()


@contextlib.contextmanager
def guarded(marker: Path) -> Iterator[None]:
    """Hold a marker while something runs that may take the process down; Python exceptions remove it too."""
    descriptor = os.open(marker, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.utime(marker)
        _lock(descriptor)
        _active.add(marker)
        yield
    finally:
        os.close(descriptor)
        _active.discard(marker)
        with contextlib.suppress(OSError):
            marker.unlink(missing_ok=True)


def crashed(marker: Path) -> bool:
    """Whether a process died while it held this marker, not longer than `MARKER_LIFE_S` ago."""
    try:
        descriptor = os.open(marker, os.O_RDWR)
    except OSError:
        return False
    try:
        return _lock(descriptor) and time.time() - os.fstat(descriptor).st_mtime < MARKER_LIFE_S
    finally:
        os.close(descriptor)


def abandon() -> None:
    """Remove this process's markers; to be called, from any thread, before it ends itself on purpose."""
    for marker in tuple(_active):
        with contextlib.suppress(OSError):
            marker.unlink(missing_ok=True)


def _lock(descriptor: int) -> bool:
    """Take the lock without waiting; it goes when the descriptor is closed, whoever closes it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
