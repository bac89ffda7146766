"""The daemon's log on standard error, whoever reads it or not."""

from __future__ import annotations

import os
import pty
import socket
import subprocess
import sys

import pytest

from support.daemons import PATIENCE_S, environment
from support.health import check_well

LINES = 300
TALK = (
    "from bsrgan_backend.daemon import logs; logs.to_stderr('info');"
    f"[logs.log.info('%d %s', number, 'x' * 3000) for number in range({LINES})]"
)


def talk(descriptor):
    """Have a process log far more to a descriptor than that holds; fails when it does not end."""
    subprocess.run([sys.executable, "-c", TALK], env=environment(), stderr=descriptor, timeout=PATIENCE_S, check=True)


def ends(kind):
    """The descriptors of a reading and a writing end that hold little."""
    if kind == "pipe":
        return os.pipe()
    if kind == "terminal":
        return pty.openpty()
    reading, writing = socket.socketpair()
    return reading.detach(), writing.detach()


@pytest.mark.parametrize("kind", ["pipe", "terminal", "socket"])
def test_lines_that_nobody_reads_are_dropped(kind):
    """The first lines come, and no later one holds the daemon up."""
    reading, writing = ends(kind)
    try:
        talk(writing)
        assert os.read(reading, 20) == b"gimp-bsrgan: 0 xxxxx"
    finally:
        os.close(reading)
        os.close(writing)


def test_a_file_gets_every_line(tmp_path):
    """What takes everything loses nothing, and a long line stays one."""
    with (tmp_path / "log").open("wb") as file:
        talk(file)
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines == [f"gimp-bsrgan: {number} {'x' * 3000}" for number in range(LINES)]


def test_a_reader_that_has_gone_is_no_error():
    """After the pager was closed the daemon goes on."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        talk(writing)
    finally:
        os.close(writing)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a pipe's size cannot be set")
def test_clients_do_not_wait_for_who_reads_the_log(start):
    """With a full pipe behind standard error sessions come and go, and a signal stops the daemon."""
    import fcntl

    daemon = start()
    fcntl.fcntl(daemon.process.stderr, fcntl.F_SETPIPE_SZ, 4096)
    for _ in range(60):
        daemon.connect().bye()
    check_well(daemon)
    assert daemon.stop() == 0
