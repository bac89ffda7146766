"""Running other programs: without the variables that would change their Python, and with their words kept."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_STRANGE = {
    *("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__", "LD_PRELOAD"),
    *("PIP_USER", "PIP_TARGET", "PIP_PREFIX"),
}


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without what an editor, an AppImage or another venv has put there.

    Args:
        extra: variables to set.
    """
    environ = {name: value for name, value in os.environ.items() if name not in _STRANGE}
    environ.update(extra or {})
    return environ


def run(
    command: Sequence[str], *, timeout_s: float, extra: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return its output; a missing program or a timeout is a failed run.

    Args:
        command: program and arguments.
        timeout_s: the longest it may take; it is killed then.
        extra: environment variables to set.
        cwd: the folder to run it in.
    """
    try:
        return subprocess.run(
            list(command),
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            env=clean_environment(extra),
            stdin=subprocess.DEVNULL,
            cwd=cwd,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(list(command), 124, "", f"no end after {timeout_s:.0f} s")
    except OSError as error:
        return subprocess.CompletedProcess(list(command), 127, "", error.strerror or str(error))


def last_line(text: str) -> str:
    """The last line that says something; programs put their reason there."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
