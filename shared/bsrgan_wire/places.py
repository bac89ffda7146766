"""Where the installation lives. One folder holds everything, so the plug-in and the daemon cannot disagree.

XDG variables are not read: they differ inside Flatpak, and then both sides would look in different places.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

PREFIX_VARIABLE = "GIMP_BSRGAN_PREFIX"


def prefix(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    r"""The folder that holds venv, models, settings, state, sockets and logs.

    `GIMP_BSRGAN_PREFIX` names it; without that it is `~/.local/share/gimp-bsrgan` on Linux,
    `~/Library/Application Support/gimp-bsrgan` on macOS and `%LOCALAPPDATA%\gimp-bsrgan` on Windows.
    """
    env = os.environ if environ is None else environ
    if named := env.get(PREFIX_VARIABLE):
        return Path(named).expanduser().absolute()
    if platform == "win32":
        return Path(env.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "gimp-bsrgan"
    home = Path(env.get("SNAP_REAL_HOME") or env.get("HOME") or Path.home())
    if platform == "darwin":
        return home / "Library" / "Application Support" / "gimp-bsrgan"
    return home / ".local" / "share" / "gimp-bsrgan"


def rendezvous_file(root: Path) -> Path:
    """The file in which a running daemon says how to reach it."""
    return root / "state" / "daemon.json"
