"""The repository's plug-in, installed into a GIMP profile by the installer's own function."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgpack

import bsrgan_wire
from bsrgan_install import plugin_files


def install(profile: Path, prefix: Path, command: Sequence[str] = ()) -> Path:
    """Install the plug-in and return its folder.

    Args:
        profile: GIMP's user folder.
        prefix: the root of the installation that the plug-in belongs to.
        command: how the plug-in starts the daemon; empty when it cannot.
    """
    plugin_files.install_plugin(
        profile,
        prefix=prefix,
        command=command,
        msgpack=Path(msgpack.__file__).parent,
        version=bsrgan_wire.__version__,
    )
    return profile / "plug-ins" / plugin_files.NAME
