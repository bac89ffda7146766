"""Memory that a job was expected to take, and memory that it took, over sizes, precisions and budgets."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bsrgan_backend.cli.benching.claims import Claim
from bsrgan_backend.cli.benching.contestants import Course
from bsrgan_backend.cli.benching.memory_run import MODULE

Show = Callable[[str], None]

DEVIATION_PERCENT = 15.0
ARITHMETIC = 1.15
_MB, _GB = 1_000_000, 1_000_000_000


@dataclass(frozen=True)
class Case:
    """One job.

    Attributes:
        side: of the square picture, px.
        channels: 3 RGB, 4 RGBA.
        dtype: "u8" or "f32".
        precision: "exact" or "fast".
        memory: bytes that it may take; 0 for what is free.
    """

    side: int
    precision: str
    memory: int = 0
    channels: int = 3
    dtype: str = "u8"

    @property
    def name(self) -> str:
        """For the table."""
        colour = "RGBA" if self.channels == 4 else "RGB"
        return f"{self.side} x {self.side} {colour} {'float' if self.dtype == 'f32' else '8 bit'}"


BUDGETED = Case(2048, "fast", 4 * _GB)
"""A result of 8192 x 8192 within 4 GB."""
FLOATING = Case(2000, "fast", channels=4, dtype="f32")
"""A result of 64 megapixels with alpha, in float."""
CASES = (
    *(Case(side, precision) for side in (256, 512) for precision in ("exact", "fast")),
    *(Case(512, precision, 400 * _MB) for precision in ("exact", "fast")),
    Case(1024, "fast"),
    Case(1024, "fast", 1000 * _MB),
    BUDGETED,
    FLOATING,
)


@dataclass(frozen=True)
class Use:
    """What one job took.

    Attributes:
        case: the job.
        expected: bytes by the plan, on top of the loaded model; 0 when the job failed.
        taken: bytes at the peak.
        way: rows, or tiles of which size for how many blocks at a time.
        arithmetic: of the trunk, over that without margins of tiles.
        precision: what was computed in.
        seconds: of the job.
        reason: why it failed.
    """

    case: Case
    expected: int = 0
    taken: int = 0
    way: str = ""
    arithmetic: float = 0.0
    precision: str = ""
    seconds: float = 0.0
    reason: str = ""

    @property
    def deviation_percent(self) -> float:
        """How far the plan was off."""
        return abs(self.expected / self.taken - 1.0) * 100.0


def measure(course: Course, cases: Sequence[Case], show: Show) -> list[Use]:
    """Run each case in a process of its own, so that none finds memory that another left.

    Args:
        course: model, cache and threads.
        cases: jobs.
        show: given a line of progress.
    """
    told = []
    for number, case in enumerate(cases):
        show(f"measuring memory: {case.name}, {number} of {len(cases)}")
        told.append(_used(course, case))
    return told


def _used(course: Course, case: Case) -> Use:
    request = {
        "model": str(course.model),
        "cache": str(course.cache),
        "threads": course.threads,
        "side": case.side,
        "channels": case.channels,
        "dtype": case.dtype,
        "precision": case.precision,
        "memory": case.memory,
    }
    command = [sys.executable, "-m", MODULE, json.dumps(request)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return Use(case, reason=lines[-1][:160] if lines else f"it ended with status {done.returncode}")
    return Use(case, **json.loads(done.stdout.splitlines()[-1]))


def claims(uses: Sequence[Use]) -> list[Claim]:
    """What the table says about the requirements; none without a table."""
    if not uses:
        return []
    told = [_worst([use for use in uses if use.case != FLOATING])]
    for use in uses:
        if use.case == FLOATING:
            name = f"plan against peak, {use.case.name}"
            told.append(_claim(name, use, use.deviation_percent if use.taken else None, "%", DEVIATION_PERCENT))
        if use.case == BUDGETED:
            peak = use.taken / _GB if use.taken else None
            told.append(_claim(f"peak over base, {use.case.name}", use, peak, "GB", BUDGETED.memory / _GB))
            told.append(
                _claim("arithmetic of the same over that without tiles", use, use.arithmetic or None, "", ARITHMETIC)
            )
    return told


def _worst(uses: Sequence[Use]) -> Claim:
    name = f"plan against peak, the worst of {len(uses)} jobs"
    failed = next((use for use in uses if not use.taken), None)
    if failed is not None or not uses:
        return Claim(name, None, "%", DEVIATION_PERCENT, note=failed.reason if failed else "")
    use = max(uses, key=lambda use: use.deviation_percent)
    return _claim(name, use, use.deviation_percent, "%", DEVIATION_PERCENT)


def _claim(name: str, use: Use, value: float | None, unit: str, bound: float) -> Claim:
    note = use.reason or f"{use.case.name}, {use.precision}, expected {use.expected / _GB:.2f} GB, {use.seconds:.0f} s"
    return Claim(name, value, unit, bound, note=note)


HEADING = (
    "job",
    "precision",
    "may take",
    "way",
    "expected",
    "taken",
    "expected / taken",
    "s",
    "",
)
LEGEND = (
    "expected, taken: memory of the worker at the job's peak, on top of what it holds with the model loaded, in "
    "decimal megabytes; tiles: the longest side of those of the trunk, with their margins."
)


def texts(uses: Sequence[Use]) -> list[tuple[str, ...]]:
    """The table with its heading."""
    return [HEADING, *(_cells(use) for use in uses)]


def _cells(use: Use) -> tuple[str, ...]:
    budget = f"{use.case.memory / _MB:.0f}" if use.case.memory else "what is free"
    named = use.case.name, use.precision or use.case.precision, budget
    if not use.taken:
        return (*named, *("-",) * 5, use.reason)
    return (
        *named,
        use.way,
        f"{use.expected / _MB:.0f}",
        f"{use.taken / _MB:.0f}",
        f"{use.expected / use.taken:.2f}",
        f"{use.seconds:.0f}",
        "",
    )
