from __future__ import annotations

import dataclasses
import math
import os
import re
import struct
import subprocess
import sys
from dataclasses import MISSING
from pathlib import Path

import msgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bsrgan_wire import checks, limits
from bsrgan_wire.codec import CLIENT_KINDS, DAEMON_KINDS, Envelope, decode, encode
from bsrgan_wire.errors import CODES, FrameError
from bsrgan_wire.messages import KINDS, RULES, Bye, Chunk, Hello, Ping, Progress, Put, State, StatusReport, Submit

ANY = CLIENT_KINDS | DAEMON_KINDS
JOB = "0123456789abcdef" * 2
SESSION = "fedcba9876543210" * 2
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=40),
)
NAMES = st.text(max_size=12)
FOREIGN = [
    *(None, True, 0, -1, 2**63, 1.5, math.nan, math.inf, -math.inf),
    *("", "x", "x" * 5000, "é" * 2000, "g" * 32, JOB.upper(), b"", b"x" * 32, b"x" * 300),
    *([], [1], [True], [-1], ["x"], [[[]]], [None] * 200),
    *({}, {"a": 1}, {"a": math.nan}, {"a": {}}, {"a": [[]]}, {1: 2}, {"x" * 65: 1}),
    *(msgpack.ExtType(5, b""), msgpack.ExtType(5, b"x"), msgpack.Timestamp(0)),
]

quick = settings(max_examples=40, deadline=None)
thorough = settings(max_examples=300, deadline=None)


def told(check) -> str:
    """What a check says that it expects: the strategies below are made from that."""
    try:
        check(object())
    except ValueError as error:
        return str(error).removeprefix("expected ")
    pytest.fail("a check took an object()")


def values(check) -> st.SearchStrategy:
    """Values that a check must take."""
    sentence = told(check)
    numbers = [int(float(number)) for number in re.findall(r"-?\d+(?:\.\d+)?(?:e[+]?\d+)?", sentence)]
    if sentence.startswith("an integer"):
        return st.integers(*numbers)
    if sentence.startswith("a number"):
        return st.floats(*numbers)
    if sentence.startswith("text"):
        return st.text(max_size=min(numbers[0], 600))
    if sentence.startswith("one of"):
        return st.sampled_from(sentence.removeprefix("one of ").split(", "))
    if sentence.startswith("32 hex"):
        return st.uuids().map(lambda value: value.hex)
    if sentence.endswith("bytes"):
        return st.binary(min_size=numbers[0], max_size=numbers[1])
    if "integers" in sentence:
        return st.lists(st.integers(numbers[1], numbers[2]), max_size=numbers[0]).map(tuple)
    if "maps" in sentence:
        return st.lists(st.dictionaries(NAMES, SCALARS, max_size=9), max_size=9).map(tuple)
    if "texts" in sentence:
        return st.lists(st.text(max_size=numbers[1]), max_size=numbers[0]).map(tuple)
    if sentence.endswith("lists of scalars"):
        return st.dictionaries(NAMES, SCALARS | st.lists(SCALARS, max_size=9), max_size=9)
    return st.dictionaries(NAMES, SCALARS, max_size=9)


@st.composite
def messages(draw, kinds=tuple(KINDS)):
    """Any message and a payload that fits it."""
    kind = draw(st.sampled_from(kinds))
    fields = {rule.name: draw(values(rule.check)) for rule in RULES[kind]}
    if not KINDS[kind].HAS_PAYLOAD:
        return KINDS[kind](**fields), b""
    payload = draw(st.binary(min_size=1, max_size=100))
    return KINDS[kind](**fields | {"length": len(payload)}), payload


@st.composite
def sound(draw, kind):
    """Fields of a kind by key, as they stand in a header, and a payload that fits."""
    message, payload = draw(messages((kind,)))
    return {rule.key: getattr(message, rule.name) for rule in RULES[kind]}, payload


def frames_of(kind: str, fields: dict, payload: bytes = b"", **head) -> list[bytes]:
    """Frames around a header that nobody has checked."""
    header = {"k": kind, "n": 7, "r": 0, "s": ""} | head | fields
    frames = [limits.MAGIC, msgpack.packb(header)]
    return [*frames, payload] if KINDS[kind].HAS_PAYLOAD else frames


