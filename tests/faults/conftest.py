"""Real daemons and clients for tests."""

from __future__ import annotations

import pytest

from support.daemons import running


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """One daemon for a module's tests; it must stop cleanly at the end and never have met an internal error."""
    with running(tmp_path_factory.mktemp("root"), queue_jobs=4) as daemon:
        yield daemon
        assert daemon.stop() == 0
        log = daemon.log()
        assert "Traceback" not in log
        assert "INTERNAL" not in log


@pytest.fixture
def peer(daemon):
    """A welcomed client."""
    peer = daemon.connect()
    yield peer
    peer.bye()
