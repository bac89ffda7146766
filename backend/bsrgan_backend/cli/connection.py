"""A connection to the daemon of this installation, which is started when none runs."""

from __future__ import annotations

import sys
from collections.abc import Callable

from bsrgan_wire import launch, places
from bsrgan_wire.client import Client

START_S = 60.0
NAME = "gimp-bsrgan command"
CONNECT_S = 10.0


def serve_command() -> list[str]:
    """What starts the daemon: this very Python, so that both are of one installation."""
    return [sys.executable, "-m", "bsrgan_backend.cli.main", "serve"]


def connect(on_wait: Callable[[], None] | None = None) -> Client:
    """Connect, starting the daemon first when none runs.

    Args:
        on_wait: called several times a second while that takes time.

    Raises:
        DaemonUnreachable: it did not start or does not answer.
    """
    address = launch.ensure_daemon(places.prefix(), serve_command(), timeout_s=START_S, idle=on_wait)
    return Client.connect(address, name=NAME, timeout_s=CONNECT_S, idle=on_wait)