def minimal(kind: str) -> tuple[dict, bytes]:
    """The required fields of a kind with plain values."""
    plain = {
        "an integer": 1,
        "text": "x",
        "32 hex": JOB,
        "16 to 32": b"n" * 16,
        "one of": None,
        "a list": [1],
        "a map": {},
    }
    fields = {}
    for rule in RULES[kind]:
        if rule.default is MISSING:
            sentence = told(rule.check)
            value = next(value for start, value in plain.items() if sentence.startswith(start))
            fields[rule.key] = sentence.removeprefix("one of ").split(", ")[0] if value is None else value
    if "chunk" in fields:
        fields["chunk"] = 4096
    return fields, b"p" if KINDS[kind].HAS_PAYLOAD else b""


def outcome(frames: list) -> Envelope | FrameError:
    """What becomes of frames: a message, or the error with which they are refused; nothing else may happen."""
    try:
        return decode(frames, ANY)
    except FrameError as error:
        return error


def refusal(frames: list, allowed=ANY) -> FrameError:
    """The error with which frames are refused."""
    with pytest.raises(FrameError) as caught:
        decode(frames, allowed)
    return caught.value


# --- what is sent is received --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_survives_the_wire(kind):
    """Any message with any valid fields is decoded equal to what was encoded, with its envelope."""

    @quick
    @given(messages((kind,)), st.integers(0, 2**53), st.integers(0, 2**53), st.sampled_from(["", SESSION]))
    def check(case, seq, ref, session):
        message, payload = case
        frames = encode(message, seq=seq, ref=ref, session=session, payload=payload)
        assert decode(frames, ANY) == Envelope(message, seq, ref, session, payload)

    check()


def test_defaults_do_not_travel():
    """A field that has its default is left out, and an absent one gets its default."""
    frames = encode(Bye(), seq=1)
    assert msgpack.unpackb(frames[1]) == {"k": "BYE", "n": 1, "r": 0, "s": ""}
    assert decode(frames, ANY).message == Bye(reason="")


def test_absent_params_are_an_empty_map():
    """A SUBMIT without options has the empty map, not nil."""
    fields, _ = minimal("SUBMIT")
    message = decode(frames_of("SUBMIT", fields), ANY).message
    assert isinstance(message, Submit)
    assert message.params == {}


def test_unknown_keys_are_ignored():
    """Keys of a later minor version do not disturb, whatever they hold."""
    frames = frames_of("PING", {"later": [[["x"]]], "more": {"a": {"b": b"c"}}})
    assert decode(frames, ANY).message == Ping()


def test_payload_is_not_copied():
    """The payload is handed over as it came, so that a chunk of megabytes costs nothing."""
    payload = memoryview(bytearray(b"pixels"))
    put = Put(job=JOB, offset=0, length=6, crc=0)
    frames = encode(put, seq=1, payload=payload)
    assert frames[2] is payload
    assert decode(frames, ANY).payload is payload


def test_header_of_a_chunk_is_small():
    """What is added to four megabytes of pixels is less than a hundred bytes."""
    chunk = Chunk(job=JOB, offset=2**40, length=limits.CHUNK_BYTES, crc=2**32 - 1)
    frames = encode(chunk, seq=2**40, ref=2**40, session=SESSION, payload=bytes(limits.CHUNK_BYTES))
    assert sum(len(frame) for frame in frames[:2]) < 160


# --- golden frames -------------------------------------------------------------------------------------------

GOLDEN = Path(__file__).parent / "frames_v1"


def golden_frames(path: Path) -> list[bytes]:
    """The frames in a file: each with its length in four bytes, big-endian."""
    data, frames = path.read_bytes(), []
    while data:
        (length,) = struct.unpack(">I", data[:4])
        frames.append(data[4 : 4 + length])
        data = data[4 + length :]
    return frames


