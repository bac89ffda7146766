"""Finding the GIMP 3 profiles of this user: each version of GIMP has its own folder, each kind of package its own."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bsrgan_install import commands
from bsrgan_install.places import home_of

DIRECTORY_VARIABLE = "GIMP3_DIRECTORY"
CONSOLES = ("gimp-console", "gimp-console-3", "gimp-console-3.2", "gimp-console-3.0")
PROGRAMS = (*CONSOLES, "gimp", "gimp-3", "gimp-3.2", "gimp-3.0")
LIKELY_VERSIONS = ("3.0", "3.2")
"""Profiles made when there is neither a profile nor a GIMP to ask: what Debian, Flathub and gimp.org ship."""

FLATPAK = Path(".var/app/org.gimp.GIMP/config/GIMP")
SNAP = Path("snap/gimp/current/.config/GIMP")
_VERSION = re.compile(r"\b(3\.\d+)\.\d+")
_NAME = re.compile(r"3\.\d+")
_TIMEOUT_S = 60


@dataclass(frozen=True)
class Profile:
    """One GIMP profile.

    Attributes:
        folder: the one that holds `plug-ins` and `gimprc`.
        kind: "GIMP", "Flatpak", or the variable that names it.
        exists: False for one that is made so that a GIMP started later finds the plug-in.
    """

    folder: Path
    kind: str
    exists: bool = True

    @property
    def plug_ins(self) -> Path:
        """The folder that GIMP searches for plug-ins of this user."""
        return self.folder / "plug-ins"

    @property
    def title(self) -> str:
        """How people know it."""
        return f"{self.kind} {self.folder.name}" if _NAME.fullmatch(self.folder.name) else f"the GIMP in {self.folder}"


def find(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> list[Profile]:
    """The profiles to install into; at least one.

    `GIMP3_DIRECTORY` names the only one. Otherwise each `GIMP/3.*` folder counts, native and Flatpak, and the one of
    an installed GIMP that has not been started yet. With none of these, likely ones are named that do not exist yet.

    Args:
        environ: for the variables that name folders, and `PATH`; default `os.environ`.
        platform: `sys.platform` of the system.
    """
    env = os.environ if environ is None else environ
    named = env.get(DIRECTORY_VARIABLE)
    if named:
        folder = Path(named)
        # GIMP takes a relative name from the home; so does this.
        folder = folder if folder.is_absolute() else home_of(env) / folder
        return [Profile(folder, DIRECTORY_VARIABLE, folder.is_dir())]
    config = config_folder(env, platform)
    found = [Profile(folder, kind) for base, kind in _bases(env, platform) for folder in versions_in(base)]
    known = {profile.folder for profile in found}
    asked = gimp_version(env)
    if asked and config / asked not in known:
        found.append(Profile(config / asked, "GIMP", exists=False))
    return found or [Profile(config / version, "GIMP", exists=False) for version in LIKELY_VERSIONS]


def config_folder(environ: Mapping[str, str], platform: str = sys.platform) -> Path:
    """The folder in which a native GIMP keeps its profiles."""
    home = home_of(environ)
    if platform == "win32":
        return Path(environ.get("APPDATA") or Path.home() / "AppData" / "Roaming") / "GIMP"
    if platform == "darwin":
        return home / "Library" / "Application Support" / "GIMP"
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "GIMP"


def _bases(environ: Mapping[str, str], platform: str) -> list[tuple[Path, str]]:
    bases = [(config_folder(environ, platform), "GIMP")]
    if platform not in ("win32", "darwin"):
        home = home_of(environ)
        # A GIMP started from a menu does not see the XDG_CONFIG_HOME of this terminal.
        if home / ".config" / "GIMP" != bases[0][0]:
            bases.append((home / ".config" / "GIMP", "GIMP"))
        bases.append((home / FLATPAK, "Flatpak GIMP"))
    return bases


def versions_in(base: Path) -> list[Path]:
    """The `3.N` folders below a folder, oldest first."""
    if not base.is_dir():
        return []
    folders = [folder for folder in base.iterdir() if _NAME.fullmatch(folder.name) and folder.is_dir()]
    return sorted(folders, key=lambda folder: int(folder.name.split(".")[1]))


def snap_profiles(environ: Mapping[str, str]) -> list[Path]:
    """Profiles of a GIMP from the Snap store, which loads no plug-ins of the user; only to say so."""
    return versions_in(home_of(environ) / SNAP)


def console(environ: Mapping[str, str] | None = None) -> Path | None:
    """The GIMP without a window, if there is one."""
    path = _search_path(os.environ if environ is None else environ)
    return next((Path(found) for name in CONSOLES if (found := shutil.which(name, path=path))), None)


def _search_path(environ: Mapping[str, str]) -> str:
    """PATH, and where the packages of gimp.org put their programs on systems without a common PATH."""
    usual = [
        "/Applications/GIMP.app/Contents/MacOS",
        str(Path(environ.get("PROGRAMFILES", "")) / "GIMP 3" / "bin"),
        str(Path(environ.get("LOCALAPPDATA", "")) / "Programs" / "GIMP 3" / "bin"),
    ]
    return os.pathsep.join([environ.get("PATH", ""), *(folder for folder in usual if Path(folder).is_absolute())])


def gimp_version(environ: Mapping[str, str]) -> str:
    """Major and minor version of the GIMP on the PATH, as "3.2"; empty when there is no GIMP 3."""
    for name in PROGRAMS:
        found = shutil.which(name, path=_search_path(environ))
        if found:
            done = commands.run([found, "--version"], timeout_s=_TIMEOUT_S)
            told = _VERSION.search(done.stdout)
            if told:
                return told.group(1)
    return ""
