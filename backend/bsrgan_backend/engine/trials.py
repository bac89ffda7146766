"""Marks of work that may take the process down, such as the first use of an engine. Nothing here imports Paddle.

A marker is a file that is locked while the work runs and removed after it. One that is there and not locked was left
by a process that died: the system frees locks, but not files. Only a crash writes something into it, its own last
words by faulthandler; one that is empty was left by a process that was killed from outside (a cancel that took too
long, too little memory, the end of the session), which says nothing against the work.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

MARKER_LIFE_S = 24 * 3600.0
"""A marker older than this no longer counts: what failed may have been mended, and one more crash is bearable."""

_STDERR = 2
_active: set[Path] = set()


@contextlib.contextmanager
def guarded(marker: Path) -> Iterator[None]:
    """Hold a marker while something runs that may take the process down; Python exceptions remove it too."""
    descriptor = os.open(marker, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor)
        os.ftruncate(descriptor, 0)
        os.utime(marker)
        _active.add(marker)
        with _last_words(descriptor):
            yield
    finally:
        os.close(descriptor)
        _active.discard(marker)
        with contextlib.suppress(OSError):
            marker.unlink(missing_ok=True)


def crashed(marker: Path) -> bool:
    """Whether a process crashed while it held this marker, not longer than `MARKER_LIFE_S` ago."""
    try:
        descriptor = os.open(marker, os.O_RDWR)
    except OSError:
        return False
    try:
        facts = os.fstat(descriptor)
        return facts.st_size > 0 and _lock(descriptor) and time.time() - facts.st_mtime < MARKER_LIFE_S
    finally:
        os.close(descriptor)


def abandon() -> None:
    """Remove this process's markers; to be called, from any thread, before it ends itself on purpose."""
    for marker in tuple(_active):
        with contextlib.suppress(OSError):
            marker.unlink(missing_ok=True)


@contextlib.contextmanager
def _last_words(descriptor: int) -> Iterator[None]:
    """Let a crash write its traceback into the marker, and to stderr again afterwards if it did so before."""
    was_enabled = faulthandler.is_enabled()
    # Off first: once on, it believes its signal handlers are in place, and Paddle has removed them.
    faulthandler.disable()
    faulthandler.enable(descriptor, all_threads=False)
    try:
        yield
    finally:
        faulthandler.disable()
        if was_enabled:
            faulthandler.enable(_STDERR)


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
