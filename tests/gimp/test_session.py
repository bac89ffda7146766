"""The harness itself: a check in GIMP that fails, dies or never ends is a failure here, and nothing is left."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from support import gimp_checks
from support.gimp_screen import Screen, Window
from support.gimp_session import GimpDied, GimpSession

INSIDE = gimp_checks.path("session")


@pytest.fixture
def outcomes(gimp: GimpSession):
    """The outcomes of all checks of `inside/session.py`, in one GIMP that the last but one kills."""
    names = ["check_version", "check_wrong", "check_host_python", "check_suicide", "check_never_reached"]
    return gimp.checks(INSIDE, names)


def test_outcomes(gimp, outcomes):
    """Values come back, an assertion carries its local values, and a dead GIMP fails the rest."""
    assert outcomes["check_version"].unwrap() == gimp.version
    with pytest.raises(AssertionError, match=r"seen = 3"):
        outcomes["check_wrong"].unwrap()
    assert outcomes["check_host_python"].unwrap() == "paddle"
    with pytest.raises(GimpDied, match="in this check"):
        outcomes["check_suicide"].unwrap()
    with pytest.raises(GimpDied, match="before this check"):
        outcomes["check_never_reached"].unwrap()
    assert str(gimp.base) not in Path("/proc/self/mountinfo").read_text("utf-8")


def test_deadline(gimp):
    """A check that never ends is stopped at the deadline together with everything it started."""
    outcome = gimp.checks(INSIDE, ["check_endless"], deadline_s=8)["check_endless"]
    assert outcome.state == "started"
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [command for command in commands if str(gimp.base).encode() in command]


class NextProgramScreen(Screen):
    """A screen where the next program has got the window ids of the one before."""

    def _run(self, *command):
        return subprocess.CompletedProcess(command, 0, "8\nThe next one\n", "")


def test_reused_window_id():
    """A window is gone also where another process has got its id before the screen was looked at."""
    screen = NextProgramScreen(session=None, process=None, log=Path(), shots=Path())
    screen.wait_gone(Window("4194307", "7", "The one before"), deadline_s=0)
