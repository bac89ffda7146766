"""`gimp-bsrgan degrade` that is ended in the middle: what is written is listed, and nothing else is said."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cli_pictures import picture


@pytest.fixture
def started(bare, tmp_path) -> Iterator[subprocess.Popen[str]]:
    """A run with two processes and more to do than it will get done."""
    source = picture(tmp_path / "a.png", 64, 64)
    options = ["--count", 20_000, "--processes", 2, "--pairs"]
    process = bare.start("degrade", source, "-d", tmp_path / "out", *options)
    yield process
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def results(folder: Path) -> set[str]:
    """The degraded pictures in a folder."""
    return {path.name for path in folder.glob("*_LQ.png")}


def listed(folder: Path) -> set[str]:
    """Those that the list names."""
    return {json.loads(line)["file"] for line in (folder / "recipes.jsonl").read_text().splitlines()}


def wait_for_results(folder: Path) -> None:
    """Wait until some are there."""
    end = time.monotonic() + 60
    while len(results(folder)) < 5:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_ctrl_c_keeps_the_list_of_what_is_written(started, tmp_path):
    """After Ctrl-C every result that is there is in recipes.jsonl, and one word is said."""
    wait_for_results(tmp_path / "out")
    os.killpg(started.pid, signal.SIGINT)
    _, err = started.communicate(timeout=60)
    assert (started.returncode, err) == (130, "gimp-bsrgan: Stopped.\n")
    assert listed(tmp_path / "out") == results(tmp_path / "out")


@pytest.mark.parametrize("delay_s", [0.0, 0.15, 0.4])
def test_ctrl_c_while_processes_start_is_quiet(started, tmp_path, delay_s):
    """Processes that have just been started say nothing about Ctrl-C."""
    end = time.monotonic() + 60
    while not (children := _children(started.pid)) and time.monotonic() < end:
        time.sleep(0.002)
    assert children
    time.sleep(delay_s)
    os.killpg(started.pid, signal.SIGINT)
    _, err = started.communicate(timeout=60)
    assert (started.returncode, err) == (130, "gimp-bsrgan: Stopped.\n")


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_killed_process_loses_nothing_that_is_written(started, tmp_path):
    """When a process is ended from outside, every result that is there is listed, whoever wrote it."""
    out = tmp_path / "out"
    wait_for_results(out)
    workers = [pid for pid in _children(started.pid) if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]
    os.kill(workers[0], signal.SIGKILL)
    _, err = started.communicate(timeout=60)
    assert started.returncode == 1
    assert "ended from outside" in err
    assert listed(out) == results(out)
