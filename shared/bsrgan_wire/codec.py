"""Messages to frames and back: `[magic][msgpack header][raw payload]`. No sockets, no state."""

from __future__ import annotations

from dataclasses import MISSING, dataclass
from typing import Any

import msgpack

from bsrgan_wire import checks, limits
from bsrgan_wire.errors import FrameError
from bsrgan_wire.messages import FROM_CLIENT, FROM_DAEMON, KINDS, RULES, Message

Buffer = bytes | bytearray | memoryview
CLIENT_KINDS = frozenset(kind.KIND for kind in FROM_CLIENT)
DAEMON_KINDS = frozenset(kind.KIND for kind in FROM_DAEMON)

_seq = checks.integer(0, 2**53)


@dataclass(frozen=True)
class Envelope:
    """A decoded message with what stands around it.

    Attributes:
        message: the message.
        seq: its number, counted by its sender from 1.
        ref: the number of the message it answers, 0 for none.
        session: the session id, empty before WELCOME.
        payload: the raw bytes, empty when the kind has none.
    """

    message: Message
    seq: int
    ref: int
    session: str
    payload: Buffer


def encode(message: Message, *, seq: int, ref: int = 0, session: str = "", payload: Buffer = b"") -> list[Buffer]:
    """Return the frames of a message.

    Args:
        message: any message of this protocol; its fields are checked.
        seq: the sender's number for it.
        ref: the number of the message that it answers.
        session: the session id, empty for HELLO, WELCOME and REJECT.
        payload: raw bytes, for the kinds that carry them.

    Raises:
        FrameError: a field fails its check, or header or payload break their limits.
    """
    header: dict[str, Any] = {"k": message.KIND, "n": seq, "r": ref, "s": session}
    for rule in RULES[message.KIND]:
        value = getattr(message, rule.name)
        if rule.default is not MISSING and value == rule.default:
            continue
        header[rule.key] = _checked(message.KIND, rule.key, rule.check, value, seq)
    packed = _pack(header, seq)
    if len(packed) > limits.HEADER_BYTES:
        raise FrameError("BAD_HEADER", detail=f"header of {len(packed)} bytes", ref=seq)
    _check_payload(message, len(payload), seq)
    frames: list[Buffer] = [limits.MAGIC, packed]
    if message.HAS_PAYLOAD:
        frames.append(payload)
    return frames


def decode(frames: list[Buffer], allowed: frozenset[str], header_bytes: int = limits.HEADER_BYTES) -> Envelope:
    """Return the message in `frames`, checked field by field.

    Args:
        frames: two or three frames, without routing id.
        allowed: kinds that may come from that side: `CLIENT_KINDS` or `DAEMON_KINDS`.
        header_bytes: the longest header accepted.

    Raises:
        FrameError: with the protocol code that says what is wrong; `ref` is the number of the message if it
            could be read, so that an ERROR can name it.
    """
    if len(frames) not in (2, 3):
        raise FrameError("BAD_FRAME", detail=f"{len(frames)} frames")
    if bytes(frames[0][:8]) != limits.MAGIC:
        raise FrameError("BAD_MAGIC")
    if len(frames[1]) > header_bytes:
        raise FrameError("BAD_HEADER", detail=f"header of {len(frames[1])} bytes")
    header = _unpack(frames[1])
    seq = _checked("?", "n", _seq, header.get("n"), 0)
    ref = _checked("?", "r", _seq, header.get("r", 0), seq)
    session = _checked("?", "s", checks.hex_id_or_empty, header.get("s", ""), seq)
    kind = header.get("k")
    if type(kind) is not str or kind not in KINDS or kind not in allowed:
        raise FrameError("UNKNOWN_KIND", detail=f"kind {str(kind)[:32]!r}", ref=seq)
    message = KINDS[kind](**_fields(kind, header, seq))
    payload: Buffer = frames[2] if len(frames) == 3 else b""
    if (len(frames) == 3) is not message.HAS_PAYLOAD:
        raise FrameError("BAD_FRAME", detail=f"{kind} with {len(frames)} frames", ref=seq)
    _check_payload(message, len(payload), seq)
    return Envelope(message, seq, ref, session, payload)


def _pack(header: dict[str, Any], seq: int) -> bytes:
    try:
        packed: bytes = msgpack.packb(header, use_bin_type=True)
    except (ValueError, TypeError, OverflowError) as error:
        # For example text with a lone surrogate, which UTF-8 cannot say.
        raise FrameError("BAD_HEADER", detail=f"{header['k']}: {type(error).__name__}", ref=seq) from None
    return packed


def _unpack(header: Buffer) -> dict[Any, Any]:
    try:
        value = msgpack.unpackb(
            header,
            raw=False,
            strict_map_key=True,
            use_list=True,
            object_pairs_hook=_distinct,
            ext_hook=_refuse_ext,
            timestamp=0,
            max_str_len=limits.TEXT_BYTES,
            max_array_len=256,
            max_map_len=64,
            max_bin_len=256,
            max_ext_len=0,
        )
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise FrameError("BAD_HEADER", detail=type(error).__name__) from None
    if type(value) is not dict:
        raise FrameError("BAD_HEADER", detail="no map")
    return value


def _distinct(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs) or any(type(key) is not str for key in values):
        raise ValueError("keys must be distinct texts")
    return values


def _refuse_ext(code: int, data: bytes) -> None:
    raise ValueError(f"extension type {code} of {len(data)} bytes")


def _fields(kind: str, header: dict[Any, Any], seq: int) -> dict[str, Any]:
    values = {}
    for rule in RULES[kind]:
        if rule.key in header:
            values[rule.name] = _checked(kind, rule.key, rule.check, header[rule.key], seq)
        elif rule.default is MISSING:
            raise FrameError("BAD_HEADER", detail=f"{kind} without {rule.key}", ref=seq)
        else:
            # Defaults pass their check too: it turns None into the empty map of optional maps.
            values[rule.name] = rule.check(rule.default)
    return values


def _checked(kind: str, key: str, check: Any, value: Any, seq: int) -> Any:
    try:
        return check(value)
    except ValueError as error:
        raise FrameError("BAD_HEADER", detail=f"{kind}.{key}: {error}", ref=seq) from None


def _check_payload(message: Message, length: int, seq: int) -> None:
    declared = getattr(message, "length", 0) if message.HAS_PAYLOAD else 0
    if length > limits.CHUNK_BYTES:
        raise FrameError("TOO_LARGE", detail=f"payload of {length} bytes", ref=seq)
    if length != declared:
        raise FrameError("BAD_FRAME", detail=f"payload of {length} bytes, declared {declared}", ref=seq)
