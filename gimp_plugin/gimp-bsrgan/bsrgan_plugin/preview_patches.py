"""Which rectangles of a result have been previewed, what is still missing, and where to ask for it. Without gi."""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from bsrgan_plugin.outputs import Area, Size
from bsrgan_wire import limits
from bsrgan_wire.preview import Place, Rectangle, part_to_send

LARGEST_SIDE_PX = 1024
"""Of a rectangle that is asked for at once."""
_MOST_SEEN_PX = 1600
"""Of the source, on each side of what the network sees at once: `PREVIEW_PX` with room for the rest that is sent."""
WIDEN_PX = 32
"""Rectangles that are asked for begin and end at multiples of it."""
_NETWORK_SCALE, _TOLERANCE = 4, 1.05
"""Of nearly all models. The daemon does not tell a model's; forecasts for the others are rougher."""
CACHE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Patch:
    """A rectangle of a result, for any position of the sliders.

    Attributes:
        area: where it lies, in pixels of the result.
        pictures: network, textured and base as in `preview_blend.mix`.
    """

    area: Area
    pictures: tuple[bytes, bytes, bytes]

    @property
    def bytes_held(self) -> int:
        """Memory that it takes."""
        return sum(map(len, self.pictures))


class PatchCache:
    """The patches that were made last, by what they depend on; the oldest ones go when there are too many."""

    def __init__(self, limit_bytes: int = CACHE_BYTES) -> None:
        """Hold nothing.

        Args:
            limit_bytes: memory for all patches; the newest one stays even when it is larger.
        """
        self._limit = limit_bytes
        self._patches: OrderedDict[tuple[Hashable, Area], Patch] = OrderedDict()

    def add(self, key: Hashable, patch: Patch) -> None:
        """Keep a patch."""
        self._patches.pop((key, patch.area), None)
        self._patches[key, patch.area] = patch
        while len(self._patches) > 1 and self._held() > self._limit:
            self._patches.popitem(last=False)

    def near(self, key: Hashable, visible: Area) -> list[Patch]:
        """The patches that show something of a rectangle, oldest first; they count as used now."""
        found = [place for place in self._patches if place[0] == key and _common(place[1], visible)]
        for place in found:
            self._patches.move_to_end(place)
        return [self._patches[place] for place in found]

    def missing(self, key: Hashable, visible: Area) -> Area | None:
        """The smallest rectangle that holds everything of `visible` that no patch shows; None when all is there.

        Patches are taken one by one: one that covers all of a side lets the rectangle shrink there.
        """
        patches = [patch.area for patch in self.near(key, visible)]
        left = visible
        while True:
            before = left
            for area in patches:
                rest = _without(left, area)
                if rest is None:
                    return None
                left = rest
            if left == before:
                return left

    def _held(self) -> int:
        return sum(patch.bytes_held for patch in self._patches.values())


def next_piece(cache: PatchCache, key: Hashable, visible: Area, whole: Size, side: int) -> Area | None:
    """What to ask for next, so that all of a view is there in the end; the middle comes first.

    Args:
        cache: what is there.
        key: as for the cache.
        visible: what is to be seen of the result.
        whole: the result's size.
        side: longest side of a piece, px.

    Returns:
        A rectangle of the result, at most `2 * WIDEN_PX` longer than `side`; None when all is there.
    """
    for piece in _pieces(visible, side):
        if cache.missing(key, piece) is not None:
            return cache.missing(key, widened(piece, whole))
    return None


