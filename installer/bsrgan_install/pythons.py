"""Finding a Python that the backend runs on, for its virtual environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from bsrgan_install.report import InstallError

OLDEST = (3, 10)
NEWEST = (3, 13)
PREFERRED_MINORS = (12, 11, 13, 10)
"""Tried in this order after the Python that runs the installer."""

_PROBE = (
    "import sys, venv, ensurepip, struct; "
    "print(sys.version_info[0], sys.version_info[1], sys.version_info[2], struct.calcsize('P'))"
)
_PROBE_TIMEOUT_S = 20


def find(environ: Mapping[str, str] | None = None, running: str | None = None) -> Path:
    """The Python to make the environment with: the running one if it fits, else the best that is found.

    Args:
        environ: for `PATH`, `HOME`, `PYENV_ROOT` and `UV_PYTHON_INSTALL_DIR`; default `os.environ`.
        running: the Python to try first; default the running one.

    Raises:
        InstallError: none fits; the sentence says what to install.
    """
    env = os.environ if environ is None else environ
    for candidate in candidates(env, sys.executable if running is None else running):
        if version_of(candidate) is not None:
            return candidate
    raise InstallError(f"No Python 3.{OLDEST[1]} to 3.{NEWEST[1]} with the venv module was found; {advice()}")


def candidates(environ: Mapping[str, str], running: str) -> Iterator[Path]:
    """Pythons that may fit, best first; they need not work, nor exist only once."""
    if running:
        yield Path(running)
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or Path.home())
    pyenv = Path(environ.get("PYENV_ROOT") or home / ".pyenv") / "versions"
    uv = Path(environ.get("UV_PYTHON_INSTALL_DIR") or home / ".local" / "share" / "uv" / "python")
    for minor in PREFERRED_MINORS:
        found = shutil.which(f"python3.{minor}", path=environ.get("PATH", ""))
        if found:
            yield Path(found)
        for folder, pattern in ((pyenv, f"3.{minor}.*"), (uv, f"cpython-3.{minor}.*")):
            for version in sorted(folder.glob(pattern), key=_release, reverse=True):
                yield _executable(version)
    for name in ("python3", "python"):
        found = shutil.which(name, path=environ.get("PATH", ""))
        if found:
            yield Path(found)


def _release(folder: Path) -> tuple[int, ...]:
    """3.12.10 is newer than 3.12.9; anything odd in the name comes last."""
    number = folder.name.replace("cpython-", "").split("-")[0]
    return tuple(int(part) for part in number.split(".") if part.isdigit())


def _executable(installation: Path) -> Path:
    windows = installation / "python.exe"
    return windows if windows.exists() else installation / "bin" / "python3"


def version_of(python: Path) -> tuple[int, int, int] | None:
    """The version of a Python that fits: right range, 64 bit, with venv and ensurepip; else None."""
    try:
        # -I: an editor's or an AppImage's PYTHONPATH must not decide what we find.
        done = subprocess.run(
            [str(python), "-I", "-c", _PROBE], capture_output=True, text=True, timeout=_PROBE_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = done.stdout.split()
    if done.returncode != 0 or len(words) != 4 or not all(word.isdigit() for word in words):
        return None
    major, minor, micro, pointer_bytes = map(int, words)
    if not OLDEST <= (major, minor) <= NEWEST or pointer_bytes != 8:
        return None
    return major, minor, micro


def python_in(venv: Path, platform: str = sys.platform) -> Path:
    """The Python of a virtual environment."""
    return venv / "Scripts" / "python.exe" if platform == "win32" else venv / "bin" / "python"


def advice(platform: str = sys.platform) -> str:
    """What to install, in the words of the system at hand."""
    if platform == "win32":
        return "install Python 3.12 (64 bit) from python.org or the Microsoft Store and run this again."
    if platform == "darwin":
        return "install Python 3.12 from python.org or with 'brew install python@3.12' and run this again."
    if shutil.which("apt-get"):
        return "run 'sudo apt install python3 python3-venv' and then this again."
    if shutil.which("dnf"):
        return "run 'sudo dnf install python3.12' and then this again."
    if shutil.which("pacman"):
        return "install Python 3.12 ('uv python install 3.12' or pyenv) and run this again."
    return "install Python 3.12 with its venv module and run this again."
