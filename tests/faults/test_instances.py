"""Second daemons, leftovers of dead ones, folders that vanish, clocks that jump (catalogue 29-32, 39)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bsrgan_backend.daemon.instance import is_held
from bsrgan_wire.client import Client
from support.daemons import HERE, environment, order, pixels, running, wait_for
from support.health import check_well


def launch(root):
    """A daemon process, without waiting for it."""
    return subprocess.Popen(
        [sys.executable, str(HERE / "run_daemon.py"), str(root)], env=environment(), stderr=subprocess.PIPE
    )


def test_of_many_daemons_one_wins(tmp_path):
    """Started at once, one serves; the others exit 0 with a word, and the endpoint stays the winner's."""
    processes = [launch(tmp_path) for _ in range(6)]
    try:
        wait_for(lambda: sum(process.poll() is None for process in processes) == 1)
        (winner,) = (process for process in processes if process.poll() is None)
        for process in processes:
            if process is not winner:
                assert process.returncode == 0
                assert "already running" in process.stderr.read().decode()
        file = tmp_path / "state" / "daemon.json"
        wait_for(file.exists)
        assert f'"pid": {winner.pid}' in file.read_text()
    finally:
        for process in processes:
            process.terminate()
            process.wait(20)
            process.stderr.close()


def test_a_second_daemon_does_not_disturb_the_first(start):
    """A running client never notices that somebody tried to start another daemon."""
    daemon = start()
    peer = daemon.connect()
    for _ in range(2):
        second = launch(daemon.root)
        _out, errors = second.communicate(timeout=20)
        assert second.returncode == 0
        assert f"already running (process {daemon.process.pid})" in errors.decode()
    peer.ping()
    peer.bye()
    check_well(daemon)


def test_leftovers_of_a_killed_daemon_are_no_obstacle(start, tmp_path):
    """Stale socket, lock and rendezvous file of a kill -9 are replaced."""
    first = start()
    first.process.kill()
    first.process.wait()
    assert {path.name for path in (tmp_path / "state").iterdir()} == {"daemon.lock", "daemon.json"}
    check_well(start())


def test_a_socket_path_that_is_taken_is_told(tmp_path):
    """A folder where the socket should be ends the start with one sentence and status 1."""
    (tmp_path / "run").mkdir(mode=0o700)
    (tmp_path / "run" / "daemon.sock").mkdir()
    process = launch(tmp_path)
    _out, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "is in the way" in errors.decode()
    assert "Traceback" not in errors.decode()
    assert not (tmp_path / "state" / "daemon.lock").exists()


def test_a_deleted_run_folder_is_made_again(start, tmp_path):
    """Somebody deletes socket and rendezvous file: old clients go on, new ones find their way again."""
    daemon = start()
    old = daemon.connect()
    shutil.rmtree(tmp_path / "run")
    daemon.file.unlink()
    wait_for(lambda: daemon.file.exists() and (tmp_path / "run" / "daemon.sock").exists())
    old.ping()
    old.bye()
    check_well(daemon)
    shutil.rmtree(tmp_path / "spool")
    check_well(daemon)


def test_a_deleted_state_folder_is_made_again(start, tmp_path):
    """Without its lock's file a daemon takes the lock anew, and no second one can start beside it."""
    daemon = start()
    shutil.rmtree(tmp_path / "state")
    wait_for(lambda: daemon.file.exists() and (tmp_path / "state" / "daemon.lock").exists())
    second = launch(tmp_path)
    _out, errors = second.communicate(timeout=20)
    assert f"already running (process {daemon.process.pid})" in errors.decode()
    check_well(daemon)
    assert daemon.stop() == 0
    assert list((tmp_path / "state").iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_daemon_whose_place_was_taken_ends(start, tmp_path):
    """One that finds another behind its lock stops, and leaves the other's lock, socket and address alone."""
    daemon = start()
    daemon.process.send_signal(signal.SIGSTOP)
    shutil.rmtree(tmp_path / "state")
    second = launch(tmp_path)
    try:
        wait_for(lambda: daemon.file.exists() and daemon.facts().pid == second.pid)
        daemon.process.send_signal(signal.SIGCONT)
        assert daemon.process.wait(20) == 0
        assert is_held(tmp_path)
        with Client.connect(daemon.facts(), name="test") as client:
            assert client.status()["pid"] == second.pid
    finally:
        second.terminate()
        second.communicate(timeout=20)
    assert second.returncode == 0


@pytest.mark.parametrize("name", ["Jürgen 世界 🖼", "x" * 100])
def test_any_home_works(tmp_path, name):
    """Names in any script and of any length work from start to stop."""
    with running(tmp_path / name) as daemon:
        check_well(daemon)
        assert daemon.stop() == 0
        assert not Path(daemon.address.removeprefix("ipc://")).exists()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are texts")
def test_a_home_whose_name_is_no_text_can_be_told(tmp_path):
    """The status of a daemon below a folder that is not UTF-8 names its log as well as a text can."""
    with running(Path(os.fsdecode(os.fsencode(tmp_path / "home") + b"\xff"))) as daemon:
        peer = daemon.connect()
        assert peer.status()["log"] == str(tmp_path / "home\ufffd" / "logs" / "daemon.log")
        peer.bye()


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_a_read_only_root_is_told(tmp_path):
    """Where nothing can be written the daemon ends with one sentence."""
    root = tmp_path / "root"
    root.mkdir(mode=0o500)
    process = launch(root)
    _out, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "cannot be written" in errors.decode()


def test_a_root_that_cannot_be_is_told(tmp_path):
    """A file where the root should be ends the start with one sentence."""
    (tmp_path / "root").write_text("")
    process = launch(tmp_path / "root")
    _out, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "cannot be written" in errors.decode()
    assert "Traceback" not in errors.decode()


def test_a_jumping_wall_clock_changes_nothing(start):
    """With a clock that jumps by hours and years at every look no time limit fires and jobs are right."""
    daemon = start(wall_clock="jumps")
    peer = daemon.connect()
    ready = order()
    peer.submit(pixels(ready), ready)
    peer.final(ready.job)
    for _ in range(3):
        asked = order(params={"sleep_s": 0.3})
        peer.upscale(pixels(asked), asked)
    assert len(peer.fetch(ready.job, 576)) == 576
    report = peer.status()
    assert (report["worker_restarts"], report["sessions"]) == (0, 1)
    peer.bye()
    check_well(daemon)
    assert daemon.stop(signal.SIGTERM) == 0
