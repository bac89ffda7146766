"""Failures as status and sentence."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from bsrgan_plugin import outcomes
from bsrgan_plugin.outcomes import Status, of_error
from bsrgan_wire.errors import CODES, ConnectionLost, DaemonUnreachable, FrameError, RemoteError

PLUGIN = Path(__file__).resolve().parents[2] / "gimp_plugin" / "gimp-bsrgan"


@pytest.mark.parametrize("code", sorted(CODES))
@pytest.mark.parametrize("kind", [RemoteError, FrameError])
def test_every_code_of_the_wire_is_a_failure_with_its_sentence(code, kind):
    """No error code ends as success, and all but the user's own cancel bring one sentence."""
    outcome = of_error(kind(code))
    if code == "CANCELLED":
        assert outcome == outcomes.Outcome(Status.CANCEL, "")
    else:
        assert outcome.status is Status.EXECUTION_ERROR
        assert outcome.text == CODES[code].text
    assert not outcome.is_unexpected


def test_no_status_of_an_outcome_is_success():
    """An outcome cannot say SUCCESS or PASS_THROUGH at all."""
    assert {status.value for status in Status} == {"CANCEL", "CALLING_ERROR", "EXECUTION_ERROR"}


def test_the_sentence_of_the_daemon_comes_before_the_general_one():
    """A sentence that the daemon sent with an error is the one that the user reads."""
    assert of_error(RemoteError("GPU_OOM", "Card 0 is full.")).text == "Card 0 is full."


@pytest.mark.parametrize(
    ("error", "status", "part"),
    [
        (outcomes.Cancelled(), Status.CANCEL, ""),
        (outcomes.Refusal("No group."), Status.CALLING_ERROR, "No group."),
        (outcomes.NotInstalled("Not there."), Status.EXECUTION_ERROR, "Not there."),
        (outcomes.ImageChanged("Closed."), Status.EXECUTION_ERROR, "Closed."),
        (ConnectionLost("The daemon is gone."), Status.EXECUTION_ERROR, "The daemon is gone."),
        (ConnectionLost(), Status.EXECUTION_ERROR, "run the filter again"),
        (DaemonUnreachable("No daemon."), Status.EXECUTION_ERROR, "No daemon."),
        (ModuleNotFoundError("x", name="msgpack"), Status.EXECUTION_ERROR, "msgpack cannot be loaded"),
        (SyntaxError("x", ("upscale.py", 1, 1, "def")), Status.EXECUTION_ERROR, "upscale.py cannot be loaded"),
        (MemoryError(), Status.EXECUTION_ERROR, "memory"),
        (OSError(errno.ENOSPC, "No space left"), Status.EXECUTION_ERROR, "disk"),
        (PermissionError(errno.EACCES, "Permission denied"), Status.EXECUTION_ERROR, "Permission denied"),
    ],
)
def test_known_failures(error, status, part):
    """Each kind of failure has its status and says in one sentence what happened."""
    outcome = of_error(error)
    assert outcome.status is status
    assert part in outcome.text
    assert not outcome.is_unexpected


@pytest.mark.parametrize("error", [RuntimeError("a"), ValueError("b"), KeyError("c"), AssertionError()])
def test_defects_are_failures_too(error):
    """An exception that nobody foresaw is an error with a sentence, marked so that its traceback is printed."""
    outcome = of_error(error)
    assert outcome.status is Status.EXECUTION_ERROR
    assert type(error).__name__ in outcome.text
    assert outcome.is_unexpected


def test_sentences_work_without_the_wire():
    """With bsrgan_wire missing, a failure still becomes the sentence that says so."""
    code = (
        f"import sys; sys.path.insert(0, {str(PLUGIN)!r}); sys.modules['bsrgan_wire'] = None\n"
        "from bsrgan_plugin import outcomes\n"
        "try:\n    from bsrgan_plugin import connection\n"
        "except ImportError as error:\n    print(outcomes.of_error(error).text)\n"
        "print(outcomes.of_error(RuntimeError()).text)\n"
    )
    told = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    assert [line.count("run the installer") for line in told.splitlines()] == [1, 1]
