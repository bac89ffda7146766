"""Marks of work that may take the process down, such as the first use of an engine. Nothing here imports Paddle.

A marker is a file that is locked while the work runs and removed after it. One that is there and not locked was left
by a process that died: the system frees locks, but not files. Only a crash writes something into it, its own last
words by faulthandler; one that is empty was left by a process that was killed from outside (a cancel that took too
long, too little memory, the end of the session), which says nothing against the work.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

MARKER_LIFE_S = 24 * 3600.0
"""A marker older than this no longer counts: what failed may have been mended, and one more crash is bearable."""

_STDERR = 2
_active: set[Path] = set()
_log = logging.getLogger(__name__)


@contextlib.contextmanager
def guarded(marker: Path) -> Iterator[None]:
    """Hold a marker while something runs that may take the process down; Python exceptions remove it too.

    Where the folder cannot be written, or another process holds the marker, it runs all the same.
    """
    descriptor = _held(marker)
    if descriptor is None:
        yield
        return
    try:
        _active.add(marker)
        with _last_words(descriptor):
            yield
    finally:
        _active.discard(marker)
        # Before the lock goes: afterwards it may be another process's. Only Windows keeps files that are open.
        if sys.platform != "win32":
            _remove(marker)
        os.close(descriptor)
        if sys.platform == "win32":
            _remove(marker)


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
        _remove(marker)


def _held(marker: Path) -> int | None:
    """An empty marker of this process, open and locked, or None where there can be none: the work is done without."""
    while True:
        try:
            descriptor = os.open(marker, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            _log.info("tried without a marker: %s", error)
            return None
        if not _lock(descriptor):
            # Another process tries the same, and the marker is its own.
            os.close(descriptor)
            return None
        if _is_there(descriptor, marker):
            os.ftruncate(descriptor, 0)
            return descriptor
        # The process that held it has removed it meanwhile.
        os.close(descriptor)


def _is_there(descriptor: int, marker: Path) -> bool:
    """Whether a file that is open is still the one in the folder."""
    if sys.platform == "win32":
        return True
    try:
        return os.path.samestat(os.fstat(descriptor), marker.stat())
    except OSError:
        return False


def _remove(marker: Path) -> None:
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
