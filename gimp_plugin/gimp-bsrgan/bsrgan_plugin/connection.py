"""From the installed plug-in to a connected daemon. Without gi."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bsrgan_plugin.outcomes import NotInstalled
from bsrgan_plugin.translation import _
from bsrgan_wire import PROTOCOL, launch, places
from bsrgan_wire.client import Client
from bsrgan_wire.errors import DaemonUnreachable
from bsrgan_wire.rendezvous import Rendezvous

PLUGIN_FOLDER = Path(__file__).resolve().parent.parent
CLIENT_NAME = "gimp-bsrgan plug-in"
CONNECT_TIMEOUT_S = 5.0
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


def open_client(
    endpoint: str = "",
    *,
    folder: Path = PLUGIN_FOLDER,
    idle: Callable[[], None] | None = None,
    on_starting: Callable[[], None] | None = None,
) -> Client:
    """Connect to the daemon, starting one when none runs.

    Args:
        endpoint: another daemon than the installed one: `ipc://PATH`, or the path of a rendezvous file (needed for
            tcp, whose key is in it). It is never started.
        folder: the plug-in's folder.
        idle: called several times a second meanwhile; may raise to stop waiting.
        on_starting: called once before a daemon is started.

    Raises:
        NotInstalled: no daemon runs and none is installed.
        DaemonUnreachable: it did not start or does not answer.
        WireError: it rejects this client.
    """
    if endpoint.startswith("ipc://"):
        address = Rendezvous(PROTOCOL, "", "", 0, (endpoint,))
        return Client.connect(address, name=CLIENT_NAME, timeout_s=CONNECT_TIMEOUT_S, idle=idle)
    if endpoint:
        return _connect_at(Path(endpoint).expanduser(), idle)
    installed = installation(folder)
    path = places.rendezvous_file(installed.root)
    try:
        return _connect_at(path, idle)
    except DaemonUnreachable:
        if not _is_startable(installed):
            if path.exists():
                # Something ran here, and why it cannot be reached says more than that nothing is installed.
                raise
            raise NotInstalled(_nowhere(installed)) from None
    if on_starting is not None:
        on_starting()
    launch.ensure_daemon(installed.root, list(installed.command), timeout_s=START_TIMEOUT_S, idle=idle)
    return _connect_at(path, idle)


def _connect_at(path: Path, idle: Callable[[], None] | None) -> Client:
    return Client.connect_at(path, name=CLIENT_NAME, timeout_s=CONNECT_TIMEOUT_S, idle=idle)


def _is_startable(installed: Installation) -> bool:
    return bool(installed.command) and shutil.which(installed.command[0]) is not None


def _nowhere(installed: Installation) -> str:
    text = _("The daemon of gimp-bsrgan is not installed in {folder}; run its installer and try again.")
    return text.format(folder=installed.root)
