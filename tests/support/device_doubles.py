"""Arithmetic without a library, on a pretended card: exact whole numbers, and as little memory as a test wants."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine.arithmetic import Appetite
from support.network_doubles import SINGLE, Reaching

Array = npt.NDArray[np.float32]


class PretendedCard:
    """`Reaching` as a card's arithmetic; memory runs out above a size, or at chosen calls.

    Attributes:
        free: what the card says is free.
        released: how often unused memory was given back.
        uploads: arrays that came from the host.
        calls: names of what was computed, with the pixels of each.
    """

    half = "fp16"
    engine = "pretended"
    engine_version = "0"
    device_name = "a card"

    def __init__(self, *, blocks: int = 3, device: str = "gpu:0", free: int = 1 << 40) -> None:
        self.network = Reaching(scale=2, blocks=blocks)
        self.architecture = self.network.architecture
        self.device = device
        self.free = free
        self.most_px = {"block": 1 << 60, "tail": 1 << 60, "head": 1 << 60}
        self.failing: set[int] = set()
        self.spoilt: set[int] = set()
        self.released = 0
        self.uploads = 0
        self.calls: list[tuple[str, int]] = []

    def appetite(self, precision: str) -> Appetite:
        """A hundred bytes for everything."""
        return Appetite(100, 100, 100, 0)

    def free_bytes(self) -> int:
        """What the test says."""
        return self.free

    def upload(self, values: Array) -> Array:
        """A copy, counted."""
        self.uploads += 1
        return values.copy()

    def download(self, values: Array) -> Callable[[], Array]:
        """A copy, later."""
        return lambda: np.ascontiguousarray(values)

    def download_pixels(self, values: Array) -> Callable[[], Array]:
        """A copy with the channels last, later."""
        return lambda: np.ascontiguousarray(values[0].transpose(1, 2, 0))

    def head(self, image: Array) -> Array:
        """As the double's."""
        self._note("head", image)
        return self.network.head(np.ascontiguousarray(image))

    def block(self, index: int, features: Array, precision: str) -> Array:
        """As the double's; chosen calls give infinity in fast."""
        self._note("block", features)
        result = self.network.blocks(SINGLE, index, np.ascontiguousarray(features), precision)
        if precision == "fast" and len(self.calls) in self.spoilt:
            result[0, 0, 0, 0] = np.inf
        return result

    def join(self, image: Array, features: Array) -> Array:
        """As the double's."""
        return self.network.join(np.ascontiguousarray(image), np.ascontiguousarray(features))

    def tail(self, features: Array, precision: str) -> Array:
        """As the double's; chosen calls give infinity in fast."""
        self._note("tail", features)
        result = self.network.tail(np.ascontiguousarray(features), precision)
        if precision == "fast" and len(self.calls) in self.spoilt:
            result[0, 0, 0, 0] = np.inf
        return result

    def rows(self, values: Array, low: int, high: int) -> Array:
        """A view."""
        return values[:, :, low:high]

    def is_finite(self, values: Array) -> bool:
        """Whether all are numbers."""
        return bool(np.isfinite(values).all())

    def finish(self) -> None:
        """Nothing is ever under way."""

    def release(self) -> None:
        """Counted."""
        self.released += 1

    def _note(self, stage: str, values: Array) -> None:
        pixels = values.shape[2] * values.shape[3]
        self.calls.append((stage, pixels))
        if len(self.calls) in self.failing or pixels > self.most_px[stage]:
            raise MemoryError("none left on the card")
