"""Starting the daemon when none runs: detached from the caller, in a clean environment."""

from __future__ import annotations

import atexit
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bsrgan_wire import places, rendezvous
from bsrgan_wire.errors import DaemonUnreachable
from bsrgan_wire.rendezvous import Rendezvous
from bsrgan_wire.session import Session
from bsrgan_wire.zmtp import TICK_S

_HELLO_S = 3.0
_OTHER_S = 5.0
_NAME = "launcher"

_ERROR = re.compile(r"^[\d-]+ [\d:,]+ ERROR (.+)$", re.MULTILINE)
"""A line of the daemon's log."""

_TAIL_BYTES = 16 * 1024
_REASON_LONGEST = 300
"""Characters of an error that are shown."""

_DROPPED = frozenset({
    "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__",
    "LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "DYLD_LIBRARY_PATH", "DYLD_FRAMEWORK_PATH",
    "APPDIR", "APPIMAGE", "ARGV0", "OWD",
})  # fmt: skip
_DROPPED_PREFIXES = ("GIMP", "BABL", "GEGL")
_OWN_PREFIX = "GIMP_BSRGAN_"

# Started daemons: Python warns about a child that is forgotten while it runs, and these are meant to outlive us.
_started: list[subprocess.Popen[bytes]] = []


def ensure_daemon(
    root: Path, command: list[str], *, timeout_s: float = 30.0, idle: Callable[[], None] | None = None
) -> Rendezvous:
    """Return where the daemon is, after starting it if none answers.

    Args:
        root: the installation's folder, `places.prefix()`.
        command: what starts the daemon, for example `[ROOT/bin/gimp-bsrgan, "serve"]`.
        timeout_s: time until it must answer.
        idle: called at least every 50 ms meanwhile.

    Raises:
        DaemonUnreachable: it is not installed, stopped while starting, or does not answer; one sentence.
        RemoteError: a daemon runs and rejects this client.
    """
    deadline = time.monotonic() + timeout_s
    path = places.rendezvous_file(root)
    live, _ = _answering(path, min(_HELLO_S, timeout_s), idle)
    if live is not None:
        return live
    logged = _log_bytes(root)
    process = _start(root, command)
    has_exited, why = False, ""
    while time.monotonic() < deadline:
        live, why = _answering(path, max(0.1, min(_HELLO_S, deadline - time.monotonic())), idle)
        if live is not None:
            return live
        if process.poll():
            raise _stopped(root, process.returncode, logged)
        if process.returncode == 0 and not has_exited:
            # Another daemon holds the lock: either it answers soon, or waiting longer does not help.
            has_exited, deadline = True, min(deadline, time.monotonic() + _OTHER_S)
        time.sleep(TICK_S)
        if idle is not None:
            idle()
    if has_exited:
        raise DaemonUnreachable(why)
    raise DaemonUnreachable(f"The daemon has not answered within {timeout_s:.0f} seconds; its log is {_log(root)}.")


def clean_environment(environ: Mapping[str, str], root: Path) -> dict[str, str]:
    """The environment for a daemon started by a program that has its own Python and libraries.

    GIMP, its AppImage and its Snap set variables that would make the daemon's Python load their modules and
    libraries instead of its own. Other entries of library paths (CUDA's, for example) stay.

    Args:
        environ: the caller's environment.
        root: the installation's folder, handed on as `GIMP_BSRGAN_PREFIX`.
    """
    clean = {name: value for name, value in environ.items() if _is_kept(name)}
    bundles = [environ[name] for name in ("APPDIR", "SNAP") if environ.get(name)]
    for name in ("LD_LIBRARY_PATH", "PATH"):
        if name in clean:
            entries = clean[name].split(os.pathsep)
            clean[name] = os.pathsep.join(entry for entry in entries if not _is_below(entry, bundles))
            if not clean[name]:
                del clean[name]
    clean[places.PREFIX_VARIABLE] = str(root)
    return clean


def _is_kept(name: str) -> bool:
    upper = name.upper()
    if upper.startswith(_OWN_PREFIX):
        return True
    return upper not in _DROPPED and not upper.startswith(_DROPPED_PREFIXES)


def _is_below(entry: str, bundles: list[str]) -> bool:
    return any(entry == bundle or entry.startswith(bundle.rstrip("/\\") + os.sep) for bundle in bundles)


def _answering(path: Path, timeout_s: float, idle: Callable[[], None] | None) -> tuple[Rendezvous | None, str]:
    """Where a daemon has just answered, or None and the reason."""
    try:
        place = rendezvous.read(path)
        Session.open(place, name=_NAME, timeout_s=timeout_s, idle=idle).close()
    except DaemonUnreachable as error:
        return None, str(error)
    return place, ""


def _start(root: Path, command: list[str]) -> subprocess.Popen[bytes]:
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=root if root.is_dir() else None,
            env=clean_environment(os.environ, root),
            close_fds=True,
            **_detached(),
        )
    except FileNotFoundError:
        raise DaemonUnreachable(f"The daemon is not installed ({command[0]} is missing); run the installer.") from None
    except OSError as error:
        raise DaemonUnreachable(
            f"The daemon cannot be started ({command[0]}: {error.strerror}); run the installer again."
        ) from None
    if not _started:
        atexit.register(_let_go)
    _started.append(process)
    return process


def _let_go() -> None:
    """To outlive this process is what a daemon is for; Popen would warn about it at the end."""
    for process in _started:
        if process.poll() is None:
            process.returncode = 0


def _detached() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def _log(root: Path) -> Path:
    return root / "logs" / "daemon.log"


def _log_bytes(root: Path) -> int:
    try:
        return _log(root).stat().st_size
    except OSError:
        return 0


def _stopped(root: Path, returncode: int, logged: int) -> DaemonUnreachable:
    """The error for a daemon that ended, with the reason that it has logged since the log had `logged` bytes."""
    reason = _logged_error(root, logged)
    if reason:
        return DaemonUnreachable(f"The daemon stopped while starting: {reason} Its log is {_log(root)}.")
    return DaemonUnreachable(f"The daemon stopped while starting (status {returncode}); its log is {_log(root)}.")


def _logged_error(root: Path, start: int) -> str:
    """The last error in the log after `start`, as a sentence that fits a dialog; empty for none."""
    size = _log_bytes(root)
    # The log is renewed when it is full.
    start = start if start <= size else 0
    try:
        with _log(root).open("rb") as log:
            log.seek(max(start, size - _TAIL_BYTES))
            found = _ERROR.findall(log.read(_TAIL_BYTES).decode("utf-8", "replace"))
    except OSError:
        return ""
    reason = found[-1].strip() if found else ""
    if len(reason) > _REASON_LONGEST:
        return f"{reason[:_REASON_LONGEST]}…"
    return reason if not reason or reason.endswith(".") else f"{reason}."
