"""What STATUS answers: a flat map of scalars and short lists."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bsrgan_backend.daemon import intake
from bsrgan_backend.daemon.dispatch import Dispatcher
from bsrgan_backend.daemon.identity import Identity
from bsrgan_backend.daemon.ledger import Ledger
from bsrgan_backend.daemon.logs import log_file
from bsrgan_backend.daemon.spool import Spool
from bsrgan_backend.settings import Settings
from bsrgan_wire import PROTOCOL
from bsrgan_wire import __version__ as version

_MODELS = 64


class Reporter:
    """Collects the daemon's state."""

    def __init__(
        self,
        settings: Settings,
        identity: Identity,
        ledger: Ledger,
        dispatcher: Dispatcher,
        spool: Spool,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._ledger = ledger
        self._dispatcher = dispatcher
        self._spool = spool
        self._clock = clock
        self._started = clock()

    def state(self) -> str:
        """`unloaded` without a worker, `starting` until it can take jobs, then `ready`."""
        worker = self._dispatcher.worker
        if worker is None or worker.state == "leaving":
            return "unloaded"
        return worker.state

    def collect(self) -> dict[str, Any]:
        """The report; sizes in bytes, times in seconds."""
        facts, worker, jobs = self._dispatcher.facts, self._dispatcher.worker, self._ledger.jobs
        root = self._identity.root
        return {
            "pid": os.getpid(),
            "instance": self._identity.instance,
            "version": version,
            "protocol": PROTOCOL,
            "endpoint": self._identity.endpoint.address,
            "uptime_s": round(self._clock() - self._started, 3),
            "state": self.state(),
            "device": facts.device or self._settings.device,
            "device_name": facts.device_name,
            "engine": facts.engine,
            "engine_version": facts.engine_version,
            "precision": facts.precision,
            "model": facts.model,
            "default_model": self._settings.model,
            "models": intake.installed_models(root)[:_MODELS],
            "queue": jobs.waiting(),
            "running": len(jobs.running()),
            "sessions": len(self._ledger.sessions),
            "rss_bytes": rss_bytes(os.getpid()),
            "worker_rss_bytes": (worker_bytes(worker.pid) or facts.rss_bytes) if worker is not None else 0,
            "worker_pid": worker.pid if worker is not None else 0,
            "spool_bytes": self._spool.reserved_bytes,
            "log": _shown(log_file(root)),
            "jobs_done": self._ledger.done,
            "jobs_failed": self._ledger.failed,
            "worker_restarts": self._dispatcher.crashes.count,
            "protocol_errors": self._ledger.sessions.protocol_errors,
        }


def _shown(path: Path) -> str:
    """A path as text, also where its bytes are none."""
    return os.fsencode(path).decode("utf-8", "replace")


def worker_bytes(pid: int) -> int:
    """Resident memory of a worker, with what its helpers have for themselves; 0 where it cannot be read."""
    return rss_bytes(pid) + sum(map(_private_bytes, helpers_of(pid)))


def helpers_of(pid: int) -> list[int]:
    """Processes that a worker has started; none where that is not told."""
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, children.read_text().split())
    return found


def _private_bytes(pid: int) -> int:
    try:
        resident, common = map(int, Path(f"/proc/{pid}/statm").read_text().split()[1:3])
    except (OSError, ValueError):
        return 0
    return (resident - common) * os.sysconf("SC_PAGE_SIZE")


def rss_bytes(pid: int) -> int:
    """Resident memory of a process; 0 where it cannot be read."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return _own_peak() if pid == os.getpid() else 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _own_peak() -> int:
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
