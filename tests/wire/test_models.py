"""The client's questions about models, to a daemon that is older than they are."""

from __future__ import annotations

import os

import pytest

from bsrgan_wire.client import Client
from bsrgan_wire.errors import WireError
from support.daemon_double import DaemonDouble

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the double listens on ipc")


def test_an_older_daemon_is_not_asked(tmp_path):
    """A daemon that has not named the kind gets no message of it, and the caller gets a sentence with a way out."""
    with DaemonDouble(tmp_path) as double, Client.connect(double.rendezvous, name="test") as client:
        assert not client.tells_models()
        for ask in (client.models, lambda: client.get_model("x"), lambda: client.add_model("/x"), client.stop_model):
            with pytest.raises(WireError, match="older than the plug-in") as caught:
                ask()
            assert caught.value.text.endswith("run the installer again.")
        client.ping()
        assert not [kind for kind in double.kinds() if "MODEL" in kind]
