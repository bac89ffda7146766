"""`gimp-bsrgan status` and `stop`: ask the running daemon; neither starts one."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bsrgan_backend.cli.connection import NAME
from bsrgan_backend.cli.failure import Failure
from bsrgan_backend.cli.language import _
from bsrgan_backend.cli.progress import duration_text
from bsrgan_backend.cli.table import aligned, size_text
from bsrgan_backend.daemon.instance import is_held
from bsrgan_wire import places, rendezvous
from bsrgan_wire.client import Client
from bsrgan_wire.errors import ConnectionLost, DaemonUnreachable
from bsrgan_wire.rendezvous import Rendezvous

CONNECT_S = 5.0
STOP_S = 25.0
_POLL_S = 0.1


def add_parsers(commands: Any) -> None:
    """Add `status` and `stop`."""
    status = commands.add_parser("status", help=_("show the running daemon"))
    status.add_argument("--json", action="store_true", help=_("for programs"))
    status.set_defaults(run=run)
    stop = commands.add_parser("stop", help=_("stop the running daemon"))
    stop.set_defaults(run=run_stop)


def run(asked: argparse.Namespace) -> int:
    """Print the daemon's state; fails with a sentence when none runs."""
    report = ask()
    if asked.json:
        print(json.dumps(report, indent=1))
    else:
        print(aligned(list(lines(report))))
    return 0


def ask() -> dict[str, Any]:
    """The running daemon's report.

    Raises:
        DaemonUnreachable: none runs, or it does not answer.
    """
    address = rendezvous.read(places.rendezvous_file(places.prefix()))
    with Client.connect(address, name=NAME, timeout_s=CONNECT_S) as client:
        return dict(client.status())


def lines(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A report as pairs of name and text.

    Args:
        report: of STATUS; keys that are missing are left out.
    """
    names = {
        "pid": _("pid"),
        "instance": _("instance"),
        "version": _("version"),
        "endpoint": _("endpoint"),
        "state": _("state"),
    }
    told = {title: report.get(key) for key, title in names.items()}
    told[_("up")] = duration_text(float(report.get("uptime_s", 0)))
    told[_("device")] = " ".join(str(report[key]) for key in ("device", "device_name") if report.get(key))
    told[_("engine")] = " ".join(str(report[key]) for key in ("engine", "engine_version") if report.get(key))
    told[_("model")] = report.get("model") or _("none loaded")
    told[_("default model")] = report.get("default_model")
    told[_("installed")] = ", ".join(report.get("models") or ()) or _("none")
    queue = _("{waiting} waiting, {running} running")
    told[_("queue")] = queue.format(waiting=report.get("queue", 0), running=report.get("running", 0))
    told[_("memory")] = _memory(report)
    jobs = _("{done} done, {failed} failed")
    told[_("jobs")] = jobs.format(done=report.get("jobs_done", 0), failed=report.get("jobs_failed", 0))
    told[_("log")] = report.get("log")
    return [(name, str(value)) for name, value in told.items() if value not in (None, "")]


def _memory(report: Mapping[str, Any]) -> str:
    daemon = size_text(report.get("rss_bytes", 0))
    if worker := report.get("worker_rss_bytes", 0):
        return _("daemon {daemon}, worker {worker}").format(daemon=daemon, worker=size_text(worker))
    return _("daemon {daemon}").format(daemon=daemon)


def run_stop(_asked: argparse.Namespace) -> int:
    """Stop the daemon and wait until it is gone; success when none runs.

    Raises:
        Failure: it is still there after a while, or its address file cannot be used.
    """
    file = places.rendezvous_file(places.prefix())
    if not file.exists():
        return 0
    try:
        address = rendezvous.read(file)
    except DaemonUnreachable:
        if not file.exists():
            return 0
        raise Failure(
            f"The daemon's address file {file} cannot be used, so the daemon cannot be asked to stop; "
            "end the process 'gimp-bsrgan serve' if there is one, and delete the file."
        ) from None
    try:
        with Client.connect(address, name=NAME, timeout_s=CONNECT_S) as client:
            client.shutdown()
    except ConnectionLost:
        pass  # it may leave before it has said goodbye
    except DaemonUnreachable:
        # The file of a daemon that was killed, and nothing is left to be stopped; or one that hangs.
        if not is_held(places.prefix()):
            return 0
    end = time.monotonic() + STOP_S
    while time.monotonic() < end:
        if _is_gone(file, address):
            return 0
        time.sleep(_POLL_S)
    raise Failure(f"The daemon (process {address.pid}) has not ended after {STOP_S:.0f} s; end that process.")


def _is_gone(file: Path, address: Rendezvous) -> bool:
    """Its file is withdrawn first, unless it was killed; the lock that keeps a new daemon out goes with the process."""
    if _is_alive(address.pid):
        return False
    try:
        return rendezvous.read(file).instance != address.instance or not is_held(places.prefix())
    except DaemonUnreachable:
        return True


def _is_alive(pid: int) -> bool:
    """Whether the process still runs; one that only waits for its parent to notice has ended."""
    if os.name != "posix":
        return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    if not Path("/proc/self").exists():
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False
