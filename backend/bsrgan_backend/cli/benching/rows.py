"""What one contestant did with one picture, and what follows from it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

MEGA, GIGA = 1e6, 1e9


@dataclass(frozen=True)
class Row:
    """One contestant and one size.

    Attributes:
        name: of the contestant.
        asked: precision that was asked for: exact, fast, fp32, bf16.
        precision: what it computed in: fp32 or bf16.
        pixels: of the picture; 0 for a matrix product.
        operations: of one run.
        seconds: of every warm run, in order; empty when it did not run.
        load_s: from its start to being ready.
        base_bytes: resident memory when ready, before the first run; 0 where it is not told.
        peak_bytes: highest resident memory of the first run; 0 where it is not told.
        psnr_db: against the fp32 result; None for that itself and where there is no result.
        largest_levels: largest difference from the fp32 result, in levels of 255.
        note: how it ran.
        reason: why it did not run; empty when it did.
    """

    name: str
    asked: str
    precision: str = ""
    pixels: int = 0
    operations: float = 0.0
    seconds: tuple[float, ...] = ()
    load_s: float = 0.0
    base_bytes: int = 0
    peak_bytes: int = 0
    psnr_db: float | None = None
    largest_levels: float | None = None
    note: str = ""
    reason: str = ""

    @property
    def median_s(self) -> float | None:
        """Middle of the warm runs."""
        return statistics.median(self.seconds) if self.seconds else None

    @property
    def spread(self) -> float | None:
        """Slowest minus fastest run, as a part of the median."""
        return None if not self.median_s else (max(self.seconds) - min(self.seconds)) / self.median_s

    @property
    def per_megapixel_s(self) -> float | None:
        """Seconds for a million pixels of the picture given."""
        return None if self.median_s is None or not self.pixels else self.median_s / (self.pixels / MEGA)

    @property
    def giga_per_s(self) -> float | None:
        """Operations, in thousands of millions, a second."""
        return None if not self.median_s else self.operations / GIGA / self.median_s

    @property
    def over_base_bytes(self) -> int | None:
        """What a run took on top of the loaded network."""
        return self.peak_bytes - self.base_bytes if self.peak_bytes and self.base_bytes else None


def find(rows: Sequence[Row], name: str, asked: str) -> Row | None:
    """The row of a contestant that ran; None when there is none."""
    return next((row for row in rows if (row.name, row.asked) == (name, asked) and row.seconds), None)


def times_as_fast(row: Row | None, other: Row | None) -> float | None:
    """How many times as fast as another a contestant is; None when one of them did not run."""
    if row is None or other is None or not row.median_s or other.median_s is None:
        return None
    return other.median_s / row.median_s


def ceiling(rows: Sequence[Row], precision: str) -> Row | None:
    """The fastest matrix product of a precision among rows of any kind; networks may count operations they save."""
    ran = [row for row in rows if not row.pixels and row.precision == precision and row.giga_per_s]
    return max(ran, key=lambda row: row.giga_per_s or 0.0, default=None)


def share_of(row: Row | None, top: Row | None) -> float | None:
    """What part of a matrix product's speed a contestant reaches."""
    if row is None or top is None or row.giga_per_s is None or not top.giga_per_s:
        return None
    return row.giga_per_s / top.giga_per_s
