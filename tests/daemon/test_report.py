"""What the status says of memory."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bsrgan_backend.daemon import report

_HELPER = "held = bytearray(b'x') * 50_000_000; print('ready', flush=True); input()"
_WORKER = f"""
import subprocess, sys
command = [sys.executable, "-c", {_HELPER!r}]
with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as helper:
    print(helper.stdout.readline().decode(), flush=True)
    input()
    helper.communicate(b"end")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked at in /proc")
def test_a_workers_memory_is_that_of_its_helpers_too():
    """What a helper has for itself counts; what it shares with the worker does not count twice."""
    command = [sys.executable, "-c", _WORKER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        worker.stdout.readline()
        alone, together = report.rss_bytes(worker.pid), report.worker_bytes(worker.pid)
        worker.communicate("end")
    assert 50e6 < together - alone < 65e6


def test_a_worker_that_is_gone_takes_nothing():
    """Its process id may stand in the report for a moment longer."""
    process = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    assert report.worker_bytes(int(process.stdout)) == 0
    assert report.rss_bytes(os.getpid()) > 1e6
