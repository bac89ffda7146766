"""One dense block (ESRGAN §3.1) over a picture's features, in place, unit by unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine.winograd.convolution import Source, Workspace
from bsrgan_backend.engine.winograd.layout import Layout
from bsrgan_backend.engine.winograd.network import CONVOLUTIONS, DENSE_BLOCKS, RESIDUAL
from bsrgan_backend.engine.winograd.transforms import Kernel
from bsrgan_backend.models.weights import Architecture

Array = npt.NDArray[np.float32]


class Turn(Protocol):
    """A stage's place among others that work on the same features."""

    def await_unit(self, unit: int) -> None:
        """Wait until the stage before has written a unit."""

    def done(self, unit: int) -> None:
        """Say that this stage has written a unit."""


class Dense:
    """A thread's room for dense blocks, one after the other.

    The first convolution sees the features, each further one also what those before it gave. A convolution gives the
    unit before the one that was fed last, so the fifth is five units behind, and factors wait for it as long.

    Args:
        layout: of the picture.
        architecture: of the net.
        workspace: of the thread.
    """

    def __init__(self, layout: Layout, architecture: Architecture, workspace: Workspace) -> None:
        nf, gc = architecture.features, architecture.growth
        self._layout = layout
        self._workspace = workspace
        self._starts = [0, *(nf + gc * index for index in range(CONVOLUTIONS - 1))]
        self._widths = [nf, *[gc] * (CONVOLUTIONS - 1)]
        self._sources = [Source(layout, width) for width in self._widths]
        joined = nf + gc * (CONVOLUTIONS - 1)
        seen = layout.scheme.seen
        self._factors = np.zeros((CONVOLUTIONS, layout.panels, seen, seen, joined, layout.columns), np.float32)
        self._grown = np.empty(layout.shape(gc), np.float32)
        self._branch = np.empty(layout.shape(nf), np.float32)

    def run(self, kernels: Sequence[Kernel], number: int, features: Array, kept: Array, turn: Turn) -> None:
        """Replace features by what a dense block makes of them.

        Args:
            kernels: its five convolutions.
            number: of the dense block within its RRDB, from 0: the first keeps what the last one adds.
            features: (units, panels, m, m, nf, columns).
            kept: the same shape.
            turn: this block's among the stages.
        """
        units = self._layout.units
        for source in self._sources:
            source.restart()
        for step in range(units + CONVOLUTIONS):
            if step < units:
                turn.await_unit(step)
                if number == 0:
                    kept[step] = features[step]
            self._feed(0, features[step] if step < units else None, step)
            for index in range(1, CONVOLUTIONS):
                self._grow(kernels[index - 1], index, step - index)
            written = step - CONVOLUTIONS
            if written >= 0:
                self._add_branch(kernels[-1], number, features[written], kept[written], written)
                turn.done(written)

    def _grow(self, kernel: Kernel, index: int, unit: int) -> None:
        """One unit of a convolution whose result the next ones see too."""
        if not 0 <= unit <= self._layout.units:
            return
        grown = None
        if unit < self._layout.units:
            grown = self._grown
            self._workspace.convolve(kernel, self._factors[unit % CONVOLUTIONS], grown)
            self._workspace.rectify(grown)
            self._layout.clear(grown, unit)
        self._feed(index, grown, unit)

    def _feed(self, index: int, values: Array | None, unit: int) -> None:
        if unit > self._layout.units:
            return
        factors = None
        if unit > 0:
            start = self._starts[index]
            factors = self._factors[(unit - 1) % CONVOLUTIONS][..., start : start + self._widths[index], :]
        self._sources[index].feed(values, factors)

    def _add_branch(self, kernel: Kernel, number: int, features: Array, kept: Array, unit: int) -> None:
        """The fifth convolution and the residual sums: the block's own, and after the last one the RRDB's."""
        branch = self._branch
        self._workspace.convolve(kernel, self._factors[unit % CONVOLUTIONS], branch)
        self._layout.clear(branch, unit)
        is_last = number == DENSE_BLOCKS - 1
        if is_last:
            features *= np.float32(RESIDUAL)
        features += branch
        if is_last:
            features += kept
