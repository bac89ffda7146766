"""Disks that are full or damaged (catalogue 21, 22)."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bsrgan_wire.messages import Accepted, Fetch, State
from support.daemons import HERE, PATIENCE_S, environment, order, pixels
from support.health import check_well


def test_the_quota_refuses_before_anything_is_sent(start):
    """A job that does not fit into the space set for the spool is refused at SUBMIT."""
    daemon = start(spool_limit_bytes=2**20)
    peer = daemon.connect()
    assert peer.error(order(1000, 1000, 1, out_width=1, out_height=49_000)) == "DISK_FULL"
    first = order(500, 500, 1, out_width=500, out_height=1500)
    peer.ask(first, Accepted)
    assert peer.error(order(500, 500, 1, out_width=1, out_height=1)) == "DISK_FULL"
    peer.bye()
    check_well(daemon)


def test_a_disk_that_is_full_at_the_start_is_told(tmp_path):
    """A daemon that cannot write anything ends with one sentence that names the file, and leaves no lock."""
    process = subprocess.run(
        [sys.executable, str(HERE / "run_daemon.py"), str(tmp_path), "file_bytes=0"],
        env=environment(), capture_output=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    told = process.stderr.decode()
    assert process.returncode == 1
    assert f"The file {tmp_path / 'state' / 'daemon.json'} cannot be written; check the disk." in told
    assert "Traceback" not in told
    assert list((tmp_path / "state").iterdir()) == []


@pytest.mark.parametrize("kib", [1, 5, 8, 63, 64])
def test_a_full_disk_during_the_upload_fails_the_job(start, kib):
    """Wherever a write fails, the job ends with DISK_FULL, its space is given back, and small jobs still work."""
    daemon = start(file_bytes=kib * 1024 + 512)
    peer = daemon.connect()
    asked = order(260, 260, 1, out_width=1, out_height=1)
    with pytest.raises(AssertionError):
        peer.submit(pixels(asked), asked)
    state = peer.final(asked.job)
    assert (state.state, state.code) == ("failed", "DISK_FULL")
    assert peer.status()["spool_bytes"] == 0
    small = order(4, 4, out_width=8, out_height=8)
    peer.upscale(pixels(small), small)
    peer.bye()


def test_a_full_disk_during_the_result_never_gives_a_part(start):
    """The worker's failing write is the job's failure; nothing can be fetched."""
    daemon = start(file_bytes=20_000)
    peer = daemon.connect()
    asked = order(64, 64, 1, out_width=256, out_height=256)
    peer.submit(pixels(asked), asked)
    state = peer.final(asked.job)
    assert (state.state, state.code, state.total) == ("failed", "DISK_FULL", 0)
    assert peer.error(Fetch(asked.job, 0, 1)) == "JOB_DONE"
    peer.bye()


def test_a_result_cut_from_outside_is_an_error(start):
    """A spool file truncated by somebody is told, not sent in part, and kills nobody."""
    daemon = start()
    peer = daemon.connect()
    asked = order(params={"truncate": True})
    peer.submit(pixels(asked), asked)
    state = peer.final(asked.job)
    assert state.state == "ready"
    # The scripted worker cuts the file after it has said done; its next job comes after that.
    after = order()
    peer.upscale(pixels(after), after)
    code = peer.error(Fetch(asked.job, 0, state.total))
    assert code == "RESULT_EXPIRED"
    assert peer.expect(State, job=asked.job).code == "RESULT_EXPIRED"
    peer.bye()
    check_well(daemon)
