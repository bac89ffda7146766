from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsrgan_wire import framing
from bsrgan_wire.errors import ConnectionLost
from bsrgan_wire.framing import FrameReader, MessageLimits

SMALL = MessageLimits(early_bytes=100, last_bytes=100_000, frames=3)


def read(data: bytes, bounds: MessageLimits = SMALL, step: int = 10**9) -> list[tuple[bool, bool, bytes]]:
    """All frames in `data`, fed in steps of at most `step` bytes."""
    reader = FrameReader(bounds)
    frames = []
    while data:
        free = reader.free()
        count = min(len(free), len(data), step)
        assert count, "there is never room for nothing"
        free[:count] = data[:count]
        reader.advance(count)
        data = data[count:]
        while (frame := reader.next_frame()) is not None:
            frames.append((frame.is_command, frame.is_last, bytes(frame.body)))
    return frames


def packed(message: list[bytes]) -> bytes:
    """The bytes of a message."""
    last = len(message) - 1
    return b"".join(framing.frame_header(len(body), is_last=n == last) + body for n, body in enumerate(message))


MESSAGES = st.builds(
    lambda early, length, fill: [*early, bytes([fill]) * length],
    st.lists(st.binary(max_size=100), max_size=2),
    st.one_of(st.integers(0, 300), st.sampled_from([65_535, 65_536, 99_999, 100_000])),
    st.integers(0, 255),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(MESSAGES, max_size=5), st.one_of(st.integers(1, 9), st.integers(10, 70_000)))
def test_frames_survive_any_fragmentation(messages, step):
    """However the bytes are cut on their way, the same frames come out."""
    if step < 10:
        messages = [[body[:200] for body in message] for message in messages]
    expected = [
        (False, number == len(message) - 1, body) for message in messages for number, body in enumerate(message)
    ]
    assert read(b"".join(map(packed, messages)), step=step) == expected


def test_command_between_the_frames_of_a_message():
    """A PING that comes between two frames of a message disturbs neither."""
    data = framing.frame_header(1, is_last=False) + b"a" + framing.ping() + framing.frame_header(1) + b"b"
    assert read(data) == [(False, False, b"a"), (True, True, b"\x04PING\x00\x00"), (False, True, b"b")]


def test_long_frames_share_one_buffer():
    """A long body is read in place: its view is overwritten by the next long frame, as documented."""
    reader = FrameReader(SMALL)
    bodies = []
    for fill in (b"a", b"b"):
        data = packed([fill * 50_000])
        while data:
            free = reader.free()
            count = min(len(free), len(data))
            free[:count] = data[:count]
            reader.advance(count)
            data = data[count:]
        bodies.append(reader.next_frame().body)
    assert bytes(bodies[0]) == bytes(bodies[1]) == b"b" * 50_000


@pytest.mark.parametrize(
    "data",
    [
        b"\x08\x01x",
        b"\x80\x01x",
        b"\x05\x01x",
        b"\x02" + (100_001).to_bytes(8, "big"),
        b"\x02" + (2**63).to_bytes(8, "big"),
        b"\x02" + b"\xff" * 8,
        b"\x03" + (101).to_bytes(8, "big"),
        b"\x06" + (4097).to_bytes(8, "big"),
        b"\x01\x01a\x01\x01b\x01\x01c",
        b"\x01\x00" * 3,
    ],
    ids=lambda data: data[:12].hex(),
)
def test_limits_are_checked_before_the_body_comes(data):
    """Unknown flags, commands in parts, too long frames and too many of them are refused from their header alone."""
    with pytest.raises(ConnectionLost, match="damaged"):
        read(data)


def test_claim_of_much_memory_allocates_none():
    """A frame that claims the longest body allowed costs one buffer, a longer one costs nothing."""
    reader = FrameReader(MessageLimits())
    claim = b"\x02" + (2**62).to_bytes(8, "big")
    reader.free()[: len(claim)] = claim
    reader.advance(len(claim))
    with pytest.raises(ConnectionLost):
        reader.next_frame()
    assert reader._long_buffer is None


def test_greeting_is_64_bytes_of_zmtp_3_1():
    """Our greeting has the signature, version 3.1, the NULL mechanism and is a client's."""
    greeting = framing.GREETING
    assert len(greeting) == framing.GREETING_BYTES
    assert (greeting[0], greeting[9], greeting[10:12], greeting[12:17], greeting[32]) == (
        255,
        127,
        b"\3\1",
        b"NULL\0",
        0,
    )
    framing.check_greeting(greeting)


@pytest.mark.parametrize(
    "greeting",
    [
        b"\x00" + framing.GREETING[1:],
        framing.GREETING[:9] + b"\x7e" + framing.GREETING[10:],
        framing.GREETING[:10] + b"\x02" + framing.GREETING[11:],
        framing.GREETING.replace(b"NULL", b"PLAI"),
        framing.GREETING.replace(b"NULL\x00", b"NULLX"),
        b"HTTP/1.1 400 Bad Request\r\n".ljust(64, b"\0"),
    ],
    ids=["signature", "signature end", "version 2", "PLAIN", "longer name", "HTTP"],
)
def test_other_greetings_are_refused(greeting):
    """What is no greeting of a NULL peer of ZMTP 3 is refused."""
    with pytest.raises(ConnectionLost):
        framing.check_greeting(greeting)


def named(name: bytes, value: bytes) -> bytes:
    """A property of READY."""
    return bytes((len(name),)) + name + len(value).to_bytes(4, "big") + value


def test_ready_of_a_router_is_taken():
    """READY may have other properties beside the socket type, and names are compared without case."""
    framing.check_ready(named(b"socket-TYPE", b"ROUTER") + named(b"Identity", b"") + named(b"X-later", b"\x00" * 99))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        named(b"Socket-Type", b"DEALER"),
        named(b"Socket-Type", b"ROUTER")[:-1],
        named(b"Socket-Type", b"ROUTER") + b"\x01",
        named(b"", b"x") + named(b"Socket-Type", b"ROUTER"),
        b"\x0bSocket-Type\xff\xff\xff\xffROUTER",
    ],
    ids=["empty", "dealer", "cut", "cut name", "no name", "long claim"],
)
def test_other_ready_is_refused(data):
    """A READY that is malformed or of another socket type is refused."""
    with pytest.raises(ConnectionLost):
        framing.check_ready(data)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_random_commands_are_taken_or_refused(data):
    """Random bytes as READY, as PING or as a command cause nothing but ConnectionLost."""
    for parse in (framing.check_ready, framing.pong, framing.split_command):
        try:
            parse(data)
        except ConnectionLost:
            continue


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.integers(1, 50))
def test_random_bytes_are_frames_or_refused(data, step):
    """Random bytes on a connection cause nothing but frames within the limits or ConnectionLost."""
    try:
        frames = read(data, step=step)
    except ConnectionLost:
        return
    assert all(len(body) <= 100_000 for _, _, body in frames)


def test_pong_carries_the_context_back():
    """A PONG has the PING's context without its lifetime."""
    assert framing.pong(b"\x00\x0acontext") == b"\x04\x0c\x04PONGcontext"
