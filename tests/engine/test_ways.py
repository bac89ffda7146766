"""The choice among ways to compute the same: by time, and remembered where the trial tells of the device."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bsrgan_backend.engine import ways

SAFE, OTHER = "safe", "other"


class Machine:
    """Ways that take as long as they are told; `failures` are what a way's runs raise, in order.

    Attributes:
        measured: the ways as their times were taken.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **seconds: float) -> None:
        self.seconds = seconds
        self.failures: dict[str, list[Exception | None]] = {}
        self.measured: list[str] = []
        monkeypatch.setattr(ways, "_timed", self._timed)

    def prepared(self, way: str) -> Callable[[], Any]:
        """What computes a block."""

        def call() -> Any:
            failure = self.failures[way].pop(0) if self.failures.get(way) else None
            if failure is not None:
                raise failure
            call.way = way  # type: ignore[attr-defined]
            return np.ones((2, 2), np.float32)

        return call

    def chosen(self, path: Path, *, is_shared: bool = True) -> str:
        """The answer."""
        return ways.choose(
            path, (SAFE, OTHER), self.prepared, lambda found: found, lambda: None, rounds=2, is_shared=is_shared
        )

    def _timed(self, call: Callable[[], object], _finish: object) -> float:
        call()
        self.measured.append(call.way)  # type: ignore[attr-defined]
        return self.seconds[call.way]  # type: ignore[attr-defined]


def age(path: Path, seconds: float) -> None:
    """Let a file have been written so long ago."""
    os.utime(path, (time.time() - seconds,) * 2)


def test_a_shared_device_is_measured_in_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What disturbs one round disturbs all ways; elsewhere a way is measured while it is the one that is set."""
    machine = Machine(monkeypatch, safe=2.0, other=1.0)
    assert machine.chosen(tmp_path / "shared.json") == OTHER
    assert machine.measured == [SAFE, OTHER, SAFE, OTHER]
    machine.measured.clear()
    assert machine.chosen(tmp_path / "own.json", is_shared=False) == OTHER
    assert machine.measured == [SAFE, SAFE, OTHER, OTHER]


@pytest.mark.parametrize(
    ("other", "is_shared", "is_repeated"), [(2.0, True, True), (0.5, True, False), (2.0, False, False)]
)
def test_a_victory_of_the_first_way_counts_for_a_day(
    other: float, is_shared: bool, is_repeated: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a device that others use the faster way may have lost for them; what it has won stays."""
    machine, path = Machine(monkeypatch, safe=1.0, other=other), tmp_path / "way.json"
    first = machine.chosen(path, is_shared=is_shared)
    machine.measured.clear()
    machine.seconds[OTHER] = 0.5
    age(path, ways.LOST_LIFE_S - 60)
    assert machine.chosen(path, is_shared=is_shared) == first
    age(path, ways.LOST_LIFE_S + 60)
    assert machine.chosen(path, is_shared=is_shared) == (OTHER if is_repeated else first)
    assert bool(machine.measured) == is_repeated


@pytest.mark.parametrize("runs", [0, 1, 2])
def test_a_way_that_got_too_little_memory_is_tried_again(
    runs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial that memory was too little for, at whatever run, is not remembered, and the way that failed not taken."""
    machine, path = Machine(monkeypatch, safe=2.0, other=1.0), tmp_path / "way.json"
    machine.failures[OTHER] = [*[None] * runs, MemoryError()]
    assert machine.chosen(path) == SAFE
    assert not path.exists()
    assert machine.chosen(path) == OTHER
    assert json.loads(path.read_text())["seconds"] == {SAFE: 2.0, OTHER: 1.0}


@pytest.mark.parametrize("failure", [RuntimeError("a kernel is absent"), OSError("too many open files")])
def test_a_way_that_fails_on_a_shared_device_is_tried_again_after_a_day(
    failure: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other failures may be lasting ones: they are remembered, but not for ever."""
    machine, path = Machine(monkeypatch, safe=2.0, other=1.0), tmp_path / "way.json"
    machine.failures[OTHER] = [failure]
    assert machine.chosen(path) == SAFE
    assert machine.chosen(path) == SAFE
    age(path, ways.LOST_LIFE_S + 60)
    assert machine.chosen(path) == OTHER


def test_what_cannot_be_written_is_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the answer cannot be remembered it is right all the same."""
    machine = Machine(monkeypatch, safe=2.0, other=1.0)
    (tmp_path / "file").touch()
    for count in (4, 8):
        assert machine.chosen(tmp_path / "file" / "way.json") == OTHER
        assert len(machine.measured) == count
