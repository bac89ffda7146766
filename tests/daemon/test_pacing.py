"""Waiting for chunks to leave."""

from __future__ import annotations

from bsrgan_backend.daemon.pacing import Pacing


def test_looks_become_rarer_until_something_happens() -> None:
    """The first look is early, so that a quick reader is not kept waiting; a slow reader costs little."""
    pacing, waits = Pacing(), []
    for eventful in (False, False, False, False, True, False):
        waits.append(pacing.wait_ms)
        pacing.turned(eventful=eventful)
    assert waits == [1, 2, 4, 5, 5, 1]
