"""How an image is cut so that it fits the memory there is: pure arithmetic, no arrays, no Paddle.

The trunk's blocks run a few at a time over the whole image. A small image is one tile; a larger one is cut into
tiles that see as much around them as those blocks reach, so the result is the same to the last bit. The tail runs in
tiles that only need a few pixels around them.

Sizes here are those of the features: the image's, divided by the pixel-unshuffle factor.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.weights import Architecture

BLOCK_MARGIN = 15
"""Reach of one RRDB: its 15 convolutions of 3x3, one pixel each."""

JOIN_MARGIN = 1
"""Reach of the first and of the last convolution of the trunk."""

TAIL_MARGIN = 2
"""Reach of the tail: one pixel each for conv_hr and conv_last, and below one more for all doublings together."""

CALL_MACS = 600e9
"""Most work of one call of the trunk: a few seconds on two cores between two looks at `should_stop`."""

TAIL_TILE_MACS = 40e9
"""Largest tile of the tail: half a second, and 0.6 GB that its predictor never gives back."""

EDGE_TILE_PX = 256 * 1024
"""Largest tile of the first and the last convolution: they cost little, and so should their predictors' memory."""

SMALLEST_TILE_PX = 96 * 96
"""A stage's tile, margin included, is not cut below this: its margin would cost more than the tile."""

SMALLEST_CORE_PX = 32
"""Shortest side that a cut may leave, so that no tile is all margin."""

DISK_SLOWNESS = 1.15
"""Time with the features in a file over that with them in memory."""

_FLOAT = 4


@dataclass(frozen=True)
class Span:
    """One tile along one axis: its own part `start:stop` within what it is given to see, `low:high`."""

    start: int
    stop: int
    low: int
    high: int

    def moved(self, by: int) -> Span:
        """The same span further along the axis."""
        return Span(self.start + by, self.stop + by, self.low + by, self.high + by)


@dataclass(frozen=True)
class Grid:
    """Tiles that cover an image: every row span with every column span."""

    rows: tuple[Span, ...]
    columns: tuple[Span, ...]

    @property
    def tiles(self) -> int:
        """How many tiles."""
        return len(self.rows) * len(self.columns)

    @property
    def tallest(self) -> int:
        """Most rows that a tile sees."""
        return max(span.high - span.low for span in self.rows)

    @property
    def widest(self) -> int:
        """Most columns that a tile sees."""
        return max(span.high - span.low for span in self.columns)

    @property
    def largest_px(self) -> int:
        """Most pixels that a tile sees."""
        return self.tallest * self.widest

    @property
    def total_px(self) -> int:
        """Pixels that all tiles see together."""
        return sum(r.high - r.low for r in self.rows) * sum(c.high - c.low for c in self.columns)


@dataclass(frozen=True)
class Widths:
    """How fast tiles of different widths are.

    Attributes:
        multiple: of which the fastest widths are multiples; tiles see a little more than they need to be such.
        even: time that other even widths take, relative to those.
        odd: likewise of odd widths.
    """

    multiple: int = 1
    even: float = 1.0
    odd: float = 1.0

    def slowness(self, width: int) -> float:
        """Time for a pixel of a tile of this width, relative to the fastest ones."""
        if width % self.multiple == 0:
            return 1.0
        return self.odd if width % 2 else self.even


ALL_ALIKE = Widths()


@dataclass(frozen=True)
class Method:
    """One way in which an engine runs the trunk's blocks.

    Attributes:
        name: for the engine.
        group: blocks at a time; a tile needs `group * BLOCK_MARGIN` pixels around it.
        bytes_px: memory that the engine holds for each pixel of its largest tile, from then on.
        slowness: time for one block of one pixel, copies included, relative to the fastest method.
        new_bytes: memory for its weights where they are not loaded yet.
        call_macs: most work of one call.
        widths: how fast it is on tiles of different widths.
    """

    name: str
    group: int
    bytes_px: int
    slowness: float = 1.0
    new_bytes: int = 0
    call_macs: float = CALL_MACS
    widths: Widths = ALL_ALIKE

    @property
    def margin(self) -> int:
        """Pixels that a tile needs around its own part."""
        return self.group * BLOCK_MARGIN


