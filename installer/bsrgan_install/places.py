"""Where everything goes. The rule for the root is that of `bsrgan_wire.places`; a test holds both equal."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PREFIX_VARIABLE = "GIMP_BSRGAN_PREFIX"
COMMAND = "gimp-bsrgan"
UNIT = "gimp-bsrgan.service"

REPOSITORY = Path(__file__).resolve().parent.parent.parent
"""The checkout that this installer installs."""

PHOTO = REPOSITORY / "installer" / "photo" / "astronaut.jpg"


def default_prefix(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    """The folder that holds venv, models, settings, state, sockets and logs unless `--prefix` names another."""
    env = os.environ if environ is None else environ
    named = env.get(PREFIX_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    if platform == "win32":
        return Path(env.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "gimp-bsrgan"
    home = home_of(env)
    if platform == "darwin":
        return home / "Library" / "Application Support" / "gimp-bsrgan"
    return home / ".local" / "share" / "gimp-bsrgan"


def home_of(environ: Mapping[str, str]) -> Path:
    """The user's real home, also from inside a snap."""
    return Path(environ.get("SNAP_REAL_HOME") or environ.get("HOME") or Path.home())


@dataclass(frozen=True)
class Layout:
    """The places of one installation.

    Attributes:
        root: the folder of `bsrgan_wire.places.prefix`.
        home: the user's home; link and unit are placed there, on a default installation only.
        is_default: whether `root` is where programs look when nothing names another folder.
        platform: `sys.platform` of the system that is installed on.
    """

    root: Path
    home: Path
    is_default: bool
    platform: str = sys.platform

    @property
    def venv(self) -> Path:
        """The virtual environment of backend and command line."""
        return self.root / "venv"

    @property
    def command(self) -> Path:
        """What people call; it always means this installation."""
        return self.root / "bin" / (f"{COMMAND}.cmd" if self.platform == "win32" else COMMAND)

    @property
    def link(self) -> Path | None:
        """A link on most people's PATH to `command`."""
        if not self.is_default or self.platform == "win32":
            return None
        return self.home / ".local" / "bin" / COMMAND

    @property
    def unit(self) -> Path | None:
        """The systemd user unit; one user has one, so only the default installation may own it."""
        if not self.is_default or not self.platform.startswith("linux"):
            return None
        return self.home / ".config" / "systemd" / "user" / UNIT

    @property
    def record(self) -> Path:
        """What was installed, for repeating and uninstalling."""
        return self.root / "installation.json"

    @property
    def log(self) -> Path:
        """Output of venv and pip."""
        return self.root / "logs" / "install.log"

    @property
    def temporary(self) -> Path:
        """Where venv and pip put temporary files; below one of the folders that uninstalling removes."""
        return self.root / "cache" / "install"

    @property
    def settings(self) -> Path:
        """The user's settings."""
        return self.root / "settings.toml"

    @property
    def rendezvous(self) -> Path:
        """The file by which a running daemon is found."""
        return self.root / "state" / "daemon.json"

    @property
    def runtime_caches(self) -> list[Path]:
        """Folders in the home that the inference runtime makes by itself, outermost first."""
        cache = self.home / ".cache"
        return [cache, cache / "paddle", cache / "paddle" / "dataset"]

    @property
    def try_folder(self) -> Path:
        """Where `--try` leaves its pictures."""
        return self.root / "try"


def layout(prefix: Path | None, environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> Layout:
    """The places for `--prefix` or, when it is None, for the default folder."""
    env = os.environ if environ is None else environ
    unnamed = {name: value for name, value in env.items() if name != PREFIX_VARIABLE}
    usual = default_prefix(unnamed, platform)
    root = default_prefix(env, platform) if prefix is None else prefix.expanduser().absolute()
    return Layout(root, home_of(env), root == usual, platform)
