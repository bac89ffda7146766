"""Whether a folder is an installation's: nothing of somebody else's may be taken over or removed."""

from __future__ import annotations

import os

from bsrgan_install import backend_command, files, record
from bsrgan_install.places import Layout
from bsrgan_install.report import InstallError

FOLDERS = ("venv", "state", "run", "spool", "cache", "logs", "try")
"""Folders of the root that hold nothing of the user's."""

PERSONAL = ("models", "settings.toml")
"""What only `--purge` removes: downloads, own models, choices."""


def is_ours(layout: Layout) -> bool:
    """Whether an installation, or what `--uninstall` has left of one, is in the root."""
    # A record that a power cut has damaged counts together with the command beside it.
    return record.is_one(layout.record) or (layout.record.exists() and backend_command.is_launcher(layout.command))


def is_shared(layout: Layout) -> bool:
    """Whether things that are no installation's lie in the root; earlier versions took any folder."""
    ours = {*FOLDERS, *PERSONAL, "bin", layout.record.name, files.draft(layout.record).name}
    return not layout.is_default and any(entry.name not in ours for entry in layout.root.iterdir())


def check_name(layout: Layout) -> None:
    """Refuse a folder whose name cannot be written into the files that name it, which are all UTF-8.

    Raises:
        InstallError: the name holds other bytes, or this locale reads them as something else.
    """
    try:
        is_the_same = str(layout.root).encode("utf-8") == os.fsencode(layout.root)
    except UnicodeError:
        is_the_same = False
    if not is_the_same:
        raise InstallError(
            f"The name of {layout.root} cannot be read as UTF-8 here; choose another folder with --prefix, or run this "
            "again with LC_ALL=C.UTF-8."
        )


def check_free(layout: Layout) -> None:
    """Refuse to install into somebody else's folder.

    Raises:
        InstallError: the root holds something and no installation.
        OSError: the root cannot be read.
    """
    # The usual folder has our name; models and settings may have been made there without the installer.
    if layout.is_default or not layout.root.exists() or is_ours(layout):
        return
    if {entry.name for entry in layout.root.iterdir()} - {files.draft(layout.record).name}:
        raise InstallError(
            f"{layout.root} holds other files and no installation of gimp-bsrgan; choose an empty or new folder "
            "with --prefix."
        )
