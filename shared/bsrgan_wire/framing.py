"""ZMTP 3.1 as bytes: greeting, frames and commands (ZeroMQ RFC 23 and 37). No sockets, no clocks.

Every length is checked against its limit before anything of that size is allocated.
"""

from __future__ import annotations

from dataclasses import dataclass

from bsrgan_wire import limits
from bsrgan_wire.errors import ConnectionLost

Buffer = bytes | bytearray | memoryview

GREETING_BYTES = 64
GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x01" + b"NULL".ljust(20, b"\x00") + bytes(32)
COMMAND_BYTES = 4096
"""Longest command accepted; those of a NULL connection have some tens of bytes."""

_MORE, _LONG, _COMMAND = 1, 2, 4
_STAGE_BYTES = 128 * 1024


@dataclass(frozen=True)
class MessageLimits:
    """Bounds of one message from the peer.

    Attributes:
        early_bytes: longest frame that is not the message's last.
        last_bytes: longest last frame.
        frames: most frames.
    """

    early_bytes: int = limits.HEADER_BYTES
    last_bytes: int = limits.CHUNK_BYTES
    frames: int = 3


@dataclass(frozen=True)
class Frame:
    """A frame as received; a body that is a memoryview is overwritten by the next long frame."""

    is_command: bool
    is_last: bool
    body: Buffer


def violation(detail: str) -> ConnectionLost:
    """The error for a peer that does not keep to ZMTP or to our limits."""
    return ConnectionLost(f"The connection to the daemon is damaged ({detail}); restart the daemon and try again.")


def frame_header(length: int, *, is_last: bool = True, is_command: bool = False) -> bytes:
    """The flags and the length that precede a body of `length` bytes."""
    flags = (0 if is_last else _MORE) | (_COMMAND if is_command else 0)
    if length > 255:
        return bytes((flags | _LONG,)) + length.to_bytes(8, "big")
    return bytes((flags, length))


def command(name: bytes, data: bytes) -> bytes:
    """A whole command frame."""
    body = bytes((len(name),)) + name + data
    return frame_header(len(body), is_command=True) + body


def ready() -> bytes:
    """The READY command of a DEALER."""
    return command(b"READY", b"\x0bSocket-Type" + (6).to_bytes(4, "big") + b"DEALER")


def ping() -> bytes:
    """A PING command without a lifetime: a client whose user interface is busy must not lose its connection."""
    return command(b"PING", b"\x00\x00")


def pong(ping_data: bytes) -> bytes:
    """The PONG that answers a PING's data (two bytes of lifetime, up to 16 of context).

    Raises:
        ConnectionLost: the PING is malformed.
    """
    if not 2 <= len(ping_data) <= 18:
        raise violation("malformed PING")
    return command(b"PONG", ping_data[2:])


def split_command(body: bytes) -> tuple[bytes, bytes]:
    """A command's name and data.

    Raises:
        ConnectionLost: the name is longer than the command.
    """
    end = 1 + body[0] if body else 0
    if not 1 < end <= len(body):
        raise violation("malformed command")
    return body[1:end], body[end:]


def check_greeting(greeting: bytes) -> None:
    """Accept the 64 bytes with which a NULL peer of ZMTP 3 begins.

    Raises:
        ConnectionLost: they are something else.
    """
    if greeting[0] != 0xFF or greeting[9] & 1 == 0 or greeting[10] < 3:
        raise violation("the peer does not speak ZMTP 3")
    if greeting[12:32].rstrip(b"\x00") != b"NULL":
        raise violation("the peer asks for another security mechanism")


def check_ready(data: bytes) -> None:
    """Accept the properties of a ROUTER's READY command.

    Raises:
        ConnectionLost: they are malformed or of another socket type.
    """
    properties: dict[bytes, bytes] = {}
    at = 0
    while at < len(data):
        name_end = at + 1 + data[at]
        value_start = name_end + 4
        value_end = value_start + int.from_bytes(data[name_end:value_start], "big")
        if value_end > len(data) or name_end == at + 1:
            raise violation("malformed READY")
        properties[data[at + 1 : name_end].lower()] = data[value_start:value_end]
        at = value_end
    if properties.get(b"socket-type") != b"ROUTER":
        raise violation("the peer is no ROUTER")


