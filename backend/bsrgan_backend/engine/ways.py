"""Several ways to compute the same, of which the fastest depends on the device: measured once and remembered."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bsrgan_backend.errors import BackendError

Array = npt.NDArray[np.float32]

CLOSE = 0.02
"""Largest difference between two ways, as a share of the largest value: half precision leaves a few thousandths."""

log = logging.getLogger(__name__)


def choose(
    path: Path,
    candidates: Sequence[str],
    run: Callable[[str], Callable[[], Any]],
    fetch: Callable[[Any], Array],
    finish: Callable[[], None],
    handicap: Callable[[str], float] = lambda _way: 1.0,
    rounds: int = 3,
) -> str:
    """The fastest way that gives the right numbers, measured now unless it was before.

    Args:
        path: file in which the answer is remembered.
        candidates: names of the ways; the first one is right by definition, and taken when no other works.
        run: prepares a way; what comes back computes one block with it.
        fetch: a block's result as an array.
        finish: waits for the device.
        handicap: what a way's time is multiplied with, for ways that have a price of their own.
        rounds: times that each is measured, after a first one that is not; the shortest counts.
    """
    known = _read(path)
    if known in candidates:
        return known
    seconds = _measured(candidates, run, fetch, finish, rounds)
    best = min(seconds, key=lambda way: seconds[way] * handicap(way), default=candidates[0])
    log.info("ways of the blocks: %s; %s is used", {way: round(1e3 * s, 2) for way, s in seconds.items()}, best)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(json.dumps({"way": best, "seconds": seconds}), encoding="utf-8")
    except OSError:
        log.info("the way of the blocks cannot be remembered")
    return best


def _read(path: Path) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["way"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _measured(
    candidates: Sequence[str],
    run: Callable[[str], Callable[[], Any]],
    fetch: Callable[[Any], Array],
    finish: Callable[[], None],
    rounds: int,
) -> dict[str, float]:
    """Seconds of each way that works and agrees with the first one."""
    seconds: dict[str, float] = {}
    wanted: Array | None = None
    for way in candidates:
        try:
            call = run(way)
            found = fetch(call())
            wanted = found if wanted is None else wanted
            if _differ(found, wanted):
                log.warning("%s gives other numbers and is left out", way)
                continue
            seconds[way] = min(_timed(call, finish) for _ in range(rounds))
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
    return seconds


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
