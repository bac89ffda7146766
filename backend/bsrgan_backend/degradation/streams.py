"""Random numbers: one child stream for each step, so that a change to one step leaves the others as they were."""

from __future__ import annotations

import numpy as np

from bsrgan_backend.degradation.parameters import LARGEST_SEED

ORDER, PREHALVING, SOURCE, FINAL_SIZE, FINAL_JPEG = range(5)
"""Slots beside the steps' own."""

_FIRST_STEP = 8


class Streams:
    """The children of one seed.

    Attributes:
        seed: 0 .. 2^53 - 1.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def child(self, slot: int) -> np.random.Generator:
        """The generator of a slot, at its beginning."""
        return np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence(self.seed, spawn_key=(slot,))))

    def step(self, number: int) -> np.random.Generator:
        """The generator of a step by its number in the mode's list, not by its place in the order."""
        return self.child(_FIRST_STEP + number)


def field_seed(rng: np.random.Generator) -> int:
    """A seed for one noise field, small enough for JSON."""
    return int(rng.integers(0, LARGEST_SEED, endpoint=True))
