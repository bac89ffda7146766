"""Several ways to compute the same, of which the fastest depends on the device: measured once and remembered."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bsrgan_backend.errors import BackendError

Array = npt.NDArray[np.float32]

CLOSE = 0.02
"""Largest difference between two ways, as a share of the largest value: half precision leaves a few thousandths."""

LOST_LIFE_S = 24 * 3600.0
"""A trial that the faster one may have lost because the machine was busy is repeated after this."""

log = logging.getLogger(__name__)


def choose(
    path: Path,
    candidates: Sequence[str],
    run: Callable[[str], Callable[[], Any]],
    fetch: Callable[[Any], Array],
    finish: Callable[[], None],
    handicap: Callable[[str], float] = lambda _way: 1.0,
    rounds: int = 3,
    *,
    is_shared: bool = False,
) -> str:
    """The fastest way that gives the right numbers, measured now unless it was before.

    It is not remembered where memory was too little for one of the ways.

    Args:
        path: file in which the answer is remembered.
        candidates: names of the ways; the first one is right by definition, and taken when no other works.
        run: prepares a way; what comes back computes one block with it.
        fetch: a block's result as an array.
        finish: waits for the device.
        handicap: what a way's time is multiplied with, for ways that have a price of their own.
        rounds: times that each is measured, after a first one that is not; the shortest counts.
        is_shared: others use the device too. The ways are then measured in turns, for which they have to be prepared
            side by side, and that the first one has won counts for `LOST_LIFE_S` only.
    """
    lasting = candidates[1:] if is_shared else candidates
    known = _read(path, candidates, lasting)
    if known:
        return known
    trial = _Trial(run, fetch, finish)
    for group in [candidates] if is_shared else [[way] for way in candidates]:
        trial.measure(group, rounds)
    seconds = trial.seconds
    best = min(seconds, key=lambda way: seconds[way] * handicap(way), default=candidates[0])
    log.info("ways of the blocks: %s; %s is used", {way: round(1e3 * s, 2) for way, s in seconds.items()}, best)
    if not trial.is_short_of_memory:
        remember(path, {"way": best, "seconds": seconds})
    return best


def remember(path: Path, outcome: dict[str, Any]) -> None:
    """Write a trial's outcome down, where that can be done."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(json.dumps(outcome), encoding="utf-8")
    except OSError:
        log.info("the outcome of a trial cannot be remembered")


def is_old(path: Path) -> bool:
    """Whether an outcome that the machine's other work may have caused no longer counts.

    Raises:
        OSError: there is none.
    """
    return time.time() - path.stat().st_mtime > LOST_LIFE_S


def _read(path: Path, candidates: Sequence[str], lasting: Sequence[str]) -> str:
    """The answer in a file, or nothing if there is none that still counts."""
    try:
        way = str(json.loads(path.read_text(encoding="utf-8"))["way"])
        counts = way in candidates and (way in lasting or not is_old(path))
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return way if counts else ""


class _Trial:
    """Ways that are held against one another.

    Attributes:
        seconds: of each way that works and agrees with the first one.
        is_short_of_memory: one of them did not get enough.
    """

    def __init__(
        self, run: Callable[[str], Callable[[], Any]], fetch: Callable[[Any], Array], finish: Callable[[], None]
    ) -> None:
        self.seconds: dict[str, float] = {}
        self.is_short_of_memory = False
        self._run = run
        self._fetch = fetch
        self._finish = finish
        self._wanted: Array | None = None
        self._calls: dict[str, Callable[[], Any]] = {}

    def measure(self, group: Sequence[str], rounds: int) -> None:
        """Prepare some ways, and measure them in turns."""
        self._calls.clear()
        for way in group:
            with self._left_out_if_it_fails(way):
                self._prepare(way)
        for _round in range(rounds):
            for way, call in tuple(self._calls.items()):
                with self._left_out_if_it_fails(way):
                    took = _timed(call, self._finish)
                    self.seconds[way] = min(took, self.seconds.get(way, took))

    def _prepare(self, way: str) -> None:
        call = self._run(way)
        found = self._fetch(call())
        self._wanted = found if self._wanted is None else self._wanted
        if _differ(found, self._wanted):
            log.warning("%s gives other numbers and is left out", way)
        else:
            self._calls[way] = call

    @contextlib.contextmanager
    def _left_out_if_it_fails(self, way: str) -> Iterator[None]:
        try:
            yield
        except (
            BackendError,
            MemoryError,
            RuntimeError,
            ImportError,
            OSError,
            ValueError,
            NotImplementedError,
        ) as error:
            # Compilers and kernels are absent or fail in many ways; the first way needs none of them.
            log.info("%s cannot be used: %s", way, f"{error}".splitlines()[:1])
            self.is_short_of_memory |= isinstance(error, MemoryError)
            self._calls.pop(way, None)
            self.seconds.pop(way, None)


def _differ(found: Array, wanted: Array) -> bool:
    if found.shape != wanted.shape:
        return True
    return not float(np.abs(found - wanted).max()) <= CLOSE * max(1e-6, float(np.abs(wanted).max()))


def _timed(call: Callable[[], object], finish: Callable[[], None]) -> float:
    finish()
    started = time.perf_counter()
    call()
    finish()
    return time.perf_counter() - started