def longest_side(source: Size, result: Size, budget_px: float) -> int:
    """The longest side of a rectangle of a result for which the network sees about `budget_px` pixels of the source.

    Args:
        source: the size of what is upscaled.
        result: the size of the whole result.
        budget_px: what the network can do in bearable time.
    """
    seen = min(math.sqrt(budget_px), _MOST_SEEN_PX) - 2 * limits.PREVIEW_MARGIN_PX
    factor = min(result.width / source.width, result.height / source.height)
    return min(max(int(seen * factor) // WIDEN_PX * WIDEN_PX, WIDEN_PX), LARGEST_SIDE_PX)


def place_of(source: Size, result: Size, area: Area) -> Place:
    """Where to ask for a rectangle of a result.

    Args:
        source: the size of what is upscaled.
        result: the size of the whole result.
        area: of the result; no larger than `longest_side` allows.
    """
    rectangle = Rectangle(area.x, area.y, area.width, area.height)
    return Place.around((source.width, source.height), (result.width, result.height), rectangle)


def share_seen(area: Area, visible: Area) -> float:
    """How much of a rectangle is seen, 0..1."""
    across = min(area.x + area.width, visible.x + visible.width) - max(area.x, visible.x)
    down = min(area.y + area.height, visible.y + visible.height) - max(area.y, visible.y)
    return max(across, 0) * max(down, 0) / (area.width * area.height)


def widened(area: Area, whole: Size) -> Area:
    """A little more than is seen, so that a small move or another size of the view needs nothing new.

    Args:
        area: a rectangle of the result.
        whole: the result's size.
    """
    left, top = area.x // WIDEN_PX * WIDEN_PX, area.y // WIDEN_PX * WIDEN_PX
    right = min(-(-(area.x + area.width) // WIDEN_PX) * WIDEN_PX, whole.width)
    bottom = min(-(-(area.y + area.height) // WIDEN_PX) * WIDEN_PX, whole.height)
    return Area(left, top, right - left, bottom - top)


def network_px(place: Place) -> int:
    """Pixels that the network works on for a preview, which its time goes with."""
    total, wanted, target = 0, place.rectangle, place.result
    for size in reversed(_entering(place.picture, place.result)):
        wanted = part_to_send(size, target, wanted, limits.PREVIEW_MARGIN_PX)
        total += wanted.area
        target = size
    return total


def run_px(source: Size, result: Size) -> int:
    """The same for a whole run."""
    steps = _entering((source.width, source.height), (result.width, result.height))
    return sum(width * height for width, height in steps)


def area_of(rectangle: Rectangle) -> Area:
    """The same rectangle as the plug-in's own type."""
    return Area(rectangle.left, rectangle.top, rectangle.width, rectangle.height)


def _entering(picture: tuple[int, int], result: tuple[int, int]) -> list[tuple[int, int]]:
    """The sizes that enter the network: a result of more than its scale takes another pass over a larger picture."""
    steps = [picture]
    if any(out > _TOLERANCE * _NETWORK_SCALE * side for side, out in zip(picture, result, strict=True)):
        width, height = (
            max(-(-out // _NETWORK_SCALE), min(side, out)) for side, out in zip(picture, result, strict=True)
        )
        steps.append((width, height))
    return steps


def _pieces(area: Area, side: int) -> list[Area]:
    """A rectangle cut into about equal pieces, those in the middle first."""
    across, down = -(-area.width // side), -(-area.height // side)
    columns = [area.width * place // across for place in range(across + 1)]
    rows = [area.height * place // down for place in range(down + 1)]
    pieces = [
        Area(area.x + left, area.y + top, right - left, bottom - top)
        for top, bottom in itertools.pairwise(rows)
        for left, right in itertools.pairwise(columns)
    ]
    return sorted(pieces, key=lambda piece: _distance(piece, area))


def _distance(one: Area, other: Area) -> int:
    """Between the middles of two rectangles, along both axes, in half pixels."""
    across = abs(2 * (one.x - other.x) + one.width - other.width)
    return across + abs(2 * (one.y - other.y) + one.height - other.height)


def _common(one: Area, other: Area) -> bool:
    across = one.x < other.x + other.width and other.x < one.x + one.width
    return across and one.y < other.y + other.height and other.y < one.y + one.height


def _without(area: Area, covered: Area) -> Area | None:
    """What is left of `area`, as a rectangle; None for nothing."""
    x, width = _rest(area.x, area.width, covered.x, covered.width)
    y, height = _rest(area.y, area.height, covered.y, covered.height)
    if not width and not height:
        return None
    if not height:
        return Area(x, area.y, width, area.height)
    if not width:
        return Area(area.x, y, area.width, height)
    return area


def _rest(first: int, length: int, begin: int, covered: int) -> tuple[int, int]:
    """What a span leaves of another one: all of it, one end, or nothing (length 0)."""
    end, last = begin + covered, first + length
    if begin <= first and end >= last:
        return first, 0
    if begin <= first < end:
        return end, last - end
    if begin < last <= end:
        return first, begin - first
    return first, length
