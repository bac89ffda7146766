"""Antialiased resampling in bands of rows: any size to any size without the whole result in memory.

Kernels are those of Pillow and of MATLAB's imresize: the support is widened by the reduction, so that a reduction is
antialiased, and weights are normalised again at the edges. Both passes add up each value in a fixed order from
weights computed for the whole picture, so a row of the result does not depend on how the source was cut: bands equal
the whole bit for bit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bsrgan_backend.imaging.boxes import Box, Part, Size
from bsrgan_backend.imaging.pixels import Floats

_CACHED_VALUES = 64 * 1024


def _lanczos3(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    values: npt.NDArray[np.float64] = np.where(np.abs(x) < 3.0, np.sinc(x) * np.sinc(x / 3.0), 0.0)
    return values


def _bicubic(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Keys' cubic with a = -0.5 (Catmull-Rom), the choice of Pillow and of MATLAB's imresize."""
    t = np.abs(x)
    near = (1.5 * t - 2.5) * t * t + 1.0
    far = ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0
    values: npt.NDArray[np.float64] = np.where(t < 1.0, near, np.where(t < 2.0, far, 0.0))
    return values


@dataclass(frozen=True)
class _Kernel:
    support: float
    function: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]


_KERNELS = {
    "lanczos3": _Kernel(3.0, _lanczos3),
    "bicubic": _Kernel(2.0, _bicubic),
}


@dataclass(frozen=True)
class Taps:
    """For each row of the result: which source rows it is made of, and how much of each.

    Attributes:
        first: (n,) index of the first source row.
        last: (n,) index after the last one.
        weights: (n, K) float32, one row for each result; those of first..last sum to 1, the rest is 0.
    """

    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    weights: Floats


@functools.lru_cache(maxsize=8)
def taps(source: int, target: int, kernel: str, begin: int = 0, end: int | None = None) -> Taps | None:
    """Weights of an axis of `source` samples resampled to `target`, for results begin..end.

    Args:
        source: samples there are.
        target: samples wanted.
        kernel: "lanczos3" or "bicubic".
        begin: first result sample.
        end: after the last one; None for `target`.

    Returns:
        The weights; None when both sizes are equal and nothing has to be mixed.
    """
    if source == target:
        return None
    shape = _KERNELS[kernel]
    scale = source / target
    stretch = max(scale, 1.0)
    support = shape.support * stretch
    centres = (np.arange(begin, target if end is None else end) + 0.5) * scale
    first = np.maximum((centres - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centres + support + 0.5).astype(np.int64), source)
    # As many weights whatever part of the axis is asked for: the sums below are then the same to the last bit.
    reach = np.arange(min(source, int(2 * support) + 2))
    positions = first[:, None] + reach
    values = shape.function((positions - centres[:, None] + 0.5) / stretch)
    values[positions >= last[:, None]] = 0.0
    values /= values.sum(axis=1, keepdims=True)
    return Taps(first, last, values.astype(np.float32))


def covered(seen: Box, source: Size, target: Size, kernel: str = "lanczos3") -> Box:
    """The results that need nothing outside of `seen`; the edge of the picture itself is nothing to need.

    Args:
        seen: part of the source.
        source: (height, width) of the source.
        target: (height, width) of the result.
        kernel: "lanczos3" or "bicubic".
    """
    top, bottom = _covered(seen.top, seen.bottom, source[0], target[0], kernel)
    left, right = _covered(seen.left, seen.right, source[1], target[1], kernel)
    return Box(top, left, bottom, right)


def _covered(begin: int, end: int, source: int, target: int, kernel: str) -> tuple[int, int]:
    table = taps(source, target, kernel)
    if table is None:
        return begin, end
    first = int(np.searchsorted(table.first, begin, side="left"))
    return first, max(first, int(np.searchsorted(table.last, end, side="right")))


def _resize_width(rows: Floats, offset: int, table: Taps | None, begin: int, end: int) -> Floats:
    """(n, w, C) to (n, end - begin, C), each row alone; the first column has the index `offset`.

    `table` holds results begin..end; None for an equal width.
    """
    if table is None:
        return rows[:, begin - offset : end - offset]
    low, high = int(table.first[0]), int(table.last[-1])
    # Columns become contiguous rows, so that both passes are the same sums over long vectors.
    columns = np.ascontiguousarray(rows[:, low - offset : high - offset].transpose(1, 0, 2))
    mixed = _mix(columns, low, table, 0, len(table.weights))
    return np.ascontiguousarray(mixed.transpose(1, 0, 2))


