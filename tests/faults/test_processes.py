"""Supervisor and worker killed, stopped, hung or told to end (catalogue 4-9, 25)."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from bsrgan_wire.messages import Attach, Bye, Cancel, Cancelled, Error, Release, Released, State
from support.daemons import Daemon, order, pixels, wait_for
from support.health import check_well


def is_alive(pid):
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def run_long(peer, **params):
    """A job that is at work now; returns its order."""
    asked = order(params={"sleep_s": 60.0, **params})
    peer.submit(pixels(asked), asked)
    peer.expect(State, job=asked.job, state="running")
    return asked


def test_a_killed_supervisor_takes_its_worker_along(start, tmp_path):
    """Kill -9: the worker ends by itself, the leftovers do not matter, and the new daemon knows nothing of the job."""
    daemon = start()
    peer = daemon.connect()
    asked = run_long(peer)
    worker = peer.status()["worker_pid"]
    daemon.process.kill()
    daemon.process.wait()
    wait_for(lambda: not is_alive(worker))
    assert (tmp_path / "run" / "daemon.sock").exists()
    again = start()
    other = again.connect()
    assert again.facts().instance != peer.seen[0].message.instance
    assert other.error(Attach(asked.job, peer.session)) == "JOB_UNKNOWN"
    other.close()
    check_well(again)


def test_a_killed_worker_fails_its_job_only(start):
    """Kill -9 of the worker: WORKER_CRASHED at once, the daemon stays, the next job gets another worker."""
    daemon = start()
    peer = daemon.connect()
    asked = run_long(peer)
    waiting = order()
    peer.submit(pixels(waiting), waiting)
    os.kill(peer.status()["worker_pid"], signal.SIGKILL)
    state = peer.final(asked.job)
    assert (state.state, state.code) == ("failed", "WORKER_CRASHED")
    assert state.text.endswith(".")
    assert peer.final(waiting.job).state == "ready"
    assert peer.status()["worker_restarts"] == 1
    peer.bye()
    check_well(daemon)


def test_an_idle_workers_death_costs_no_job(start):
    """A worker killed between two jobs is replaced for the next one, which is not blamed and not failed."""
    daemon = start()
    peer = daemon.connect()
    for _ in range(3):
        asked = order()
        peer.upscale(pixels(asked), asked)
        worker = daemon.starts()[-1][0]
        os.kill(worker, signal.SIGKILL)
        # A job that reaches it before the kernel has ended it is rightly lost.
        wait_for(lambda pid=worker: not is_alive(pid))
    peer.bye()
    check_well(daemon)


def test_a_job_that_meets_a_leaving_worker_waits_for_the_next(start):
    """With an unload after each job, jobs sent without a pause all get done."""
    daemon = start(keep_alive_s=0)
    peer = daemon.connect()
    for _ in range(8):
        asked = order()
        peer.upscale(pixels(asked), asked)
    assert peer.status()["worker_restarts"] == 0
    peer.bye()
    check_well(daemon)


def test_a_silent_worker_is_replaced(start):
    """SIGSTOP of the worker: the watchdog ends it, the job fails with TIMEOUT, the next one works."""
    daemon = start(worker_silence_s=0.5)
    peer = daemon.connect()
    asked = run_long(peer)
    worker = peer.status()["worker_pid"]
    os.kill(worker, signal.SIGSTOP)
    state = peer.final(asked.job)
    assert (state.state, state.code) == ("failed", "TIMEOUT")
    wait_for(lambda: not is_alive(worker))
    peer.bye()
    check_well(daemon)


def test_a_stopped_supervisor_goes_on(start):
    """SIGSTOP and SIGCONT of the supervisor: the job ends once, with the right result."""
    daemon = start()
    peer = daemon.connect()
    asked = order(params={"sleep_s": 0.3})
    data = pixels(asked)
    peer.submit(data, asked)
    peer.expect(State, job=asked.job, state="running")
    daemon.process.send_signal(signal.SIGSTOP)
    time.sleep(1.0)
    daemon.process.send_signal(signal.SIGCONT)
    state = peer.final(asked.job)
    assert state.state == "ready"
    peer.fetch(asked.job, state.total)
    peer.ask(Release(asked.job), Released)
    finals = [e.message.state for e in peer.seen if isinstance(e.message, State)]
    assert finals == ["queued", "running", "ready"]
    peer.bye()
    check_well(daemon)


def nothing_left(daemon, worker=0):
    """Socket, lock, rendezvous file, spool and worker are gone."""
    root = daemon.root
    left = [
        path for folder in ("run", "state", "spool") if (root / folder).exists() for path in (root / folder).iterdir()
    ]
    return left == [] and not (worker and is_alive(worker))


def test_sigterm_lets_a_short_job_finish(start):
    """The running job ends and is fetched, waiting ones are cancelled with the reason, then everybody gets BYE."""
    daemon = start()
    peer, other = daemon.connect(), daemon.connect()
    asked, waiting = order(params={"sleep_s": 0.5}), order()
    data = pixels(asked)
    peer.submit(data, asked)
    peer.expect(State, job=asked.job, state="running")
    other.submit(pixels(waiting), waiting)
    daemon.process.send_signal(signal.SIGTERM)
    state = other.final(waiting.job)
    assert (state.state, state.code) == ("cancelled", "SHUTTING_DOWN")
    assert other.error(order()) == "SHUTTING_DOWN"
    state = peer.final(asked.job)
    assert state.state == "ready"
    assert len(peer.fetch(asked.job, state.total)) == state.total
    peer.ask(Release(asked.job), Released)
    assert peer.expect(Bye).reason == other.expect(Bye).reason == "shutdown"
    assert daemon.process.wait(20) == 0
    assert nothing_left(daemon)


def test_sigterm_cancels_a_long_job(start):
    """A job that would take longer than the time to stop is cancelled; ten seconds are enough for all."""
    daemon = start()
    peer = daemon.connect()
    asked = run_long(peer)
    worker = peer.status()["worker_pid"]
    daemon.process.send_signal(signal.SIGTERM)
    state = peer.final(asked.job)
    assert (state.state, state.code) == ("cancelled", "SHUTTING_DOWN")
    peer.expect(Bye)
    assert daemon.process.wait(20) == 0
    assert nothing_left(daemon, worker)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(start, number):
    """Whoever is in a hurry signals twice; even a stubborn worker and its job end, and exit is still clean."""
    daemon = start(cancel_grace_s=60)
    peer = daemon.connect()
    asked = run_long(peer, stubborn=True)
    worker = peer.status()["worker_pid"]
    daemon.process.send_signal(number)
    wait_for(lambda: "stopping" in daemon.log())
    begun = time.monotonic()
    daemon.process.send_signal(number)
    assert daemon.process.wait(20) == 0
    assert time.monotonic() - begun < 5
    state = peer.final(asked.job)
    assert (state.state, state.code) == ("cancelled", "SHUTTING_DOWN")
    assert nothing_left(daemon, worker)


def test_sighup_is_ignored(start):
    """Closing the terminal does not stop the daemon."""
    daemon = start()
    for _ in range(3):
        daemon.process.send_signal(signal.SIGHUP)
    check_well(daemon)
    assert daemon.stop(signal.SIGINT) == 0


def test_an_input_that_kills_twice_is_refused(start):
    """The same pixels crash the worker at most twice; other pixels are not affected."""
    daemon = start()
    peer = daemon.connect()
    data = b"x" * 36
    codes = []
    for _ in range(3):
        asked = order(params={"crash": True})
        if len(codes) < 2:
            peer.submit(data, asked)
            codes.append(peer.final(asked.job).code)
    assert codes == ["WORKER_CRASHED", "POISONED_INPUT"]
    starts = len(daemon.starts())
    asked = order()
    with pytest.raises(AssertionError, match="POISONED_INPUT"):
        peer.submit(data, asked)
    assert peer.final(asked.job).code == "POISONED_INPUT"
    assert len(daemon.starts()) <= starts + 1
    peer.bye()
    check_well(daemon)


@pytest.mark.parametrize("params", [{"exit": 0}, {"exit": 7}, {"garbage": True}, {"short": True}])
def test_a_worker_that_breaks_its_promise_fails_one_job(start, params):
    """Leaving in the middle, talking nonsense or a result of the wrong size never reaches a client as a result."""
    daemon = start()
    peer = daemon.connect()
    asked = order(params={"sleep_s": 0.0, **params})
    peer.submit(pixels(asked), asked)
    state = peer.final(asked.job)
    assert state.state == "failed"
    assert state.code == ("INTERNAL" if "short" in params else "WORKER_CRASHED")
    good = order()
    peer.upscale(pixels(good), good)
    peer.bye()


def test_a_worker_that_cannot_start_is_not_started_for_ever(start):
    """Four attempts in five minutes, then a sentence for the waiting job and for each new one, and no loop."""
    daemon = start(env={"FAKE_WORKER": "crash"})
    peer = daemon.connect()
    asked = order()
    peer.submit(pixels(asked), asked)
    state = peer.final(asked.job)
    assert (state.state, state.code) == ("failed", "WORKER_CRASHED")
    assert "4 times within five minutes" in state.text
    assert len(daemon.starts()) == 4
    assert peer.error(order()) == "WORKER_CRASHED"
    assert len(daemon.starts()) == 4
    assert peer.status()["state"] == "unloaded"
    peer.bye()


def test_a_device_that_is_not_there_is_told(start):
    """A worker that says why it cannot start fails its jobs with that reason, without another attempt."""
    daemon = start(env={"FAKE_WORKER": "refuse"})
    peer = daemon.connect()
    asked = order()
    peer.submit(pixels(asked), asked)
    state = peer.final(asked.job)
    assert (state.code, state.text) == ("DEVICE", "No such device.")
    assert len(daemon.starts()) == 1
    peer.bye()


def test_a_worker_program_that_is_missing_is_told(tmp_path):
    """When the process cannot be started at all the job fails with a sentence."""
    code = (
        "import sys, pathlib; from bsrgan_backend.daemon import server; from bsrgan_backend.settings import Settings;"
        "sys.exit(server.serve(Settings(), pathlib.Path(sys.argv[1]), ['/nowhere/worker']))"
    )
    daemon = Daemon(tmp_path, command=["-c", code, str(tmp_path)])
    peer = daemon.connect()
    asked = order()
    peer.send(asked)
    state = peer.final(asked.job)
    assert (state.state, state.code) == ("failed", "WORKER_CRASHED")
    assert "could not be started" in state.text
    peer.bye()
    assert daemon.stop() == 0


def test_a_slow_start_can_be_cancelled(start):
    """A job that waits for the worker's start is cancelled at once."""
    daemon = start(env={"FAKE_WORKER": "slow"})
    peer = daemon.connect()
    asked = order()
    peer.submit(pixels(asked), asked)
    wait_for(lambda: peer.status()["state"] == "starting")
    peer.ask(Cancel(asked.job), Cancelled)
    assert peer.final(asked.job).state == "cancelled"
    assert not any(isinstance(e.message, Error) for e in peer.seen)
    peer.bye()
    check_well(daemon)


def test_systemd_is_told_ready_alive_and_stopping(tmp_path, start):
    """READY comes after the socket is bound, the watchdog is fed while idle, STOPPING comes at the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        daemon = start(root=tmp_path / "root", env=env)
        assert [manager.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
        assert daemon.stop() == 0
        said = b""
        while said != b"STOPPING=1":
            said = manager.recv(100)


def test_no_core_and_private_files(start):
    """The daemon's limits and mask keep pictures out of core files and other users out of everything."""
    daemon = start()
    limits = Path(f"/proc/{daemon.process.pid}/limits").read_text()
    rows = {line[:26].strip(): line[26:].split() for line in limits.splitlines()}
    assert rows["Max core file size"][:2] == ["0", "0"]
    assert rows["Max open files"][0] == rows["Max open files"][1]
    for folder in ("run", "state", "logs", "spool"):
        assert (daemon.root / folder).stat().st_mode & 0o077 == 0, folder
