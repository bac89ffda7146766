"""The daemon's log: `logs/daemon.log`, rotating, and standard error. Sizes and codes only, never names or pixels."""

from __future__ import annotations

import logging
import logging.handlers
from pathlib import Path

FILE_BYTES = 1024 * 1024
FILES_KEPT = 3
_FORMAT = "%(asctime)s %(levelname)s %(message)s"

log = logging.getLogger("bsrgan.daemon")


def log_file(root: Path) -> Path:
    """Where the daemon logs to."""
    return root / "logs" / "daemon.log"


def to_stderr(level: str) -> None:
    """Log to standard error (the service manager's journal); several daemons may do so at once."""
    log.setLevel(level.upper())
    log.propagate = False
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("gimp-bsrgan: %(message)s"))
    log.addHandler(handler)


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
        handler.close()
