"""The daemon's log: `logs/daemon.log`, rotating, and standard error. Sizes and codes only, never names or pixels."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import os
import select
import sys
from pathlib import Path

FILE_BYTES = 1024 * 1024
FILES_KEPT = 3
_PIECE_BYTES = 512
"""What a pipe has room for when it says that it has some, on every system."""
_FORMAT = "%(asctime)s %(levelname)s %(message)s"

log = logging.getLogger("bsrgan.daemon")


def log_file(root: Path) -> Path:
    """Where the daemon logs to."""
    return root / "logs" / "daemon.log"


def to_stderr(level: str) -> None:
    """Log to standard error (the service manager's journal); several daemons may do so at once."""
    log.setLevel(level.upper())
    log.propagate = False
    handler = _stderr_handler()
    handler.setFormatter(logging.Formatter("gimp-bsrgan: %(message)s"))
    log.addHandler(handler)


class _Unwaiting(logging.Handler):
    """Writes what a descriptor takes at once, and drops what it does not: the daemon waits for no reader of its log.

    Args:
        descriptor: a pipe, a terminal, a socket or a file.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._own = _own_terminal(descriptor)
        self._descriptor = descriptor if self._own is None else self._own

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, or as much of it as there is room for."""
        try:
            rest = f"{self.format(record)}\n".encode("utf-8", "backslashreplace")
            while rest and select.select([], [self._descriptor], [], 0)[1]:
                rest = rest[os.write(self._descriptor, rest[:_PIECE_BYTES]) :]
        except OSError:
            pass  # full after all, or nobody is there any more
        except Exception:  # noqa: BLE001 - as every handler of the standard library
            self.handleError(record)

    def close(self) -> None:
        """Close what was opened here."""
        if self._own is not None:
            os.close(self._own)
            self._own = None
        super().close()


def _own_terminal(descriptor: int) -> int | None:
    """A terminal opened once more, so as not to block: it says that it has room when it has less than is written."""
    try:
        name = os.ttyname(descriptor)
        return os.open(name, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return None


def _stderr_handler() -> logging.Handler:
    try:
        descriptor = sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return logging.StreamHandler()
    return logging.StreamHandler() if sys.platform == "win32" else _Unwaiting(descriptor)


def to_file(root: Path) -> None:
    """Log to the file too; only the daemon that holds the lock may, because it also rotates it.

    A folder that cannot be written costs the file and not the daemon.
    """
    path = log_file(root)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handler = logging.handlers.RotatingFileHandler(
            path, maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8"
        )
    except OSError as error:
        log.warning("no log file: %s", error.strerror)
        return
    handler.setFormatter(logging.Formatter(_FORMAT))
    log.addHandler(handler)
    # On a full disk lines are lost; a traceback on standard error for each of them would help nobody.
    logging.raiseExceptions = False


def close() -> None:
    """Remove and close the handlers that the two functions above have added."""
    for handler in list(log.handlers):
        log.removeHandler(handler)
        with contextlib.suppress(OSError):  # last lines that a full disk does not take
            handler.close()
