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

from bsrgan_backend.engine import grids
from bsrgan_backend.engine.grids import Grid
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

DISK_SLOWNESS = 1.15
"""Time with the features in a file over that with them in memory."""

_FLOAT = 4


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
        most_arithmetic: a plan whose margins make more work than this, in proportion, is not taken.
    """

    name: str
    group: int
    bytes_px: int
    slowness: float = 1.0
    new_bytes: int = 0
    call_macs: float = CALL_MACS
    widths: grids.Widths = grids.ALL_ALIKE
    most_arithmetic: float = math.inf

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
        shapes: what tiles of several sizes take in all beside their own: kernels, and memory that stays in pieces.
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
            if plan.arithmetic > method.most_arithmetic:
                break
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
            trunk = grids.fixed_grid(height, width, method.margin, tile, method.widths.multiple)
            tail = grids.fixed_grid(height, width, TAIL_MARGIN, tile)
        else:
            trunk = grids.best_grid(height, width, method.margin, limit, method.widths)
            tail = grids.strips(height, width, TAIL_MARGIN, tail_limit)
        edges = grids.strips(height, width, JOIN_MARGIN, edge_limit)
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
    held += footprint.shapes if trunk.sizes > 1 else 0
    in_trunk = held + trunk_arrays(trunk, width, architecture)
    in_tail = held + tail.largest_px * footprint.tail + _tail_arrays(tail, width, architecture)
    need = image + max(in_trunk, in_tail) + (0 if spooled else feature_bytes)
    return Plan(method, trunk, edges, tail, spooled, feature_bytes, need)


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
        f"The picture needs {amount(need)} of free memory and {amount(budget)} can be used; "
        "close other programs or select a smaller area."
    )
    return BackendError("HOST_OOM", text, f"need {need}, budget {budget}")


def amount(size: int) -> str:
    """Bytes as people are told of them."""
    return f"{size / 1e9:.1f} GB" if size >= 10**9 else f"{math.ceil(size / 1e6)} MB"
