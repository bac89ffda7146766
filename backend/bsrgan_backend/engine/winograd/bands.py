"""The tail's work on one picture, shared by a crew: bands of the result, taken away in order while others are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine.winograd.crew import Crew, Member
from bsrgan_backend.engine.winograd.layout import Layout
from bsrgan_backend.engine.winograd.network import Network
from bsrgan_backend.engine.winograd.tail import Range, Tail

Array = npt.NDArray[np.float32]

_TAKEN = 0
"""Mark: the band that was taken away last. Those behind it say that a band is ready."""


class Bands:
    """Bands of the result.

    Args:
        network: the kernels.
        layout: of the features.
        bands: of their units, in order.
        features: (units, panels, m, m, nf, columns).
        strips: (count, rows, fW, C_out), f = 2 ** doublings: room for so many bands that nobody has taken yet.
    """

    def __init__(
        self, network: Network, layout: Layout, bands: Sequence[Range], features: Array, strips: Array
    ) -> None:
        self._network = network
        self._bands = bands
        self._given = (features, strips)
        self._features, self._strips = (np.asarray(array) for array in self._given)
        self.layout = layout

    def order(self) -> tuple[dict[str, Any], Sequence[Array]]:
        """What makes the same work in another process: words for it, and arrays."""
        return {"bands": [(band.first, band.stop) for band in self._bands]}, self._given

    @classmethod
    def ordered(cls, network: Network, layout: Layout, words: dict[str, Any], arrays: Sequence[Array]) -> Bands:
        """The work that `order` has told of."""
        return cls(network, layout, [Range(*ends) for ends in words["bands"]], *arrays)

    @property
    def marks(self) -> int:
        """One for what was taken, and one for every band."""
        return 1 + len(self._bands)

    def work(self, number: int, crew: Member) -> None:
        """Do one member's part."""
        tail = Tail(self._network, self.layout)
        for index in range(number, len(self._bands), crew.threads):
            # Whoever takes them may be slower, and strips are large.
            crew.await_mark(_TAKEN, index - len(self._strips))
            tail.run(self._features, self._bands[index], crew.step, self._strips[index % len(self._strips)])
            crew.mark(1 + index, 0)

    def is_ready(self, index: int, crew: Crew) -> bool:
        """Whether a band waits to be taken."""
        return index < len(self._bands) and crew.marked(1 + index) == 0

    def take(self, index: int, rows: int, columns: int, crew: Crew) -> Array:
        """The upper left part of a band that is ready, a copy; its room is free for another one afterwards."""
        strip: Array = self._strips[index % len(self._strips), :rows, :columns].copy()
        crew.mark(_TAKEN, index)
        return strip
