"""Tests of distributions: Kolmogorov-Smirnov and chi-squared, with their p-values."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Values = Sequence[float] | npt.NDArray[np.float64]


def two_sample_p(first: Values, second: Values) -> float:
    """Probability of a difference as large as this between two samples of one distribution."""
    ours, theirs = np.sort(np.asarray(first, float)), np.sort(np.asarray(second, float))
    everything = np.concatenate([ours, theirs])
    below_ours = np.searchsorted(ours, everything, side="right") / len(ours)
    below_theirs = np.searchsorted(theirs, everything, side="right") / len(theirs)
    return _kolmogorov(np.abs(below_ours - below_theirs).max(), len(ours) * len(theirs) / (len(ours) + len(theirs)))


def uniform_p(values: Values, low: float, high: float) -> float:
    """Probability of a sample as far as this from the uniform distribution over low..high."""
    ranks = (np.sort(np.asarray(values, float)) - low) / (high - low)
    if ranks[0] < 0 or ranks[-1] > 1:
        return 0.0
    count = len(ranks)
    steps = np.arange(count + 1) / count
    return _kolmogorov(max(np.abs(steps[1:] - ranks).max(), np.abs(ranks - steps[:-1]).max()), count)


def chi_squared_p(counts: Values, shares: Values | None = None) -> float:
    """Probability of counts as far as these from the given shares (equal ones if None), by Wilson and Hilferty."""
    seen = np.asarray(counts, float)
    expected = seen.sum() * (np.full(len(seen), 1 / len(seen)) if shares is None else np.asarray(shares, float))
    freedom = len(seen) - 1
    statistic = float(((seen - expected) ** 2 / expected).sum())
    spread = 2 / (9 * freedom)
    return 0.5 * math.erfc(((statistic / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(2 * spread))


def share_p(hits: int, count: int, probability: float) -> float:
    """Two-sided probability of a number of hits as far as this from what is expected (normal approximation)."""
    deviation = (hits - count * probability) / math.sqrt(count * probability * (1 - probability))
    return math.erfc(abs(deviation) / math.sqrt(2))


def _kolmogorov(distance: float, count: float) -> float:
    """The tail of the Kolmogorov distribution with Stephens' correction for finite samples."""
    root = math.sqrt(count)
    scaled = (root + 0.12 + 0.11 / root) * distance
    if scaled < 0.2:
        return 1.0
    total = 2 * sum((-1) ** (k - 1) * math.exp(-2 * k * k * scaled * scaled) for k in range(1, 101))
    return min(1.0, max(0.0, total))
