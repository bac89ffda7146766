"""Markers: a crash is told from a run in progress, from an error, and from a wanted end."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bsrgan_backend.engine import trials

HOLD = """
import sys, time
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from bsrgan_backend.engine import trials
with trials.guarded(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holding(marker: Path) -> subprocess.Popen[str]:
    """A process that holds a marker until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(marker), *sys.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_work_in_progress_is_no_crash(tmp_path: Path) -> None:
    """A marker that a living process holds does not count, and its orderly end removes it."""
    marker = tmp_path / "trial"
    with holding(marker) as process:
        assert marker.exists()
        assert not trials.crashed(marker)
        process.communicate("")
    assert not marker.exists()


def test_a_crashed_process_leaves_its_mark(tmp_path: Path) -> None:
    """A marker whose process died of its own fault counts, also when it is asked for twice."""
    marker = tmp_path / "trial"
    with holding(marker) as process:
        process.send_signal(signal.SIGSEGV)
        process.communicate()
    assert trials.crashed(marker)
    assert trials.crashed(marker)


def test_a_killed_process_is_no_crash(tmp_path: Path) -> None:
    """A kill from outside (a slow cancel, no memory, the session's end) says nothing against the engine."""
    marker = tmp_path / "trial"
    with holding(marker) as process:
        process.kill()
        process.communicate()
    assert marker.exists()
    assert not trials.crashed(marker)


def test_an_error_is_no_crash(tmp_path: Path) -> None:
    """A Python exception removes the marker on its way."""
    marker = tmp_path / "trial"
    with pytest.raises(KeyError), trials.guarded(marker):
        raise KeyError
    assert not trials.crashed(marker)
    assert not marker.exists()


def test_a_wanted_end_is_no_crash(tmp_path: Path) -> None:
    """After `abandon` the process may end itself in the middle of a trial without blame."""
    marker = tmp_path / "trial"
    with trials.guarded(marker):
        trials.abandon()
        assert not marker.exists()


def test_no_marker_is_no_crash(tmp_path: Path) -> None:
    """Without a file there is nothing to remember."""
    assert not trials.crashed(tmp_path / "trial")


def test_a_folder_that_cannot_be_written_keeps_nobody_from_working(tmp_path: Path) -> None:
    """Where no marker can be made, the work is done without one."""
    marker = tmp_path / "missing" / "trial"
    with trials.guarded(marker):
        assert not trials.crashed(marker)
    assert list(tmp_path.iterdir()) == []


def test_the_marker_of_another_process_is_left_alone(tmp_path: Path) -> None:
    """Two that try the same do not disturb one another: a crash of the first one counts after the second one's end."""
    marker = tmp_path / "trial"
    with holding(marker) as process:
        with trials.guarded(marker):
            pass
        assert marker.exists()
        process.send_signal(signal.SIGSEGV)
        process.communicate()
    assert trials.crashed(marker)


def test_a_marker_that_another_process_removes_meanwhile_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of another trial between opening and locking leaves this one with a marker all the same."""
    marker = tmp_path / "trial"
    lock, asked = trials._lock, []

    def overtaken(descriptor: int) -> bool:
        asked.append(descriptor)
        if len(asked) == 1:
            marker.unlink()
        return lock(descriptor)

    monkeypatch.setattr(trials, "_lock", overtaken)
    with trials.guarded(marker):
        assert marker.exists()
        assert len(asked) == 2
    assert not marker.exists()