@dataclass(frozen=True)
class Footprint:
    """Bytes that an engine holds beyond the arrays given to it.

    Attributes:
        edge: the first and the last convolution together, for each pixel of their largest tile.
        tail: the tail, for each pixel of the features of its largest tile.
        shapes: what many tiles take in all beside their own: kernels, and memory that stays in pieces.
    """

    edge: int
    tail: int
    shapes: int = 0


@dataclass(frozen=True)
class Plan:
    """What the driver does.

    Attributes:
        method: how the blocks run.
        trunk: tiles of every group of blocks.
        edges: tiles of the first and the last convolution.
        tail: tiles of the tail.
        spooled: the features lie in a file instead of in memory.
        feature_bytes: size of the features of the whole image.
        need_bytes: memory that the run is expected to take at most, without the features if they are spooled.
    """

    method: Method
    trunk: Grid
    edges: Grid
    tail: Grid
    spooled: bool
    feature_bytes: int
    need_bytes: int

    @property
    def arithmetic(self) -> float:
        """Pixels that the blocks work on, over those of the image; 1 without any margin."""
        own = self.trunk.rows[-1].stop * self.trunk.columns[-1].stop
        return self.trunk.total_px / own

    @property
    def cost(self) -> float:
        """Time of the trunk relative to the fastest method without margins."""
        columns = [span.high - span.low for span in self.trunk.columns]
        width = sum(seen * self.method.widths.slowness(seen) for seen in columns) / sum(columns)
        return self.arithmetic * width * self.method.slowness * (DISK_SLOWNESS if self.spooled else 1.0)


def head_macs(architecture: Architecture) -> int:
    """Multiplications of the first convolution for each pixel."""
    return 9 * architecture.features * architecture.in_channels * architecture.unshuffle**2


def block_macs(architecture: Architecture) -> int:
    """Multiplications of one RRDB for each pixel."""
    nf, gc = architecture.features, architecture.growth
    return 3 * 9 * (sum((nf + k * gc) * gc for k in range(4)) + (nf + 4 * gc) * nf)


def join_macs(architecture: Architecture) -> int:
    """Multiplications of the trunk's end for each pixel."""
    return head_macs(architecture) + 9 * architecture.features**2


def tail_macs(architecture: Architecture) -> int:
    """Multiplications of the tail for each pixel of its features."""
    nf: int = architecture.features
    factor: int = 4**architecture.doublings
    doublings: int = sum(4**k for k in range(1, architecture.doublings + 1))
    return 9 * (doublings * nf * nf + factor * nf * (nf + architecture.out_channels))


