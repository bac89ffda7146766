"""The supervisor's line to a worker: length-prefixed JSON over a socket pair, with open files beside it.

Neither side trusts the other to be alive, so reading never blocks longer than its caller says, and a closed
line is an ordinary answer (`None`), not an error. Pixels never travel here: both sides share open spool files.
"""

from __future__ import annotations

import json
import socket
import struct
from collections import deque
from typing import Any

_LENGTH = struct.Struct(">I")
_LONGEST_BYTES = 1024 * 1024
_MOST_FILES = 4


class LinkClosed(Exception):
    """The other process closed its end or is gone."""


class Link:
    """One end of the line; not thread-safe for sending or for receiving from two threads each.

    Attributes:
        sock: the connected stream socket; on POSIX a Unix socket, so that files can be passed.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = bytearray()
        self._files: deque[int] = deque()

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self.sock.fileno()

    def close(self) -> None:
        """Close the socket; files received but never taken stay with whoever took the message."""
        self.sock.close()

    def send(self, message: dict[str, Any], files: tuple[int, ...] = ()) -> None:
        """Send a message and, on POSIX, descriptors of open files with it.

        Raises:
            LinkClosed: the other process is gone.
        """
        body = json.dumps(message, separators=(",", ":")).encode()
        frame = _LENGTH.pack(len(body)) + body
        try:
            if files:
                # sendmsg may take a part of the frame only; the files go with its first byte.
                sent = socket.send_fds(self.sock, [frame], list(files))
                frame = frame[sent:]
            self.sock.sendall(frame)
        except OSError as error:
            raise LinkClosed(str(error)) from error

    def receive(self) -> list[tuple[dict[str, Any], list[int]]]:
        """Read what is there (blocking until something is) and return the complete messages with their files.

        Raises:
            LinkClosed: the other process is gone, or sent what is no message.
        """
        try:
            data, files, _flags, _address = socket.recv_fds(self.sock, 64 * 1024, _MOST_FILES)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError as error:
            raise LinkClosed(str(error)) from error
        if not data:
            raise LinkClosed("end of file")
        self._buffer += data
        self._files.extend(files)
        return self._complete()

    def _complete(self) -> list[tuple[dict[str, Any], list[int]]]:
        messages = []
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > _LONGEST_BYTES:
                raise LinkClosed(f"message of {length} bytes")
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                break
            message = json.loads(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            count = int(message.get("files", 0))
            messages.append((message, [self._files.popleft() for _ in range(min(count, len(self._files)))]))
        return messages
