"""Who may connect: libzmq asks this ZAP handler before it hands over the first message of a connection.

Having a handler also makes libzmq refuse ZMTP 1.0, whose peers could pass raw junk as messages. It is answered
in the supervisor's own loop, so a connection is let in within one turn of it and no second thread exists.
"""

from __future__ import annotations

import os
import sys

import zmq

ZAP_ENDPOINT = "inproc://zeromq.zap.01"
DOMAIN = "gimp-bsrgan"
_VERSION = b"1.0"
_FRAMES = 6


class Gatekeeper:
    """The ZAP handler; create it before the ROUTER is bound.

    Attributes:
        socket: to be polled for reading; then call `answer`.
        refused: connections turned away so far.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self.socket = context.socket(zmq.REP)
        self.socket.linger = 0
        self.socket.bind(ZAP_ENDPOINT)
        self.refused = 0

    def answer(self) -> None:
        """Answer every request that waits."""
        while True:
            try:
                request = self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            self.socket.send_multipart(self._reply(request))

    def _reply(self, request: list[bytes]) -> list[bytes]:
        sequence = request[1] if len(request) > 1 else b""
        if len(request) >= _FRAMES and request[0] == _VERSION and is_own(request[3].decode("utf-8", "replace")):
            return [_VERSION, sequence, b"200", b"OK", b"", b""]
        self.refused += 1
        return [_VERSION, sequence, b"400", b"other user or host", b"", b""]

    def close(self) -> None:
        """Close the handler's socket."""
        self.socket.close()


def is_own(address: str) -> bool:
    """Whether a peer's address is this user (ipc: `localhost:UID:GID:PID`) or this host (tcp: `127.0.0.1`)."""
    if address == "127.0.0.1":
        return True
    parts = address.split(":")
    if sys.platform == "win32" or len(parts) < 3:
        return False
    return parts[0] in ("localhost", "") and parts[1] == str(os.geteuid())