def test_there_are_golden_frames_of_every_kind():
    """Each kind has recorded frames, with all fields and with the required ones only; older ones are kept."""
    stems = {path.stem for path in GOLDEN.glob("*.bin") if "-older" not in path.stem}
    assert stems == {*KINDS, *(f"{kind}-minimal" for kind in KINDS)}


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.bin")), ids=lambda path: path.stem)
def test_golden_frames_stay_readable(path):
    """Frames recorded when protocol 1 was made are decoded, and what is encoded today is the same bytes."""
    frames = golden_frames(path)
    envelope = decode(frames, ANY)
    assert isinstance(envelope.message, KINDS[path.stem.partition("-")[0]])
    again = encode(
        envelope.message, seq=envelope.seq, ref=envelope.ref, session=envelope.session, payload=envelope.payload
    )
    if "-" not in path.stem:
        assert again == frames
        for rule in RULES[envelope.message.KIND]:
            value = getattr(envelope.message, rule.name)
            assert rule.default is MISSING or value != rule.default, f"{rule.name} is not recorded"
    assert decode(again, ANY) == envelope


# --- what is refused -----------------------------------------------------------------------------------------

FIELDS = [(kind, rule.key) for kind, rules in RULES.items() for rule in rules]


@pytest.mark.parametrize(("kind", "key"), FIELDS)
def test_field_of_a_wrong_type_is_named(kind, key):
    """A nested list in any field is refused as BAD_HEADER that names the field and the message."""
    fields, payload = minimal(kind)
    error = refusal(frames_of(kind, fields | {key: [[[]]]}, payload))
    assert (error.code, error.ref) == ("BAD_HEADER", 7)
    assert f"{kind}.{key}" in error.detail


@pytest.mark.parametrize(("kind", "key"), FIELDS)
def test_any_value_in_any_field_is_taken_or_refused(kind, key):
    """Whatever stands in a field, the answer is a message or a FrameError with a code of the protocol."""
    fields, payload = minimal(kind)
    rule = next(rule for rule in RULES[kind] if rule.key == key)
    for value in FOREIGN:
        got = outcome(frames_of(kind, fields | {key: value}, payload))
        if isinstance(got, FrameError):
            assert got.code in ("BAD_HEADER", "BAD_FRAME"), value
        else:
            taken = getattr(got.message, rule.name)
            assert rule.check(taken) == taken, value


@pytest.mark.parametrize(
    ("kind", "key"), [(k, r.key) for k, rules in RULES.items() for r in rules if r.default is MISSING]
)
def test_missing_field_is_named(kind, key):
    """A message without one of its required fields is refused and the field named."""
    fields, payload = minimal(kind)
    del fields[key]
    error = refusal(frames_of(kind, fields, payload))
    assert (error.code, error.ref) == ("BAD_HEADER", 7)
    assert f"{kind} without {key}" in error.detail


@pytest.mark.parametrize("kind", KINDS)
def test_minimal_message_is_taken(kind):
    """The required fields alone make a message: what the tests above remove or change is what matters."""
    fields, payload = minimal(kind)
    assert isinstance(decode(frames_of(kind, fields, payload), ANY).message, KINDS[kind])


@pytest.mark.parametrize(
    ("head", "code", "ref"),
    [
        ({"n": -1}, "BAD_HEADER", 0),
        ({"n": True}, "BAD_HEADER", 0),
        ({"n": "1"}, "BAD_HEADER", 0),
        ({"n": 2**53 + 1}, "BAD_HEADER", 0),
        ({"n": None}, "BAD_HEADER", 0),
        ({"r": 1.0}, "BAD_HEADER", 7),
        ({"s": "short"}, "BAD_HEADER", 7),
        ({"s": None}, "BAD_HEADER", 7),
        ({"s": SESSION.upper()}, "BAD_HEADER", 7),
        ({"k": "NOPE"}, "UNKNOWN_KIND", 7),
        ({"k": None}, "UNKNOWN_KIND", 7),
        ({"k": ["PING"]}, "UNKNOWN_KIND", 7),
        ({"k": "x" * 4096}, "UNKNOWN_KIND", 7),
    ],
    ids=str,
)
def test_wrong_envelope_is_refused(head, code, ref):
    """The keys of every header are checked like fields, and the error names the message when its number is known."""
    error = refusal(frames_of("PING", {}, **head))
    assert (error.code, error.ref) == (code, ref)


