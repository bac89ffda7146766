"""Pictures that are no files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bsrgan_backend.cli import batch
from bsrgan_backend.errors import BackendError


def test_a_pipe_that_nobody_writes_to_is_refused(bare, tmp_path):
    """A named pipe is one sentence of both commands, instead of a wait without end."""
    os.mkfifo(tmp_path / "pipe.png")
    for command in ("upscale", "degrade"):
        process = bare.start(command, tmp_path / "pipe.png", "-d", tmp_path / "out")
        try:
            _, err = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert process.returncode == 1
        assert err == "pipe.png: This is a pipe or a device, not a picture file.\n"


@pytest.mark.parametrize("name", ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"])
def test_what_is_piped_in_is_read(bare, tmp_path, photo, name):
    """The caller's own descriptors stand for a picture."""
    command = [sys.executable, "-m", "bsrgan_backend.cli.main", "degrade", name, "-d", tmp_path / "out"]
    with subprocess.Popen(["cat", photo], stdout=subprocess.PIPE) as cat:
        done = subprocess.run(command, stdin=cat.stdout, env=bare.environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / f"out/{Path(name).name}_LQ.png").exists()


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/null"])
def test_devices_are_refused(name):
    """A device is no picture; some have no end."""
    with pytest.raises(BackendError, match="a pipe or a device"):
        batch.require_file(Path(name))


def test_the_reader_says_what_else_is_wrong(tmp_path):
    """Files, folders and what is missing are left to it."""
    (tmp_path / "a").write_bytes(b"")
    for path in (tmp_path / "a", tmp_path, tmp_path / "none"):
        batch.require_file(path)
