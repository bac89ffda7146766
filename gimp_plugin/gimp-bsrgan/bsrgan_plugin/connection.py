"""From the installed plug-in to a connected daemon. Without gi."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bsrgan_plugin.outcomes import NotInstalled
from bsrgan_plugin.translation import _
from bsrgan_wire import PROTOCOL, launch, places, rendezvous
from bsrgan_wire.errors import DaemonUnreachable
from bsrgan_wire.rendezvous import Rendezvous

PLUGIN_FOLDER = Path(__file__).resolve().parent.parent
START_TIMEOUT_S = 30.0
"""How long a daemon may take to start: it loads no model for that."""


@dataclass(frozen=True)
class Installation:
    """What the installer wrote beside the plug-in.

    Attributes:
        root: the folder that holds everything, also the running daemon's address.
        command: how to start the daemon; empty when nobody knows.
    """

    root: Path
    command: tuple[str, ...]


def installation(folder: Path = PLUGIN_FOLDER, environ: Mapping[str, str] | None = None) -> Installation:
    """Return where the daemon is installed and how it is started.

    `GIMP_BSRGAN_PREFIX` comes before `install.json`, and a command that is found below the prefix before the one of
    the file, so that a moved or a second installation is used as a whole.

    Args:
        folder: the plug-in's folder, with `install.json`.
        environ: the environment; that of the process when None.

    Raises:
        NotInstalled: `install.json` is damaged.
    """
    env = os.environ if environ is None else environ
    told = _told(folder / "install.json")
    is_overridden = bool(env.get(places.PREFIX_VARIABLE))
    root = places.prefix(env) if is_overridden or not told.get("prefix") else Path(told["prefix"])
    if is_overridden or not told.get("command"):
        own = root / "bin" / ("gimp-bsrgan.exe" if os.name == "nt" else "gimp-bsrgan")
        if own.is_file():
            return Installation(root, (str(own), "serve"))
    return Installation(root, tuple(told.get("command", ())))


def _told(path: Path) -> dict[str, Any]:
    """The checked fields of install.json; empty when there is none."""
    try:
        told = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        raise NotInstalled(_damaged()) from None
    is_text = isinstance(told, dict) and isinstance(told.get("prefix", ""), str)
    command = told.get("command", []) if is_text else None
    if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
        raise NotInstalled(_damaged())
    return dict(told)


def _damaged() -> str:
    return _("The plug-in's file install.json is damaged; run the installer of gimp-bsrgan again.")


def find_daemon(
    endpoint: str = "",
    *,
    folder: Path = PLUGIN_FOLDER,
    idle: Callable[[], None] | None = None,
    on_starting: Callable[[], None] | None = None,
) -> Rendezvous:
    """Return how to reach the daemon, starting one when none runs.

    Args:
        endpoint: another daemon than the installed one: `ipc://PATH`, or the path of a rendezvous file (needed for
            tcp, whose secret is in it). It is never started.
        folder: the plug-in's folder.
        idle: called several times a second while a daemon starts; may raise to stop waiting.
        on_starting: called once before a daemon is started.

    Raises:
        NotInstalled: no daemon runs and none is installed.
        DaemonUnreachable: it did not start or does not answer.
    """
    if endpoint.startswith(("ipc://", "tcp://")):
        return Rendezvous(PROTOCOL, "", "", 0, (endpoint,))
    if endpoint:
        return rendezvous.read(Path(endpoint).expanduser())
    installed = installation(folder)
    try:
        return rendezvous.read(places.rendezvous_file(installed.root))
    except DaemonUnreachable:
        return _start(installed, idle, on_starting)


def _start(
    installed: Installation, idle: Callable[[], None] | None, on_starting: Callable[[], None] | None
) -> Rendezvous:
    if not installed.command or not Path(installed.command[0]).exists():
        raise NotInstalled(
            _("The daemon of gimp-bsrgan is not installed in {folder}; run its installer and try again.").format(
                folder=installed.root
            )
        )
    if on_starting is not None:
        on_starting()
    return launch.ensure_daemon(installed.root, list(installed.command), START_TIMEOUT_S, idle)
