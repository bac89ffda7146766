"""Messages to systemd, through a real datagram socket."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from bsrgan_backend.daemon.notify import Notifier


@pytest.fixture
def manager(tmp_path):
    """A service manager's socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(5)
        yield sock


def test_the_three_messages_arrive(manager):
    """Ready, alive and stopping are said in systemd's words."""
    notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname()})
    notifier.ready()
    notifier.alive()
    notifier.stopping()
    assert [manager.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="abstract sockets are Linux's")
def test_an_abstract_address_is_understood():
    """Systemd writes abstract sockets with a leading @."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0bsrgan-test-notify")
        sock.settimeout(5)
        Notifier({"NOTIFY_SOCKET": "@bsrgan-test-notify"}).ready()
        assert sock.recv(100) == b"READY=1"


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({"WATCHDOG_USEC": "-5"}, 0.0),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_asked(extra, expected):
    """Half of systemd's interval, and nothing when it is not for this process."""
    assert Notifier({"NOTIFY_SOCKET": "/x", **extra}).watchdog_s == expected


def test_without_systemd_nothing_happens():
    """No variable, or a socket that is gone, is no error."""
    assert Notifier({"WATCHDOG_USEC": "1000000"}).watchdog_s == 0.0
    Notifier({}).ready()
    Notifier({"NOTIFY_SOCKET": "/nowhere/at/all"}).ready()
