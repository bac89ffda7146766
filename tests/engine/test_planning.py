"""Plans of a run: the way that is cheapest within the memory, and its tiles."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from bsrgan_backend.engine import host, planning
from bsrgan_backend.engine.grids import Widths
from bsrgan_backend.engine.paddle_engine import precision_methods
from bsrgan_backend.engine.planning import BLOCK_MARGIN, Footprint, Method
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.synthetic import BSRGAN, TINY
from bsrgan_backend.models.weights import Architecture
from support.covering import assert_covers

MANY = settings(deadline=None, max_examples=150)
SIDES = st.integers(1, 5000)
FULL = Footprint(edge=2048, tail=16384)
BLOCK = (Method("block", 1, 5376),)
EVEN = Widths(multiple=16, even=1.15, odd=1.45)


def test_a_slow_width_counts_in_the_choice() -> None:
    """Of a way that is a little faster but suits the width less, the other is taken."""
    picky, patient = Method("picky", 1, 100, widths=EVEN), Method("patient", 1, 100, 1.2)
    chosen = {
        width: planning.make_plan(100, width, BSRGAN, (picky, patient), FULL, 1 << 30).method.name for width in (64, 65)
    }
    assert chosen == {64: "picky", 65: "patient"}


@pytest.mark.parametrize(("height", "width"), [(30_000, 1), (1, 30_000), (65_535, 3), (7, 65_535)])
def test_lines_are_cut_along_their_length_only(height: int, width: int) -> None:
    """An image of one or a few pixels across is planned with few, long tiles."""
    plan = planning.make_plan(height, width, BSRGAN, BLOCK, FULL, 4 << 30)
    assert_covers(plan.trunk, height, width, BLOCK_MARGIN)
    assert plan.trunk.tiles <= 4
    assert plan.tail.tiles <= 16


@pytest.mark.parametrize(("side", "tiles"), [(1, 1), (160, 1), (512, 1), (900, 1), (2048, 9)])
def test_calls_stay_short(side: int, tiles: int) -> None:
    """Images are one tile as long as a call is short enough to be cancelled well, and few tiles above."""
    plan = planning.make_plan(side, side, BSRGAN, BLOCK, FULL, 8 << 30)
    assert plan.trunk.tiles <= tiles
    assert plan.trunk.largest_px * planning.block_macs(BSRGAN) <= planning.CALL_MACS


def test_a_lack_of_memory_cuts_smaller() -> None:
    """With less memory the tiles shrink, the prediction stays within the budget, and the image is still covered."""
    sizes = []
    for budget in (8 << 30, 2 << 30, 1500 << 20):
        plan = planning.make_plan(2048, 2048, BSRGAN, BLOCK, FULL, budget)
        assert plan.need_bytes <= budget
        assert_covers(plan.trunk, 2048, 2048, BLOCK_MARGIN)
        sizes.append(plan.trunk.largest_px)
    assert sizes[0] > sizes[1] > sizes[2]


def test_twelve_megapixels_fit_into_eight_gigabytes() -> None:
    """A photo of 4000x3000 needs its features once, not three times, and little else."""
    plan = planning.make_plan(3000, 4000, BSRGAN, BLOCK, FULL, 8 << 30)
    assert plan.feature_bytes == 3000 * 4000 * 256
    assert plan.need_bytes <= 8 << 30
    assert not plan.spooled


@pytest.mark.parametrize(("precision", "has_amx"), [("exact", False), ("fast", False), ("fast", True)])
def test_overhead_of_stages_is_small(precision: str, has_amx: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 2048x2048 in 4 GB the margins cost at most 15 percent more pixels, in either precision."""
    monkeypatch.setattr(host, "has_amx", lambda: has_amx)
    methods = precision_methods("openvino", BSRGAN, precision)
    plan = planning.make_plan(2048, 2048, BSRGAN, methods, FULL, 4 * 10**9)
    assert plan.arithmetic <= 1.15
    assert plan.need_bytes <= 4 * 10**9


def test_long_calls_are_for_small_margins_only() -> None:
    """A way whose margins would add more than it may is not taken, even where its plan would be the cheapest."""
    few, many = Method("few", 1, 100, 1.2), Method("many", 6, 100, most_arithmetic=1.3)
    chosen = {
        side: planning.make_plan(side, side, BSRGAN, (few, many), FULL, 8 << 30, tile=tile).method.name
        for side, tile in ((300, None), (700, None), (301, 301))
    }
    assert chosen == {300: "many", 700: "few", 301: "many"}


