"""One folder with untrained models, and one worker that most tests share."""

from __future__ import annotations

import pytest

from support.worker_process import WorkerProcess, install


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """An installation with the models `tiny` and `zebra`."""
    folder = tmp_path_factory.mktemp("installation")
    install(folder, "tiny", "zebra")
    return folder


@pytest.fixture(scope="module")
def worker(root):
    """A running worker; it survives every failed job."""
    with WorkerProcess(root) as running:
        assert running.receive()["t"] == "ready"
        yield running
