"""The repository's plug-in, installed into a GIMP profile as real copies."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgpack

REPOSITORY = Path(__file__).resolve().parents[2]
NAME = "gimp-bsrgan"


def install(plug_ins: Path, prefix: Path, command: list[str] | None = None) -> Path:
    """Copy the plug-in as an installation has it, and return its folder.

    Args:
        plug_ins: the profile's `plug-ins` folder.
        prefix: the folder of the installation, written into `install.json`.
        command: how the plug-in starts `gimp-bsrgan`; None says that no daemon is installed.
    """
    folder = plug_ins / NAME
    skip = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(REPOSITORY / "gimp_plugin" / NAME, folder, ignore=skip)
    vendor = folder / "vendor"
    shutil.copytree(REPOSITORY / "shared" / "bsrgan_wire", vendor / "bsrgan_wire", ignore=skip)
    # The compiled half of msgpack is left out: an installation carries only what every Python can load.
    (vendor / "msgpack").mkdir()
    for source in Path(msgpack.__file__).parent.glob("*.py"):
        shutil.copy(source, vendor / "msgpack" / source.name)
    (folder / "install.json").write_text(json.dumps({"prefix": str(prefix), "command": command or []}), "utf-8")
    return folder
