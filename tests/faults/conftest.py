"""Real daemons for fault tests."""

from __future__ import annotations

import pytest

from support.daemons import Daemon


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """One daemon for a module's tests; it must stop cleanly at the end."""
    daemon = Daemon(tmp_path_factory.mktemp("root"))
    yield daemon
    assert daemon.stop() == 0


@pytest.fixture
def start(tmp_path):
    """Starts daemons that are stopped, and checked for zombies, at the end."""
    started = []

    def begin(root=tmp_path, **settings):
        daemon = Daemon(root, **settings)
        started.append(daemon)
        return daemon

    yield begin
    for daemon in started:
        daemon.stop()
