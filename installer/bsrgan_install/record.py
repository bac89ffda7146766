"""What an installation has put where: read to repeat it, to upgrade it and to remove it without a trace."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bsrgan_install import files


@dataclass
class Record:
    """Facts about an installation, kept as `installation.json` in its root.

    Attributes:
        version: of the package.
        python: the Python that the environment was made with, as "3.12.1".
        plugin_folders: installed plug-in folders, one for each GIMP profile.
        made_folders: folders outside the root, and the root's parents, that did not exist before.
        link: the link to the command, empty for none.
        unit: the systemd unit, empty for none.
        fallback_model: the model that the installer made the default because the usual one could not be fetched.
    """

    version: str = ""
    python: str = ""
    plugin_folders: list[str] = field(default_factory=list)
    made_folders: list[str] = field(default_factory=list)
    link: str = ""
    unit: str = ""
    fallback_model: str = ""

    def made(self, folders: list[Path]) -> None:
        """Remember folders that the installer created."""
        self.made_folders += [str(folder) for folder in folders if str(folder) not in self.made_folders]


def read(path: Path) -> Record:
    """The record of an earlier run; an empty one when there is none or it is damaged."""
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        empty = Record()
        fields = {name: told.get(name, value) for name, value in asdict(empty).items()}
        if any(type(fields[name]) is not type(value) for name, value in asdict(empty).items()):
            return empty
        return Record(**fields)
    except (OSError, ValueError, AttributeError):
        return Record()


def is_one(path: Path) -> bool:
    """Whether a file is the record of an installation, and not another program's of the same name."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(told, dict) and "plugin_folders" in told


def write(path: Path, record: Record) -> None:
    """Keep the record."""
    files.write(path, f"{json.dumps(asdict(record), indent=1)}\n".encode())


def missing(folder: Path) -> list[Path]:
    """The folder and its parents as far as they do not exist, outermost first."""
    return [path for path in (*reversed(folder.parents), folder) if not path.exists()]


def make_folder(folder: Path) -> list[Path]:
    """Create a folder with its parents and return those that did not exist, outermost first; all or none of them."""
    made = missing(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except BaseException:
        remove_empty([str(path) for path in made])
        raise
    return made


def remove_empty(folders: list[str]) -> None:
    """Remove those of the folders that are empty now, innermost first; others stay."""
    for name in sorted(folders, key=len, reverse=True):
        try:
            Path(name).rmdir()
        except OSError:
            continue