def _mix(rows: Floats, offset: int, table: Taps, begin: int, end: int) -> Floats:
    """Result rows begin..end of `table` from source rows of which the first has the index `offset`.

    Every value is the same sum in the same order whatever is computed beside it.
    """
    mixed: Floats = np.zeros((end - begin, *rows.shape[1:]), np.float32)
    if not mixed.size:
        return mixed
    # As many rows at a time as stay in the processor's cache.
    step = max(1, _CACHED_VALUES // rows[0].size)
    for low in range(begin, end, step):
        high = min(low + step, end)
        first = table.first[low:high] - offset
        longest = int(np.max(table.last[low:high] - table.first[low:high]))
        weights = table.weights[low:high, :longest]
        out = mixed[low - begin : high - begin]
        term = np.empty_like(out)
        for tap, share in enumerate(weights.T):
            # Shorter rows of weights end in zeros; their index, which is clipped, only has to exist.
            np.take(rows, first + tap, axis=0, out=term, mode="clip")
            term *= share[:, None, None]
            out += term
    return mixed


def resize_rows(image: Floats, size: Size, first: int, last: int, kernel: str = "lanczos3") -> Floats:
    """Rows first..last of `image` resampled to `size`, without making the others.

    Args:
        image: (H, W, C) float32.
        size: (height, width) of the whole result.
        first: first row wanted.
        last: row after the last one wanted.
        kernel: "lanczos3" or "bicubic".

    Returns:
        (last - first, width, C) float32, a new array; may overshoot the source's range, nothing is clamped.
    """
    return resize_box(Part.whole(image), size, Box(first, 0, last, size[1]), kernel)


def resize_box(part: Part, size: Size, wanted: Box, kernel: str = "lanczos3") -> Floats:
    """A rectangle of a picture resampled to `size`, the same bit for bit as cut out of the whole result.

    Args:
        part: the source, or as much of it as `wanted` needs (see `covered`).
        size: (height, width) of the whole result.
        wanted: what of it to make, at least one pixel.
        kernel: "lanczos3" or "bicubic".

    Returns:
        (height, width, C) of `wanted`, float32, a new array; may overshoot the source's range.

    Raises:
        ValueError: the part does not hold what `wanted` needs.
    """
    across = taps(part.source[1], size[1], kernel, wanted.left, wanted.right)
    down = taps(part.source[0], size[0], kernel, wanted.top, wanted.bottom)
    low, high = (wanted.top, wanted.bottom) if down is None else (int(down.first[0]), int(down.last[-1]))
    left, right = (wanted.left, wanted.right) if across is None else (int(across.first[0]), int(across.last[-1]))
    needed = Box(low, left, high, right)
    if needed.within(part.seen) != needed:
        # Indices below 0 would count from the other end: a wrong picture.
        raise ValueError(f"{needed} of the source is needed, {part.seen} is there")
    rows = part.image[low - part.seen.top : high - part.seen.top]
    columns = _resize_width(rows, part.seen.left, across, wanted.left, wanted.right)
    if down is None:
        same: Floats = columns.copy()
        return same
    return _mix(columns, low, down, 0, wanted.size[0])


class StripResizer:
    """Resamples a picture, or a part of one, that arrives in strips from top to bottom.

    It keeps only the rows that later results still need: the kernel's reach, at the result's width.

    Attributes:
        source: (height, width) of the whole source.
        target: (height, width) of the whole result.
        wanted: what of the result comes out.
    """

    def __init__(
        self,
        source: Size,
        target: Size,
        kernel: str = "lanczos3",
        *,
        seen: Box | None = None,
        wanted: Box | None = None,
    ) -> None:
        """Prepare the weights.

        Args:
            source: (height, width) of the whole source.
            target: (height, width) of the whole result.
            kernel: "lanczos3" or "bicubic".
            seen: what of the source is pushed; None for all of it.
            wanted: what of the result is made, no more than `covered(seen)`; None for all of that.
        """
        self.source = source
        self.target = target
        seen = seen or Box.whole(source)
        self.wanted = wanted or covered(seen, source, target, kernel)
        self._left = seen.left
        self._pushed = seen.top
        self._given = 0
        self._across = taps(source[1], target[1], kernel, self.wanted.left, self.wanted.right)
        self._down = taps(source[0], target[0], kernel, self.wanted.top, self.wanted.bottom)
        self._kept: Floats | None = None
        self._kept_first = seen.top

    def push(self, strip: Floats) -> tuple[int, Floats]:
        """Take the next rows and return the result rows that are complete with them.

        Args:
            strip: (n, seen width, C) float32, the rows after those pushed before.

        Returns:
            Index in the whole result of the first result row and the rows (m, wanted width, C) float32; m may be 0.
            Equal sizes give the strip itself back.
        """
        begun = self._pushed
        self._pushed += strip.shape[0]
        rows = _resize_width(strip, self._left, self._across, self.wanted.left, self.wanted.right)
        if self._down is None:
            return self._passed(begun, rows)
        first = self._given
        kept = rows if self._kept is None else np.concatenate([self._kept, rows])
        complete = int(np.searchsorted(self._down.last, self._pushed, side="right"))
        band = _mix(kept, self._kept_first, self._down, first, complete)
        self._given = complete
        needed = int(self._down.first[complete]) if complete < len(self._down.first) else self._pushed
        # Rows above the first wanted result may be over before any was kept.
        needed = min(max(needed, self._kept_first), self._pushed)
        # A copy: a view would keep the whole strip alive.
        self._kept = kept[needed - self._kept_first :].copy()
        self._kept_first = needed
        return self.wanted.top + first, band

    def _passed(self, begun: int, rows: Floats) -> tuple[int, Floats]:
        """Those of the rows from `begun` on that are wanted, unchanged."""
        low = min(max(begun, self.wanted.top), self._pushed)
        high = max(low, min(self._pushed, self.wanted.bottom))
        return low, rows[low - begun : high - begun]
