"""Checks for the harness itself."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import Any

from support.gimp_inside import host_command


def check_version(options: dict[str, Any]) -> str:
    """The version that GIMP gives itself."""
    from gi.repository import Gimp

    return str(Gimp.version())


def check_wrong(options: dict[str, Any]) -> None:
    """Fails."""
    seen = 3
    assert seen == 4


def check_host_python(options: dict[str, Any]) -> str:
    """The backend's environment can be used from inside."""
    code = f"import importlib.util, os; assert os.path.isdir({options['scratch']!r}); print('paddle')"
    return subprocess.run(host_command(["-c", code]), capture_output=True, text=True, check=True).stdout.strip()


def check_suicide(options: dict[str, Any]) -> None:
    """GIMP is the parent of its batch interpreter."""
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


def check_never_reached(options: dict[str, Any]) -> None:
    """Passes, but GIMP is dead."""


def check_endless(options: dict[str, Any]) -> None:
    """Never ends, and neither does what it started."""
    subprocess.Popen(["sh", "-c", "sleep 1000; : " + options["scratch"]], start_new_session=True)
    time.sleep(1000)
