"""The gatekeeper: own user on ipc, this host on tcp, nobody else."""

from __future__ import annotations

import os

import pytest

from bsrgan_backend.daemon.authentication import is_own


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", f"localhost:{os.geteuid()}:100:4321", f":{os.geteuid()}:100:4321", f":{os.geteuid()}:"],
)
def test_own_peers_are_let_in(address):
    """The addresses that libzmq gives for this user and this host are accepted."""
    assert is_own(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "localhost",
        f"localhost:{os.geteuid() + 1}:0:1",
        f"localhost:{os.geteuid()}1:0:1",
        f"localhost: {os.geteuid()}:0:1",
        f"localhost:1000000:{os.geteuid()}:{os.geteuid()}",
        f"other:{os.geteuid()}:0:1",
        "192.168.0.1",
        "127.0.0.2",
        "::1",
        "::ffff:127.0.0.1",
        "0.0.0.0",
    ],
)
def test_others_are_refused(address):
    """Another uid, another host, and everything odd is turned away."""
    assert not is_own(address)
