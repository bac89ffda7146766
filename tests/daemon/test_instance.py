"""One daemon per installation: the lock, whatever lies in its file."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bsrgan_backend.daemon.instance import AlreadyRunning, InstanceLock
from bsrgan_backend.errors import BackendError
from support.daemons import environment

HOLD = (
    "import sys, pathlib; from bsrgan_backend.daemon.instance import InstanceLock;"
    "lock = InstanceLock.acquire(pathlib.Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
)


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of `tmp_path`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_held_lock_names_its_holder(tmp_path, holder):
    """The second daemon learns the first one's process id."""
    with pytest.raises(AlreadyRunning, match=f"process {holder.pid}"):
        InstanceLock.acquire(tmp_path)


def test_the_kernel_frees_a_killed_holders_lock(tmp_path, holder):
    """A file left by kill -9 does not keep the next daemon from starting."""
    holder.kill()
    holder.wait()
    assert (tmp_path / "state" / "daemon.lock").exists()
    InstanceLock.acquire(tmp_path).release()


@pytest.mark.parametrize("content", [b"", b" 1\n", b"\0" * 100, b"x" * 1000, f" {os.getpid()}\n".encode()])
def test_the_files_content_never_decides(tmp_path, content):
    """A stale file of a dead, reused or nonsense process id is no lock."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "daemon.lock").write_bytes(content)
    InstanceLock.acquire(tmp_path).release()


def test_release_leaves_nothing(tmp_path):
    """After a clean stop the file is gone, and the lock can be taken again."""
    for _ in range(2):
        lock = InstanceLock.acquire(tmp_path)
        lock.release()
        assert list((tmp_path / "state").iterdir()) == []


def test_a_lock_that_cannot_be_made_is_a_sentence(tmp_path):
    """A file where the state folder belongs says what to check."""
    (tmp_path / "state").write_text("")
    with pytest.raises(BackendError) as caught:
        InstanceLock.acquire(tmp_path)
    assert caught.value.code == "DENIED"
    assert "cannot be written" in caught.value.text
