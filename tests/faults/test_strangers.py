"""Bytes that no client of ours sends (catalogue 10, 11, 20, 37)."""

from __future__ import annotations

import os
import random
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from bsrgan_wire import codec, limits
from support.daemons import environment, order, wait_for
from support.health import check_well

GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x01" + b"NULL".ljust(20, b"\0") + b"\0" + bytes(31)
READY_BODY = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
READY = b"\x04" + bytes([len(READY_BODY)]) + READY_BODY


def raw(daemon):
    """A connected plain socket."""
    kind, _, place = daemon.address.partition("://")
    if kind == "ipc":
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(place)
    else:
        host, _, port = place.rpartition(":")
        sock = socket.create_connection((host, int(port)))
    sock.settimeout(20)
    return sock


def greeted(daemon):
    """A plain socket after a whole handshake; a message before the daemon's READY would end the connection."""
    sock = raw(daemon)
    sock.sendall(GREETING + READY)
    answer = b""
    while b"Identity" not in answer:
        answer += sock.recv(1000)
    return sock


def frame(body, *, more=False):
    """A ZMTP message frame."""
    flags = more | (2 if len(body) > 255 else 0)
    length = struct.pack(">Q", len(body)) if len(body) > 255 else bytes([len(body)])
    return bytes([flags]) + length + body


@pytest.mark.parametrize("transport", ["ipc", "tcp"])
def test_other_protocols_never_reach_the_jobs(start, transport):
    """HTTP, TLS, WebSocket, ZMTP 1.0 and 2.0 and noise: no session, no job, no harm."""
    daemon = start(transport=transport)
    watcher = daemon.connect()
    noise = random.Random(7)
    speeches = [
        b"POST /upscale HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\nhello",
        b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32),
        b"\x01\x00\x06\x00hello",
        b"\xff" + bytes(7) + b"\x01\x7f\x01\x05\x00\x00" + b"\x00\x05hello",
        GREETING.replace(b"NULL", b"CURV") + b"\0" * 100,
        *(noise.randbytes(200) for _ in range(200)),
    ]
    for speech in speeches:
        with raw(daemon) as sock:
            sock.sendall(speech)
    report = watcher.status()
    assert (report["sessions"], report["queue"]) == (1, 0)
    wait_for(lambda: watcher.status()["protocol_errors"] > 0)
    watcher.bye()
    check_well(daemon)


def test_a_message_cut_anywhere_does_no_harm(daemon):
    """Every prefix of a good conversation, then the end of the connection: nothing happens and nothing leaks."""
    frames = codec.encode(order(), seq=1)
    speech = GREETING + READY + frame(bytes(frames[0]), more=True) + frame(bytes(frames[1]))
    descriptors = Path(f"/proc/{daemon.process.pid}/fd")
    before = len(list(descriptors.iterdir()))
    for end in range(0, len(speech), 3):
        with raw(daemon) as sock:
            sock.sendall(speech[:end])
    wait_for(lambda: len(list(descriptors.iterdir())) <= before)
    check_well(daemon)


def test_a_silent_connection_is_closed(daemon):
    """Who connects and says nothing is gone after the handshake's time."""
    with raw(daemon) as sock:
        sock.sendall(GREETING[:20])
        while sock.recv(1000):
            pass


@pytest.mark.parametrize("length", [limits.CHUNK_BYTES + limits.HEADER_BYTES + 1, 2**31, 2**62])
def test_a_frame_that_claims_too_much_is_cut_off(daemon, length):
    """A claim of gigabytes ends the connection before anything is allocated."""
    watcher = daemon.connect()
    before = watcher.status()["rss_bytes"]
    with raw(daemon) as sock:
        sock.sendall(GREETING + READY)
        sock.sendall(b"\x02" + struct.pack(">Q", length) + bytes(1000))
        while sock.recv(1000):
            pass
    assert watcher.status()["rss_bytes"] - before < 4e6
    watcher.bye()
    check_well(daemon)


def test_a_flood_of_random_headers_changes_nothing(start):
    """Thousands of random messages on many connections: all counted or ignored, memory flat, service good."""
    daemon = start()
    watcher = daemon.connect()
    before = watcher.status()["rss_bytes"]
    dice = random.Random(11)
    sockets = []
    for _ in range(40):
        sock = greeted(daemon)
        sockets.append(sock)
        for _ in range(100):
            sock.sendall(frame(limits.MAGIC, more=True) + frame(dice.randbytes(dice.randrange(200))))
    watcher.ping()
    wait_for(lambda: watcher.status()["protocol_errors"] >= 40 * limits.PROTOCOL_ERRORS)
    report = watcher.status()
    assert report["protocol_errors"] == 40 * limits.PROTOCOL_ERRORS
    assert report["sessions"] == 1
    assert report["rss_bytes"] - before < 30e6
    for sock in sockets:
        sock.close()
    watcher.bye()
    check_well(daemon)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_refused(start, tmp_path):
    """Even with every folder open and a world-writable socket, another uid gets no answer."""
    daemon = start()
    path = Path(daemon.address.removeprefix("ipc://"))
    folder = tmp_path
    while folder != folder.parent and folder.stat().st_uid == os.geteuid():
        if str(folder) in ("/tmp", "/"):
            break
        folder.chmod(0o755)
        folder = folder.parent
    path.parent.chmod(0o755)
    path.chmod(0o666)
    code = (
        "import os, socket, sys; os.setgid(65534); os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(sys.argv[1])\n"
        "s.sendall(bytes.fromhex(sys.argv[2]))\n"
        "print(len(s.recv(1000)))\n"
    )
    out = subprocess.run(
        [sys.executable, "-I", "-c", code, str(path), GREETING.hex()],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert out.stdout.strip() == "0" or "ConnectionResetError" in out.stderr or "BrokenPipeError" in out.stderr
    check_well(daemon)