class FrameReader:
    """Turns the bytes of a connection into frames.

    The socket reads straight into `free()`; after `advance(count)`, `next_frame()` gives what is complete. Frames
    longer than `early_bytes` are read in place into one buffer of the reader's own, so that a result's chunks cost
    neither an allocation nor a copy each.
    """

    def __init__(self, bounds: MessageLimits) -> None:
        self._bounds = bounds
        self._staged = memoryview(bytearray(max(_STAGE_BYTES, 2 * bounds.early_bytes)))
        self._low = 0
        self._high = 0
        self._long_buffer: memoryview | None = None
        self._long: memoryview | None = None
        self._filled = 0
        self._frames_before = 0

    @property
    def is_inside_message(self) -> bool:
        """Whether bytes of an unfinished frame or message have been received."""
        return self._long is not None or self._low < self._high or self._frames_before > 0

    def free(self) -> memoryview:
        """Where the next bytes are to be read to; never empty."""
        if self._long is not None:
            return self._long[self._filled :]
        if self._low == self._high:
            self._low = self._high = 0
        elif self._high == len(self._staged):
            rest = bytes(self._staged[self._low : self._high])
            self._staged[: len(rest)] = rest
            self._low, self._high = 0, len(rest)
        return self._staged[self._high :]

    def advance(self, count: int) -> None:
        """Say that `count` bytes were read into `free()`."""
        if self._long is not None:
            self._filled += count
        else:
            self._high += count

    def take(self, count: int) -> bytes | None:
        """The next `count` raw bytes (the greeting is no frame), or None while they are not complete."""
        if self._high - self._low < count:
            return None
        self._low += count
        return bytes(self._staged[self._low - count : self._low])

    def next_frame(self) -> Frame | None:
        """The next complete frame, or None.

        Raises:
            ConnectionLost: the flags are not of ZMTP, or a limit is broken.
        """
        if self._long is None:
            return self._staged_frame()
        if self._filled < len(self._long):
            return None
        body, self._long = self._long, None
        self._frames_before = 0
        return Frame(False, True, body)

    def _staged_frame(self) -> Frame | None:
        have = self._high - self._low
        head = 9 if have and self._staged[self._low] & _LONG else 2
        if have < head:
            return None
        flags = self._staged[self._low]
        length = int.from_bytes(self._staged[self._low + 1 : self._low + head], "big")
        self._check(flags, length)
        if length > self._bounds.early_bytes:
            self._begin_long(head, length)
            return self.next_frame()
        body = None if have < head + length else bytes(self._staged[self._low + head : self._low + head + length])
        if body is None:
            return None
        self._low += head + length
        is_command, is_last = bool(flags & _COMMAND), not flags & _MORE
        if not is_command:
            self._frames_before = 0 if is_last else self._frames_before + 1
        return Frame(is_command, is_last, body)

    def _check(self, flags: int, length: int) -> None:
        if flags & ~(_MORE | _LONG | _COMMAND):
            raise violation("unknown frame flags")
        if flags & _COMMAND:
            if flags & _MORE:
                raise violation("a command in parts")
            longest = COMMAND_BYTES
        else:
            longest = self._bounds.early_bytes if flags & _MORE else self._bounds.last_bytes
            if self._frames_before + (2 if flags & _MORE else 1) > self._bounds.frames:
                raise violation("a message of too many frames")
        if length > longest:
            raise violation(f"a frame of {length} bytes")

    def _begin_long(self, head: int, length: int) -> None:
        if self._long_buffer is None:
            self._long_buffer = memoryview(bytearray(self._bounds.last_bytes))
        self._long = self._long_buffer[:length]
        start = self._low + head
        self._filled = min(length, self._high - start)
        self._long[: self._filled] = self._staged[start : start + self._filled]
        self._low = start + self._filled