def spans(length: int, count: int, margin: int, multiple: int = 1) -> tuple[Span, ...]:
    """Cut `length` into `count` parts that differ by at most one, each seeing `margin` more on either side.

    They see still more where that makes a multiple of `multiple`, as far as `length` goes.
    """
    edges = [length * index // count for index in range(count + 1)]
    return tuple(_seeing(start, stop, length, margin, multiple) for start, stop in itertools.pairwise(edges))


def _seeing(start: int, stop: int, length: int, margin: int, multiple: int) -> Span:
    low, high = max(0, start - margin), min(length, stop + margin)
    lacking = (low - high) % multiple
    above = min(lacking, length - high)
    return Span(start, stop, max(0, low - (lacking - above)), high + above)


def fixed_grid(height: int, width: int, margin: int, side: int, multiple: int = 1) -> Grid:
    """Tiles of at most `side` pixels a side, margin not counted; their widths are multiples where there is room."""
    rows, columns = math.ceil(height / side), math.ceil(width / side)
    return Grid(spans(height, rows, margin), spans(width, columns, margin, multiple))


def best_grid(height: int, width: int, margin: int, limit_px: int, widths: Widths = ALL_ALIKE) -> Grid:
    """The tiles that take least time in all while none sees more than `limit_px`; ties go to lower bands of tiles.

    Cuts are at least `SMALLEST_CORE_PX` apart, so a limit below what that takes is exceeded.
    """
    best: tuple[float, int, int] | None = None
    for rows in range(1, max(1, height // SMALLEST_CORE_PX) + 1):
        seen_rows = _longest(height, rows, margin)
        for columns in _counts(width, margin, limit_px // seen_rows, widths):
            cost = (height + 2 * margin * (rows - 1)) * _seen_columns(width, columns, margin, widths)
            candidate = (float(cost), rows, columns)
            best = candidate if best is None or candidate[0] <= best[0] else best
    if best is None:
        best = (0.0, max(1, height // SMALLEST_CORE_PX), max(1, width // SMALLEST_CORE_PX))
    return Grid(spans(height, best[1], margin), spans(width, best[2], margin, widths.multiple))


def _counts(width: int, margin: int, limit: int, widths: Widths) -> tuple[int, ...]:
    """In how many columns a picture may be cut: as few as fit, or two where in one piece its width is a slow one."""
    if width > limit:
        count = _fewest(width, margin, limit - widths.multiple + 1)
        return () if count is None else (count,)
    is_worth_a_cut = widths.slowness(width) > 1.0 and width >= 2 * SMALLEST_CORE_PX
    return (1, 2) if is_worth_a_cut else (1,)


def _seen_columns(width: int, count: int, margin: int, widths: Widths) -> float:
    """Columns that the tiles of a row see together, slow ones counted more; about so many where they are widened."""
    if count == 1:
        return width * widths.slowness(width)
    return width + 2 * margin * (count - 1) + count * (widths.multiple - 1) / 2


def _longest(length: int, count: int, margin: int) -> int:
    """Most that a part sees when `length` is cut into `count`."""
    sides = 0 if count == 1 else 1 if count == 2 else 2
    return min(length, math.ceil(length / count) + sides * margin)


def _fewest(length: int, margin: int, limit: int) -> int | None:
    """Fewest parts of `length` that see at most `limit` each, or None if the parts would be too short."""
    if length <= limit:
        return 1
    if 2 * (limit - margin) >= length:
        count = 2
    elif limit > 2 * margin:
        count = max(3, math.ceil(length / (limit - 2 * margin)))
    else:
        return None
    return count if length // count >= SMALLEST_CORE_PX else None


def make_plan(
    height: int,
    width: int,
    architecture: Architecture,
    methods: Sequence[Method],
    footprint: Footprint,
    budget_bytes: int,
    *,
    tile: int | None = None,
    can_spool: bool = False,
) -> Plan:
    """Choose how the blocks run, the tiles of all parts, and where the features lie: the cheapest that fits.

    Args:
        height: of the features, 1 or more.
        width: of the features, 1 or more.
        architecture: the net.
        methods: the ways that the engine has for the blocks, at least one.
        footprint: what the engine takes for the rest.
        budget_bytes: memory that the run may take.
        tile: longest side of a tile, margin not counted; None to choose.
        can_spool: the features may be put into a file.

    Raises:
        BackendError: HOST_OOM, with the memory needed, when even the smallest tiles do not fit.
    """
    fitting: list[Plan] = []
    least = math.inf
    for method, spooled in itertools.product(methods, (False, True) if can_spool else (False,)):
        for plan in _shrinking(height, width, architecture, method, footprint, tile, spooled):
            least = min(least, plan.need_bytes)
            if plan.need_bytes <= budget_bytes:
                fitting.append(plan)
                break
    if not fitting:
        raise _too_little(int(least), budget_bytes)
    return min(fitting, key=lambda plan: plan.cost)


def _shrinking(
    height: int,
    width: int,
    architecture: Architecture,
    method: Method,
    footprint: Footprint,
    tile: int | None,
    spooled: bool,
) -> Iterator[Plan]:
    """Plans of one method with smaller and smaller tiles; only one when the tile is given."""
    limit = int(method.call_macs / (block_macs(architecture) * min(method.group, architecture.blocks)))
    tail_limit = int(TAIL_TILE_MACS / tail_macs(architecture))
    edge_limit = EDGE_TILE_PX
    while True:
        if tile:
            trunk = fixed_grid(height, width, method.margin, tile, method.widths.multiple)
            tail = fixed_grid(height, width, TAIL_MARGIN, tile)
        else:
            trunk = best_grid(height, width, method.margin, limit, method.widths)
            tail = strips(height, width, TAIL_MARGIN, tail_limit)
        edges = strips(height, width, JOIN_MARGIN, edge_limit)
        yield _plan(method, trunk, edges, tail, architecture, footprint, spooled)
        if tile or limit <= SMALLEST_TILE_PX:
            return
        limit = max(SMALLEST_TILE_PX, limit * 7 // 8)
        tail_limit = max(SMALLEST_TILE_PX // 4, tail_limit * 7 // 8)
        edge_limit = max(SMALLEST_TILE_PX, edge_limit * 7 // 8)


def _plan(
    method: Method,
    trunk: Grid,
    edges: Grid,
    tail: Grid,
    architecture: Architecture,
    footprint: Footprint,
    spooled: bool,
) -> Plan:
    """A plan with its peak: what the engine holds by then, the features, and the arrays of the hungrier half."""
    height, width = trunk.rows[-1].stop, trunk.columns[-1].stop
    feature_bytes = height * width * architecture.features * _FLOAT
    image = height * width * architecture.in_channels * architecture.unshuffle**2 * _FLOAT
    held = method.new_bytes + trunk.largest_px * method.bytes_px + edges.largest_px * footprint.edge
    held += footprint.shapes if trunk.tiles > 1 else 0
    in_trunk = held + trunk_arrays(trunk, width, architecture)
    in_tail = held + tail.largest_px * footprint.tail + _tail_arrays(tail, width, architecture)
    need = image + max(in_trunk, in_tail) + (0 if spooled else feature_bytes)
    return Plan(method, trunk, edges, tail, spooled, feature_bytes, need)


def strips(height: int, width: int, margin: int, limit_px: int) -> Grid:
    """Tiles as wide as the image where rows enough fit into `limit_px`, cut in columns only beyond that."""
    rows_seen = max(limit_px // width, min(height, SMALLEST_CORE_PX))
    rows = _fewest_rows(height, margin, rows_seen)
    columns = _fewest(width, margin, max(limit_px // _longest(height, rows, margin), SMALLEST_CORE_PX + 2 * margin))
    return Grid(spans(height, rows, margin), spans(width, columns or max(1, width // SMALLEST_CORE_PX), margin))


def _fewest_rows(height: int, margin: int, rows_seen: int) -> int:
    return 1 if height <= rows_seen else math.ceil(height / max(1, rows_seen - 2 * margin))


def trunk_arrays(grid: Grid, width: int, architecture: Architecture) -> int:
    """Bytes of `staging.apply` beside the features: a band with the rows kept for the next one, a tile's copies.

    One tile needs its result only; a tile as wide as the image is the band itself.
    """
    feature = architecture.features * _FLOAT
    if grid.tiles == 1:
        return grid.largest_px * feature
    carried = max((above.high - below.low for above, below in itertools.pairwise(grid.rows)), default=0)
    copies = 1 if len(grid.columns) == 1 else 2
    return ((grid.tallest + carried) * width + copies * grid.largest_px) * feature


def _tail_arrays(grid: Grid, width: int, architecture: Architecture) -> int:
    """A tile's features and result, and the strip for the sink with what the sink makes of it."""
    result: int = 4**architecture.doublings * architecture.out_channels * _FLOAT
    return 3 * grid.tallest * width * result + grid.largest_px * (architecture.features * _FLOAT + result)


def _too_little(need: int, budget: int) -> BackendError:
    text = (
        f"The picture needs {_gigabytes(need)} of free memory and {_gigabytes(budget)} can be used; "
        "close other programs or select a smaller area."
    )
    return BackendError("HOST_OOM", text, f"need {need}, budget {budget}")


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
