"""Networks without Paddle whose results are known exactly, for the driver that runs images of any size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine import engine, planning
from bsrgan_backend.models.weights import Architecture

Array = npt.NDArray[np.float32]

SINGLE = planning.Method("single", 1, 100)


class Nearest:
    """Nearest-neighbour enlargement dressed up as an RRDBNet."""

    def __init__(self, scale: int = 4, unshuffle: int = 1, channels: int = 3, blocks: int = 2) -> None:
        self.architecture = Architecture(
            max(4, channels * unshuffle**2), blocks, 4, channels, channels, scale, unshuffle
        )
        self.facts = engine.Facts("cpu", "double", "double", "0", "fp32", 1)
        self.ways = (SINGLE,)
        self.calls: list[str] = []
        self.largest_px = 0

    def _note(self, stage: str, values: Array) -> None:
        assert values.ndim == 4
        assert values.flags.c_contiguous
        assert values.dtype == np.float32
        self.calls.append(stage)
        self.largest_px = max(self.largest_px, values.shape[2] * values.shape[3])

    def head(self, image: Array) -> Array:
        """The unshuffled image in the first channels."""
        self._note("head", image)
        return self._head(image)

    def methods(self, precision: str) -> tuple[planning.Method, ...]:
        """One block at a time, unless a test says otherwise."""
        return self.ways

    def footprint(self, precision: str) -> planning.Footprint:
        """Next to nothing."""
        return planning.Footprint(edge=10, tail=100)

    def blocks(self, method: planning.Method, first: int, features: Array, precision: str) -> Array:
        """What `_block` makes of it, once for every block of the group."""
        self._note("block", features)
        for index in range(first, min(first + method.group, self.architecture.blocks)):
            features = self._block(index, features)
        return features

    def join(self, image: Array, features: Array) -> Array:
        """What `_join` makes of it."""
        self._note("join", features)
        return self._join(image, features)

    def tail(self, features: Array, precision: str = "exact") -> Array:
        """Features spread over the result's pixels."""
        self._note("tail", features)
        return self._tail(features)

    def _head(self, image: Array) -> Array:
        features = np.zeros((1, self.architecture.features, *image.shape[2:]), np.float32)
        features[:, : image.shape[1]] = image
        return features

    def _block(self, index: int, features: Array) -> Array:
        return features.copy()

    def _join(self, image: Array, features: Array) -> Array:
        return features.copy()

    def _tail(self, features: Array) -> Array:
        """Shuffle the channels back into pixels, then repeat each one `scale` times."""
        arch = self.architecture
        u, c = arch.unshuffle, arch.out_channels
        height, width = features.shape[2:]
        pixels = features[0, : c * u * u].reshape(c, u, u, height, width).transpose(0, 3, 1, 4, 2)
        image = pixels.reshape(1, c, height * u, width * u)
        return np.ascontiguousarray(image.repeat(arch.scale, axis=2).repeat(arch.scale, axis=3))


def shifted(values: Array, by: int) -> Array:
    """Values from `by` pixels up and left; zeros from outside, as in a padded convolution."""
    height, width = values.shape[2:]
    pad = abs(by)
    padded = np.pad(values, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    return padded[:, :, pad - by : pad - by + height, pad - by : pad - by + width]


class Reaching(Nearest):
    """Whole numbers that depend on pixels exactly as far away as the real net's stages reach, and on every call.

    A margin one pixel short, a stale row or a call too many changes the result; whole numbers keep it exact.
    """

    def _head(self, image: Array) -> Array:
        features = super()._head(np.floor(image * 255))
        return (features + 2 * shifted(features, 1) + 3 * shifted(features, -1)) % 1021

    def _block(self, index: int, features: Array) -> Array:
        reach = planning.BLOCK_MARGIN
        return (features + (index + 2) * shifted(features, reach) + 5 * shifted(features, -reach) + 1) % 1021

    def _join(self, image: Array, features: Array) -> Array:
        return (self._head(image) + features + 7 * shifted(features, 1) + 11 * shifted(features, -1)) % 1021

    def _tail(self, features: Array) -> Array:
        reach = planning.TAIL_MARGIN
        return super()._tail((features + 3 * shifted(features, reach) + 5 * shifted(features, -reach)) % 1021)


class Starved(Reaching):
    """Runs out of memory at chosen calls, or for every tile above a size."""

    def __init__(self, failing: frozenset[int] = frozenset(), most_px: int = 1 << 60, blocks: int = 3) -> None:
        super().__init__(scale=2, blocks=blocks)
        self.failing = failing
        self.most_px = most_px

    def _note(self, stage: str, values: Array) -> None:
        super()._note(stage, values)
        if len(self.calls) in self.failing or values.shape[2] * values.shape[3] > self.most_px:
            raise MemoryError("none left")


class Overflowing(Reaching):
    """In the fast precision some calls give infinity: of the blocks, of the tail, or of both."""

    def __init__(self, stages: tuple[str, ...]) -> None:
        super().__init__(scale=2, blocks=4)
        self.ways = (planning.Method("pairs", 2, 100), SINGLE)
        self.stages = stages

    def blocks(self, method: planning.Method, first: int, features: Array, precision: str) -> Array:
        """As in exact, but for one value of every other call."""
        result = super().blocks(method, first, features, precision)
        return self._spoilt("blocks", result, precision)

    def tail(self, features: Array, precision: str = "exact") -> Array:
        """As in exact, but for one value of every other call."""
        return self._spoilt("tail", super().tail(features), precision)

    def _spoilt(self, stage: str, result: Array, precision: str) -> Array:
        if precision == "fast" and stage in self.stages and len(self.calls) % 2:
            result[0, 0, 0, 0] = np.inf
        return result
