"""Claims about the speed of the degradation model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bsrgan_backend.cli import degrade_bench
from bsrgan_backend.cli.benching.claims import Claim
from bsrgan_backend.cli.degrade_bench import Timing

Show = Callable[[str], None]

PLAIN_S, CAMERA_S = 0.060, 0.250
RELEASED_S = 0.07
"""What the authors' released code takes for a picture of 256 x 256 in one thread: 0.06 to 0.08 s."""
TIMES = 15.0


def measure(show: Show) -> list[Claim]:
    """Time degradations.

    Args:
        show: given a line of progress.
    """
    *single, many = degrade_bench.measure(show)
    return [*claims(single), times_claim(many, degrade_bench.COUNT)]


def claims(single: Sequence[Timing]) -> list[Claim]:
    """One core: without the camera, as drawn, and of the seeds with a camera (none when no seed had one)."""
    bounds = (PLAIN_S, CAMERA_S, CAMERA_S)
    return [
        Claim(timing.name, timing.seconds * 1e3, "ms", bound * 1e3, note=timing.note)
        for timing, bound in zip(single, bounds, strict=False)
    ]


def times_claim(many: Timing, count: int) -> Claim:
    """Many at once, against the released code one by one."""
    note = f"{many.seconds:.2f} s, {many.note}; the released code takes 0.06 to 0.08 s for one"
    value = RELEASED_S * count / many.seconds
    return Claim(f"{many.name}, times as fast as the released code", value, "", TIMES, "at least", note)