def test_kind_of_the_wrong_side_is_refused():
    """A client that sends what only a daemon says is refused, and the other way round."""
    fields, _ = minimal("WELCOME")
    assert refusal(frames_of("WELCOME", fields), CLIENT_KINDS).code == "UNKNOWN_KIND"
    assert refusal(frames_of("PING", {}), DAEMON_KINDS).code == "UNKNOWN_KIND"


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([], "BAD_FRAME"),
        ([b"SRP1"], "BAD_FRAME"),
        ([b"SRP1", b"\x80", b"", b""], "BAD_FRAME"),
        ([b"SRP2", b"\x80"], "BAD_MAGIC"),
        ([b"", b"\x80"], "BAD_MAGIC"),
        ([b"SRP1x", b"\x80"], "BAD_MAGIC"),
        ([b"S" * 2**20, b"\x80"], "BAD_MAGIC"),
        ([b"SRP1", b""], "BAD_HEADER"),
        ([b"SRP1", b"\xc1"], "BAD_HEADER"),
        ([b"SRP1", b"\x90"], "BAD_HEADER"),
        ([b"SRP1", b"\xc0"], "BAD_HEADER"),
        ([b"SRP1", b"\x80\x80"], "BAD_HEADER"),
        ([b"SRP1", b"\x80"], "BAD_HEADER"),
        ([b"SRP1", b"\xdf\xff\xff\xff\xff"], "BAD_HEADER"),
        ([b"SRP1", b"\x81\xa1k\xdb\xff\xff\xff\xff"], "BAD_HEADER"),
        ([b"SRP1", b"\x81\xa1k\xdd\xff\xff\xff\xff"], "BAD_HEADER"),
        ([b"SRP1", b"\x81\xa1k\xc6\xff\xff\xff\xff"], "BAD_HEADER"),
        ([b"SRP1", b"\x81\xa1k\xc9\xff\xff\xff\xff\x05"], "BAD_HEADER"),
        ([b"SRP1", b"\x81\x01\x02"], "BAD_HEADER"),
        ([b"SRP1", b"\x81\xc4\x01k\xa4PING"], "BAD_HEADER"),
        ([b"SRP1", b"\x82\xa1n\x01\xa1n\x02"], "BAD_HEADER"),
        ([b"SRP1", b"\x82\xa1k\xa2\xff\xff\xa1n\x01"], "BAD_HEADER"),
        ([b"SRP1", b"\x81\xa1k" + b"\x91" * 60_000], "BAD_HEADER"),
        ([b"SRP1", b"\x81\xa1k" + b"\x81\xa1x" * 20_000], "BAD_HEADER"),
        ([b"SRP1", b"\x80" * (limits.HEADER_BYTES + 1)], "BAD_HEADER"),
    ],
    ids=lambda case: str(case)[:40],
)
def test_broken_frames_are_refused(frames, code):
    """Frames that are no message get the code that says what is wrong."""
    assert refusal(frames).code == code


def test_repeated_key_is_refused():
    """A key that stands twice in a header is refused: two readers could take different ones."""
    packed = msgpack.packb({"k": "PING", "n": 7, "r": 0, "s": ""})
    assert decode([limits.MAGIC, packed], ANY).message == Ping()
    doubled = b"\x85" + packed[1:] + b"\xa1k\xa4PONG"
    assert refusal([limits.MAGIC, doubled]).code == "BAD_HEADER"


@pytest.mark.parametrize("kind", KINDS)
def test_payload_frame_belongs_to_its_kinds(kind):
    """A payload too many or too few is refused."""
    fields, payload = minimal(kind)
    frames = frames_of(kind, fields, payload)
    wrong = frames[:2] if KINDS[kind].HAS_PAYLOAD else [*frames, b"x"]
    error = refusal(wrong)
    assert (error.code, error.ref) == ("BAD_FRAME", 7)


