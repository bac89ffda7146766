"""The supervisor's line to a worker: length-prefixed JSON over a socket pair, with open files beside it.

Neither side trusts the other to be alive: a closed line is the ordinary `LinkClosed`, and a side that set its
socket non-blocking never waits. Pixels never travel here: both sides share open spool files. POSIX passes the
descriptors themselves; where that is not possible (Windows) their paths travel and the receiver opens them, so
that readers get open descriptors everywhere.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import sys
from collections import deque
from collections.abc import Sequence
from typing import Any

_LENGTH = struct.Struct(">I")
_LONGEST_BYTES = 1024 * 1024
_MOST_FILES = 4
_MOST_UNSENT_BYTES = 4 * 1024 * 1024
_STDIN = "stdin"

PASSES_FILES = hasattr(socket, "send_fds")
"""Whether descriptors can be passed over a socket on this system."""


class LinkClosed(Exception):
    """The other process closed its end, is gone, or sent what is no message."""


class LinkFull(LinkClosed):
    """The other process does not read, and nothing more can be kept for it."""


class Link:
    """One end of the line; not thread-safe for sending or for receiving from two threads each.

    Attributes:
        sock: the connected stream socket; on POSIX a Unix socket, so that files can be passed.
        passes_files: whether descriptors travel (else paths do).
    """

    def __init__(self, sock: socket.socket, *, passes_files: bool = PASSES_FILES) -> None:
        self.sock = sock
        self.passes_files = passes_files
        self._buffer = bytearray()
        self._files: deque[int] = deque()
        self._unsent: deque[tuple[bytes, list[int]]] = deque()

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self.sock.fileno()

    def close(self) -> None:
        """Close the socket, the received files that no message has handed out, and those that were not sent."""
        self.sock.close()
        for descriptor in [*self._files, *(file for _rest, files in self._unsent for file in files)]:
            os.close(descriptor)
        self._files.clear()
        self._unsent.clear()

    @property
    def is_sending(self) -> bool:
        """Whether something waits for room in the line; `flush` then, when the socket can be written."""
        return bool(self._unsent)

    def send(self, message: dict[str, Any], files: Sequence[int] = (), paths: Sequence[str] = ()) -> None:
        """Send a message and open files with it; the count travels as `files`.

        A non-blocking end keeps what does not fit for `flush`, with files of its own.

        Args:
            message: what JSON can hold.
            files: descriptors, at most 4; the receiver gets its own copies.
            paths: the same files by path, needed only where descriptors cannot be passed.

        Raises:
            LinkClosed: the other process is gone.
            LinkFull: it does not read (non-blocking only).
        """
        passed = files if self.passes_files else ()
        if files and not passed:
            message = {**message, "paths": list(paths)}
        self._send(_frame({**message, "files": len(passed)} if passed else message), passed)

    def send_all(self, messages: Sequence[dict[str, Any]]) -> None:
        """Send messages without files at once: the other process wakes for them once.

        Raises:
            LinkClosed: as `send`.
        """
        self._send(b"".join(_frame(message) for message in messages), ())

    def flush(self) -> None:
        """Send what there was no room for, as far as there is now.

        Raises:
            LinkClosed: the other process is gone.
        """
        while self._unsent:
            frame, files = self._unsent[0]
            rest, left = self._handed_over(frame, files)
            if not left:
                for descriptor in files:
                    os.close(descriptor)
            if rest:
                self._unsent[0] = (rest, left)
                return
            self._unsent.popleft()

    def _send(self, frame: bytes, files: Sequence[int]) -> None:
        rest, left = (frame, list(files)) if self._unsent else self._handed_over(frame, files)
        if rest:
            if sum(len(waiting) for waiting, _files in self._unsent) + len(rest) > _MOST_UNSENT_BYTES:
                raise LinkFull("it does not read")
            try:
                self._unsent.append((rest, [os.dup(descriptor) for descriptor in left]))
            except OSError as error:  # this process has too many files open
                raise LinkFull(str(error)) from error

    def _handed_over(self, frame: bytes, files: Sequence[int]) -> tuple[bytes, list[int]]:
        """Give the socket what it takes; returns the rest, and the files unless they have gone with its first byte."""
        view, left = memoryview(frame), list(files)
        try:
            while view:
                sent = socket.send_fds(self.sock, [view], left) if left else self.sock.send(view)
                view, left = view[sent:], []
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            raise LinkClosed(str(error)) from error
        return bytes(view), left

    def receive(self) -> list[tuple[dict[str, Any], list[int]]]:
        """Read what is there (a blocking socket waits until something is) and return the complete messages.

        Returns:
            Messages in order, each with its open files; the caller closes those. Every text can be encoded as UTF-8.

        Raises:
            LinkClosed: the other process is gone, or sent what is no message.
        """
        try:
            data, files = self._read()
        except (BlockingIOError, InterruptedError):
            return []
        except OSError as error:
            raise LinkClosed(str(error)) from error
        self._files.extend(files)
        if not data:
            raise LinkClosed("end of file")
        self._buffer += data
        return self._complete()

    def _read(self) -> tuple[bytes, list[int]]:
        if not self.passes_files:
            return self.sock.recv(64 * 1024), []
        data, files, _flags, _address = socket.recv_fds(self.sock, 64 * 1024, _MOST_FILES)
        for descriptor in files:
            # recv_fds ignores the flag that would do this; without it the file would live on in a child process.
            os.set_inheritable(descriptor, False)
        return data, files

    def _complete(self) -> list[tuple[dict[str, Any], list[int]]]:
        messages = []
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > _LONGEST_BYTES:
                raise LinkClosed(f"message of {length} bytes")
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                break
            message = _message(bytes(self._buffer[_LENGTH.size : end]))
            del self._buffer[:end]
            messages.append((message, self._files_of(message)))
        return messages

    def _files_of(self, message: dict[str, Any]) -> list[int]:
        if not self.passes_files:
            paths = message.get("paths", [])
            try:
                return [os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0)) for path in paths[:_MOST_FILES]]
            except (OSError, TypeError) as error:
                raise LinkClosed(f"a passed file cannot be opened: {error}") from error
        count = message.get("files", 0)
        if not isinstance(count, int) or not 0 <= count <= len(self._files):
            raise LinkClosed(f"message with {count!r} files, {len(self._files)} arrived")
        return [self._files.popleft() for _ in range(count)]


def _frame(message: dict[str, Any]) -> bytes:
    body = json.dumps(message, separators=(",", ":"), allow_nan=False).encode()
    return _LENGTH.pack(len(body)) + body


def _message(body: bytes) -> dict[str, Any]:
    try:
        message = _encodable(json.loads(body))
    except (ValueError, RecursionError) as error:
        raise LinkClosed(f"no JSON: {type(error).__name__}") from error
    if not isinstance(message, dict):
        raise LinkClosed("no JSON object")
    return message


def _encodable(value: Any) -> Any:
    """The value with "?" for half characters: JSON can say them, and whoever passes them on as UTF-8 could not."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(text.encode("utf-8", "replace"))
    return value


def pair() -> tuple[Link, socket.socket]:
    """A fresh line: this process's end, and the socket to hand to a child process with `handed_over`."""
    ours, theirs = socket.socketpair()
    return Link(ours), theirs


def child_argument(theirs: socket.socket) -> str:
    """What the child gets as `--link-fd`: the inherited descriptor, or "stdin" where none can be inherited."""
    return str(theirs.fileno()) if PASSES_FILES else _STDIN


def hand_over(theirs: socket.socket, pid: int) -> bytes:
    """What to write to the child's standard input after its start: nothing on POSIX, the shared socket elsewhere."""
    if sys.platform == "win32":
        return base64.b64encode(theirs.share(pid)) + b"\n"
    return b""


def inherited(argument: str) -> Link:
    """The child's end of the line, from its `--link-fd` argument.

    Raises:
        ValueError: the argument is neither a descriptor's number nor "stdin".
        OSError: the descriptor is no socket.
    """
    if argument == _STDIN:
        if sys.platform == "win32":
            return Link(socket.fromshare(base64.b64decode(sys.stdin.buffer.readline())))
        raise ValueError("the line comes over standard input on Windows only")
    return Link(socket.socket(fileno=int(argument)))
