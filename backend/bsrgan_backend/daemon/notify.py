"""Messages to systemd (`sd_notify`), in standard library sockets; without systemd every call does nothing."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping


class Notifier:
    """The line to the service supervisor that `NOTIFY_SOCKET` names.

    Attributes:
        watchdog_s: send `alive` at least this often; 0 when no watchdog waits.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        env = os.environ if environ is None else environ
        self._address = env.get("NOTIFY_SOCKET", "")
        self.watchdog_s = self._half_watchdog(env) if self._address else 0.0

    @staticmethod
    def _half_watchdog(env: Mapping[str, str]) -> float:
        if env.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
            return 0.0
        try:
            return max(int(env.get("WATCHDOG_USEC", "0")), 0) / 2e6
        except ValueError:
            return 0.0

    def ready(self) -> None:
        """The endpoint is bound; jobs may come."""
        self._send("READY=1")

    def alive(self) -> None:
        """The loop still turns."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The daemon is on its way down."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address or not hasattr(socket, "AF_UNIX"):
            return
        # A leading @ is systemd's way to write an abstract socket.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto(text.encode(), address)
