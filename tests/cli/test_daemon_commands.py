"""`serve`, `status` and `stop`."""

from __future__ import annotations

import argparse
import json
import signal
import time

import pytest

import bsrgan_wire
from bsrgan_backend.cli import status
from bsrgan_backend.cli.failure import Failure


def test_status_tells_everything_of_the_running_daemon(installation, photo, tmp_path):
    """After a job, status --json has all facts, and the text form the same pid, model and endpoint."""
    assert installation("upscale", photo, "-o", tmp_path / "out.png").returncode == 0
    told = json.loads(installation("status", "--json").stdout)
    assert told["version"] == bsrgan_wire.__version__
    assert told["model"] == "tiny"
    assert told["models"] == ["tiny", "tiny-x2"]
    for key in ("pid", "instance", "endpoint", "device", "engine", "queue", "rss_bytes", "worker_rss_bytes", "log"):
        assert key in told
    text = installation("status").stdout
    for part in (str(told["pid"]), told["instance"], told["endpoint"], "tiny", "0 waiting"):
        assert part in text


def test_no_daemon_is_one_sentence(bare):
    """Status without a daemon fails with a sentence that says how to start one, and starts none."""
    assert "serve" in bare.fails("status")
    assert not (bare.root / "state/daemon.json").exists()


def test_stop_without_a_daemon_is_no_failure(bare):
    """There is nothing to stop, which is what was wanted."""
    done = bare("stop")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_stop_with_a_damaged_address_file_says_what_to_do(bare):
    """Where the daemon's file says nothing, the process is to be ended; to stop the daemon is what was tried."""
    (bare.root / "state").mkdir(parents=True)
    file = bare.root / "state/daemon.json"
    file.write_bytes(b"{")
    file.chmod(0o600)
    sentence = bare.fails("stop")
    assert "end the process" in sentence
    assert "stop the daemon" not in sentence


def test_serve_runs_until_stop(bare):
    """A daemon started by hand answers, and stop ends its process with status 0 and no file left."""
    daemon = bare.start("serve", "--log-level", "warning")
    try:
        while not (bare.root / "state/daemon.json").exists():
            assert daemon.poll() is None, daemon.communicate()
            time.sleep(0.05)
        assert json.loads(bare("status", "--json").stdout)["pid"] == daemon.pid
        assert bare("stop").returncode == 0
        assert daemon.wait(30) == 0
    finally:
        daemon.kill()
        daemon.communicate()
    assert not (bare.root / "state/daemon.json").exists()


def test_stop_of_a_daemon_that_is_frozen_is_no_success(bare, monkeypatch):
    """A daemon that does not answer is told with its process; once it is killed there is nothing left to stop."""
    daemon = bare.start("serve", "--log-level", "warning")
    monkeypatch.setenv("GIMP_BSRGAN_PREFIX", str(bare.root))
    monkeypatch.setattr(status, "CONNECT_S", 0.5)
    monkeypatch.setattr(status, "STOP_S", 1.0)
    try:
        while not (bare.root / "state/daemon.json").exists():
            assert daemon.poll() is None, daemon.communicate()
            time.sleep(0.05)
        daemon.send_signal(signal.SIGSTOP)
        with pytest.raises(Failure, match=f"process {daemon.pid}"):
            status.run_stop(argparse.Namespace())
    finally:
        daemon.kill()
        daemon.communicate()
    assert (bare.root / "state/daemon.json").exists()
    assert status.run_stop(argparse.Namespace()) == 0


def test_version_is_that_of_the_package(bare):
    """--version names the version."""
    assert bare("--version").stdout == f"gimp-bsrgan {bsrgan_wire.__version__}\n"