@pytest.mark.parametrize(("height", "width"), [(700, 700), (1024, 1024), (500, 3000)])
def test_with_amx_calls_are_long(height: int, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of about a megapixel run by six blocks in few tiles where the processor's products are so fast."""
    monkeypatch.setattr(host, "has_amx", lambda: True)
    methods = precision_methods("openvino", BSRGAN, "fast")
    plan = planning.make_plan(height, width, BSRGAN, methods, FULL, 8 * 10**9)
    assert plan.method.group == 6
    assert plan.trunk.tiles <= 3
    assert plan.arithmetic < 1.2


@MANY
@given(SIDES, SIDES, st.sampled_from(("exact", "fast")), st.integers(2, 16))
def test_the_cheapest_way_that_fits_is_chosen(height: int, width: int, precision: str, gigabytes: int) -> None:
    """No single way to run the blocks is cheaper than the one chosen among all of them."""
    methods = precision_methods("openvino", BSRGAN, precision)

    def plan(some: tuple[Method, ...]) -> planning.Plan:
        return planning.make_plan(height, width, BSRGAN, some, FULL, gigabytes * 10**9, can_spool=True)

    chosen = plan(methods)
    for method in methods:
        try:
            assert plan((method,)).cost >= chosen.cost
        except BackendError:
            assert method != chosen.method


def test_small_pictures_run_in_groups_and_large_ones_in_single_blocks() -> None:
    """What fits in one piece is run several blocks at a time; tiles have the margin of one block."""
    methods = precision_methods("openvino", BSRGAN, "exact")
    small = planning.make_plan(512, 512, BSRGAN, methods, FULL, 8 * 10**9)
    large = planning.make_plan(3000, 4000, BSRGAN, methods, FULL, 8 * 10**9)
    assert (small.method.group, small.trunk.tiles) == (3, 1)
    assert (large.method.group, large.arithmetic < 1.15) == (1, True)


def test_features_go_to_disk_when_memory_is_short() -> None:
    """Where a file may be used, an image whose features exceed the budget is spooled instead of refused."""
    plan = planning.make_plan(6000, 6000, BSRGAN, BLOCK, FULL, 2 << 30, can_spool=True)
    assert plan.spooled
    assert plan.need_bytes <= 2 << 30
    assert plan.feature_bytes > 2 << 30


def test_memory_is_used_before_the_disk() -> None:
    """A file is not used while the features fit into the budget."""
    assert not planning.make_plan(2048, 2048, BSRGAN, BLOCK, FULL, 4 << 30, can_spool=True).spooled


def test_too_little_memory_is_said_with_the_need() -> None:
    """An image that cannot fit is refused before anything is computed, and the sentence names what it takes."""
    with pytest.raises(BackendError) as refused:
        planning.make_plan(3000, 4000, BSRGAN, BLOCK, FULL, 1 << 30)
    assert refused.value.code == "HOST_OOM"
    assert " 3." in refused.value.text
    assert "1.1 GB" in refused.value.text


def test_a_given_tile_is_kept() -> None:
    """An explicit tile size is used as it is, or refused for lack of memory, but never made smaller."""
    plan = planning.make_plan(100, 170, TINY, BLOCK, FULL, 1 << 30, tile=50)
    assert (len(plan.trunk.rows), len(plan.trunk.columns)) == (2, 4)
    with pytest.raises(BackendError):
        planning.make_plan(2000, 2000, BSRGAN, BLOCK, FULL, 1 << 30, tile=1000)


def test_tiles_of_one_size_leave_nothing_behind() -> None:
    """Room for the kernels of several sizes is planned where there are several."""

    def needs(rows: int, shapes: int) -> int:
        footprint = Footprint(edge=2048, tail=16384, shapes=shapes)
        return planning.make_plan(rows * 100, 100, BSRGAN, BLOCK, footprint, 4 << 30, tile=100).need_bytes

    assert [needs(rows, 1 << 20) - needs(rows, 0) for rows in (1, 2, 3)] == [0, 0, 1 << 20]


def test_costs_are_those_of_the_layers() -> None:
    """Multiplications for each pixel equal the sum over all weights, weighted by the resolution they work at."""
    arch = Architecture(features=5, blocks=3, growth=2, in_channels=3, out_channels=1, scale=2, unshuffle=2)
    assert planning.join_macs(arch) == 9 * (5 * 12 + 5 * 5)
    assert planning.block_macs(arch) == 3 * 9 * (5 * 2 + 7 * 2 + 9 * 2 + 11 * 2 + 13 * 5)
    assert planning.tail_macs(arch) == 9 * (5 * 5 * 4 + 5 * 5 * 16 + 5 * 5 * 16 + 5 * 1 * 16)


@pytest.mark.parametrize(
    ("precision", "has_amx", "columns"), [("fast", True, 2), ("fast", False, 1), ("exact", True, 1)]
)
def test_only_tiles_of_bfloat16_are_particular_about_widths(
    precision: str, has_amx: bool, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture of an odd width is cut in two where the processor's tiles would be slow on it, and only there."""
    monkeypatch.setattr(host, "has_amx", lambda: has_amx)
    methods = precision_methods("openvino", BSRGAN, precision)
    plan = planning.make_plan(447, 447, BSRGAN, methods, FULL, 16 * 10**9)
    assert len(plan.trunk.columns) == columns
    assert columns == 1 or all((span.high - span.low) % 16 == 0 for span in plan.trunk.columns)
