"""What the worker tells the operating system about itself, and what it can ask about itself."""

from __future__ import annotations

import ctypes
import logging
import logging.handlers
import os
import signal
import sys
from pathlib import Path

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1
_OOM_SCORE_ADJ = 500
_LOG_BYTES = 1024 * 1024
_LOG_FILES = 3


def depend_on_parent() -> None:
    """Die with the supervisor and leave interrupts to it.

    Linux kills this process when its parent ends, even while it is inside a kernel. Elsewhere the closed line does
    the same as soon as the thread that reads it runs.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def offer_to_oom_killer() -> None:
    """Make Linux choose this process first when memory runs out, not GIMP or the desktop: it is replaced at once."""
    score = Path("/proc/self/oom_score_adj")
    try:
        if int(score.read_text()) < _OOM_SCORE_ADJ:
            score.write_text(str(_OOM_SCORE_ADJ))
    except (OSError, ValueError):
        log.debug("oom_score_adj cannot be set")


def log_to(path: Path, level: str) -> None:
    """Log to a rotating file (0600); what C++ libraries print stays on the standard error that was inherited.

    A folder that cannot be written costs the file and not the worker.

    Args:
        path: the log; its folder is made when it is missing.
        level: "debug", "info", "warning" or "error".
    """
    # Not the root logger: libraries configure that one when they are imported.
    own = logging.getLogger("bsrgan_backend")
    own.setLevel(level.upper())
    own.propagate = False
    handler: logging.Handler
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            path, maxBytes=_LOG_BYTES, backupCount=_LOG_FILES, encoding="utf-8"
        )
        path.chmod(0o600)
    except OSError:
        handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    own.addHandler(handler)


def resident_bytes() -> int:
    """Memory that this process holds now (Linux) or held at most (macOS); 0 where neither can be asked."""
    try:
        fields = Path("/proc/self/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        pass
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return 0