@pytest.mark.parametrize("kind", ["PUT", "CHUNK"])
@pytest.mark.parametrize(
    ("length", "code"), [(0, "BAD_FRAME"), (2, "BAD_FRAME"), (limits.CHUNK_BYTES + 1, "TOO_LARGE")]
)
def test_payload_has_its_declared_length(kind, length, code):
    """A payload of another length than declared, or beyond the limit, is refused."""
    fields, _ = minimal(kind)
    assert refusal(frames_of(kind, fields, bytes(length))).code == code


def test_longer_header_than_the_greeting_allows_is_refused():
    """Before HELLO only short headers are read."""
    frames = frames_of("PING", {"later": "x" * 4090})
    assert decode(frames, ANY).message == Ping()
    with pytest.raises(FrameError) as caught:
        decode(frames, ANY, limits.GREETING_HEADER_BYTES)
    assert caught.value.code == "BAD_HEADER"


@pytest.mark.parametrize(
    "message",
    [
        Hello(protocols=(-1,), client="x", version="1", nonce=b"n" * 16),
        Hello(protocols=(1,), client="x" * 65, version="1", nonce=b"n" * 16),
        Hello(protocols=(1,), client="\ud800", version="1", nonce=b"n" * 16),
        Progress(job=JOB, phase="sleeping", done=0, total=0),
        Progress(job=JOB, phase="running", done=0, total=0, eta_s=math.nan),
        State(job=JOB, state="ready", seconds=math.inf),
        StatusReport(report={"a": 2**64}),
        StatusReport(report={"a": 10**400}),
        StatusReport(report={"a": {"b": 1}}),
        StatusReport(report={"a": "é" * 3000}),
        StatusReport(report={str(number): "x" * 4000 for number in range(20)}),
        Put(job="x", offset=0, length=1, crc=0),
    ],
    ids=lambda message: f"{message.KIND}",
)
def test_what_could_not_be_decoded_is_not_sent(message):
    """Encoding refuses, with a FrameError, everything that the other side would refuse."""
    with pytest.raises(FrameError) as caught:
        encode(message, seq=1, payload=b"x" if message.HAS_PAYLOAD else b"")
    assert caught.value.code == "BAD_HEADER"


def test_numbers_of_any_size_are_checked_without_overflow():
    """A huge integer where a number is expected is a ValueError like any other."""
    with pytest.raises(ValueError, match="number"):
        checks.number(0.0, 1e9)(10**400)


@thorough
@given(st.lists(st.binary(max_size=300), max_size=5), st.booleans())
@example([b"SRP1", b"\x81\xa1k\xc7\x00\xff"], False)
@example([b"SRP1", b"\x81\xa1k\xd6\xff\x00\x00\x00\x00"], False)
def test_random_bytes_are_a_message_or_a_frame_error(frames, with_magic):
    """No bytes at all cause anything but a message or a FrameError with a code."""
    if with_magic:
        frames = [limits.MAGIC, *frames]
    got = outcome(frames)
    assert isinstance(got, Envelope) or CODES[got.code].klass == "protocol"


@thorough
@given(messages(), st.data())
def test_damaged_header_is_a_message_or_a_frame_error(case, data):
    """A valid header with bytes flipped, cut out or put in causes a message or a FrameError, nothing else."""
    message, payload = case
    frames = encode(message, seq=3, payload=payload)
    header = bytearray(frames[1])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(header)))
        cut = data.draw(st.integers(0, 3))
        header[at : at + cut] = data.draw(st.binary(max_size=4))
    got = outcome([frames[0], bytes(header), *frames[2:]])
    assert isinstance(got, Envelope) or CODES[got.code].klass == "protocol"


def test_messages_are_frozen():
    """A message cannot be changed after its fields were checked."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Bye().reason = "x"  # type: ignore[misc]


def test_everything_here_holds_without_compiled_msgpack():
    """All tests of this file pass with msgpack's pure-Python half, which is what travels beside the plug-in."""
    program = (
        "import sys, msgpack, pytest; assert msgpack.Unpacker.__module__ == 'msgpack.fallback';"
        f"sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', '-k', 'not compiled', {__file__!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parent.parent.parent,
        env=os.environ | {"MSGPACK_PUREPYTHON": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
