"""Every exception as one sentence."""

from __future__ import annotations

import errno

import pytest

from bsrgan_backend.cli.failure import Failure, code_of, sentence_of
from bsrgan_backend.errors import BackendError
from bsrgan_wire.errors import ConnectionLost, DaemonUnreachable, RemoteError


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (BackendError("DISK_FULL", "The disk is full.", "detail"), "The disk is full."),
        (RemoteError("QUEUE_FULL", "Too many jobs."), "Too many jobs."),
        (ConnectionLost("Gone."), "Gone."),
        (DaemonUnreachable("Nobody there."), "Nobody there."),
        (Failure("No."), "No."),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), "/x/y: No space left on device."),
        (OSError(errno.EIO, "Input/output error"), "Input/output error."),
    ],
)
def test_known_errors_keep_their_sentence(error, sentence):
    """What was written for a person is shown as it is, without code and detail."""
    assert sentence_of(error) == sentence


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("x"), KeyError("k")])
def test_unexpected_errors_become_a_sentence(error):
    """Anything else is one line that ends like a sentence."""
    assert sentence_of(error).endswith(".")
    assert "\n" not in sentence_of(error)


def test_codes_are_those_of_the_wire():
    """Errors of backend and wire have a code, others none."""
    assert code_of(RemoteError("DEVICE")) == "DEVICE"
    assert code_of(BackendError("NONFINITE", "x")) == "NONFINITE"
    assert code_of(OSError()) == ""
