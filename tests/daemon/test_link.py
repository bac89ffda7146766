"""The line to a worker: messages, passed files, and whatever may go wrong on it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bsrgan_backend import link
from bsrgan_backend.link import Link, LinkClosed, LinkFull
from support.daemons import environment


@pytest.fixture
def ends():
    """Both ends of a line."""
    ours, theirs = link.pair()
    other = Link(theirs)
    yield ours, other
    ours.close()
    other.close()


def open_files():
    """Descriptors that this process has open."""
    return set(Path("/dev/fd").iterdir())


def send_for_ever(line):
    """Send until that fails."""
    while True:
        line.send({"t": "x" * 100_000})


def receive_for_ever(line):
    """Receive until that fails."""
    while True:
        line.receive()


def test_messages_sent_at_once_arrive_at_once(ends):
    """The receiver wakes once for messages that belong together, and gets them in order."""
    ours, other = ends
    ours.send_all([{"t": "a"}, {"t": "b", "n": 2}])
    assert other.receive() == [({"t": "a"}, []), ({"t": "b", "n": 2}, [])]


def test_messages_arrive_in_order_and_whole(ends):
    """What one end sends, the other receives, also when it comes in one piece or is longer than a read."""
    ours, other = ends
    sent = [{"t": "a", "n": 1}, {"t": "b", "text": "x" * 150_000}, {"t": "c", "nested": {"ü": [1, None]}}]
    received = []
    for message in sent:
        ours.send(message)
        while len(received) < sent.index(message) + 1:
            received += other.receive()
    assert [message for message, _files in received] == sent


def test_passed_files_are_open_private_copies(ends, tmp_path):
    """The receiver gets descriptors of its own that a child process does not inherit."""
    ours, other = ends
    paths = [tmp_path / "in", tmp_path / "out"]
    for path in paths:
        path.write_text(path.name)
    descriptors = [os.open(path, os.O_RDWR) for path in paths]
    ours.send({"t": "run"}, descriptors)
    ours.send({"t": "next"})
    for descriptor in descriptors:
        os.close(descriptor)
    received = []
    while len(received) < 2:
        received += other.receive()
    (message, files), (_after, none) = received
    assert message == {"t": "run", "files": 2}
    assert none == []
    assert [os.read(descriptor, 10) for descriptor in files] == [b"in", b"out"]
    assert not any(os.get_inheritable(descriptor) for descriptor in files)
    for descriptor in files:
        os.close(descriptor)


def test_without_descriptor_passing_the_paths_travel(tmp_path):
    """Where descriptors cannot be passed (Windows), the receiver opens the paths and the reader sees no difference."""
    left, right = socket.socketpair()
    ours, other = Link(left, passes_files=False), Link(right, passes_files=False)
    path = tmp_path / "ü"
    path.write_bytes(b"pixels")
    with path.open("rb") as file:
        ours.send({"t": "run"}, [file.fileno()], [str(path)])
    ((message, (descriptor,)),) = other.receive()
    assert message["t"] == "run"
    assert os.read(descriptor, 10) == b"pixels"
    os.close(descriptor)
    ours.send({"t": "run"}, [0], [str(tmp_path / "missing")])
    with pytest.raises(LinkClosed, match="cannot be opened"):
        other.receive()
    ours.close()
    other.close()


def test_a_closed_end_is_told_on_both_sides(ends):
    """Reading from and writing to a dead process raise the one ordinary error."""
    ours, other = ends
    other.close()
    with pytest.raises(LinkClosed):
        ours.receive()
    with pytest.raises(LinkClosed):
        send_for_ever(ours)


def test_a_non_blocking_end_never_waits(ends):
    """Nothing there is an empty list; a reader that does not read is a full line in the end, and not a wait."""
    ours, _other = ends
    ours.sock.setblocking(False)
    assert ours.receive() == []
    with pytest.raises(LinkFull):
        send_for_ever(ours)


def test_what_does_not_fit_now_is_sent_later(ends, tmp_path):
    """A non-blocking end keeps messages and files of its own until there is room, in order."""
    ours, other = ends
    ours.sock.setblocking(False)
    before = open_files()
    sent = [{"t": "run", "text": letter * 400_000} for letter in "abc"]
    for message in sent:
        with (tmp_path / message["text"][0]).open("wb+") as file:
            file.write(message["text"][:1].encode())
            file.flush()
            ours.send(message, [file.fileno()])
    assert ours.is_sending
    received = []
    while len(received) < len(sent):
        ours.flush()
        received += other.receive()
    assert not ours.is_sending
    assert [message for message, _files in received] == [{**message, "files": 1} for message in sent]
    assert [os.pread(descriptor, 10, 0) for _message, (descriptor,) in received] == [b"a", b"b", b"c"]
    for _message, (descriptor,) in received:
        os.close(descriptor)
    ours.send(sent[0], [ours.fileno()])
    ours.send(sent[0], [ours.fileno()])
    ours.close()
    other.close()
    assert len(open_files()) <= len(before)


@pytest.mark.parametrize(
    "raw",
    [
        struct.pack(">I", 2**31),
        struct.pack(">I", 4) + b"nope",
        struct.pack(">I", 2) + b"[]",
        struct.pack(">I", 3) + b"\xff\xfe\xfd",
        struct.pack(">I", 200_000) + b"[" * 200_000,
        struct.pack(">I", 11) + b'{"files":1}',
        struct.pack(">I", 12) + b'{"files":-1}',
        struct.pack(">I", 13) + b'{"files":"a"}',
    ],
    ids=["too long", "no json", "no object", "no text", "deep", "missing file", "negative", "text"],
)
def test_bytes_that_are_no_message_close_the_line(ends, raw):
    """A worker that has lost its mind is treated as gone."""
    ours, other = ends
    ours.sock.sendall(raw)
    with pytest.raises(LinkClosed):
        receive_for_ever(other)


@pytest.mark.parametrize(
    "raw", [rb'{"text":"a\ud800b","in":{"\udcff":["\udfff\ud83d\ude00"]}}', b'{"text":"a\xed\xa0\x80b"}']
)
def test_every_text_that_arrives_can_be_passed_on(ends, raw):
    """Half characters, which JSON can say and UTF-8 cannot, become question marks; whole ones stay."""
    ours, other = ends
    ours.sock.sendall(struct.pack(">I", len(raw)) + raw)
    ((message, _files),) = other.receive()
    assert json.dumps(message, ensure_ascii=False).encode()
    assert message["text"] == "a?b"
    assert message.get("in", {"?": ["?😀"]}) == {"?": ["?😀"]}


def test_files_that_nobody_takes_are_closed(ends, tmp_path):
    """Descriptors that came without a message do not outlive the line."""
    ours, other = ends
    before = open_files()
    with (tmp_path / "x").open("wb") as file:
        socket.send_fds(ours.sock, [b"\0"], [file.fileno()])
    assert other.receive() == []
    assert len(open_files()) == len(before) + 1
    other.close()
    ours.close()
    assert len(open_files()) <= len(before)


MESSAGE = st.dictionaries(st.text(max_size=8).filter(lambda key: key != "files"), st.integers() | st.text(max_size=20))


@given(st.lists(MESSAGE, max_size=8), st.lists(st.integers(1, 200), min_size=1, max_size=50))
@hypothesis_settings(max_examples=40, deadline=None)
def test_messages_survive_any_split(messages, cuts):
    """However the bytes are cut on their way, the same messages come out."""
    raw = b"".join(struct.pack(">I", len(body)) + body for body in (json.dumps(m).encode() for m in messages))
    ours, theirs = link.pair()
    received = []
    with contextlib.closing(ours), contextlib.closing(Link(theirs)) as other:
        other.sock.setblocking(False)
        for cut in [*cuts, len(raw)]:
            ours.sock.sendall(raw[:cut])
            raw = raw[cut:]
            received += other.receive()
    assert [message for message, _files in received] == messages


def test_a_child_process_inherits_its_end(tmp_path):
    """The argument that the parent makes is the line in the child."""
    ours, theirs = link.pair()
    code = "import sys; from bsrgan_backend import link; link.inherited(sys.argv[1]).send({'t': 'hello'})"
    child = subprocess.Popen(
        [sys.executable, "-c", code, link.child_argument(theirs)], pass_fds=(theirs.fileno(),), env=environment()
    )
    theirs.close()
    assert ours.receive() == [({"t": "hello"}, [])]
    assert child.wait(20) == 0
    with pytest.raises(LinkClosed):
        ours.receive()
    ours.close()


@pytest.mark.parametrize("argument", ["stdin", "x", ""])
def test_a_wrong_argument_is_refused(argument):
    """Only a descriptor's number is a line on POSIX."""
    with pytest.raises(ValueError, match=r"."):
        link.inherited(argument)
