"""What of a result has been previewed, and what is asked for."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bsrgan_backend.models.weights import Architecture
from bsrgan_backend.worker import passes, preview
from bsrgan_plugin.outputs import Area, Size
from bsrgan_plugin.preview_patches import (
    LARGEST_SIDE_PX,
    WIDEN_PX,
    Patch,
    PatchCache,
    area_of,
    longest_side,
    network_px,
    next_piece,
    place_of,
    run_px,
    share_seen,
    widened,
)
from bsrgan_wire import limits
from bsrgan_wire.preview import PICTURES, Place
from support.repeating_network import message

KEY = ("model", "auto")
areas = st.builds(Area, st.integers(0, 12), st.integers(0, 12), st.integers(1, 12), st.integers(1, 12))


def patch(area, count=1):
    """A patch of an area."""
    return Patch(area, (b"n" * count, b"t" * count, b"b" * count))


def points(area):
    """Its pixels."""
    return {(x, y) for x in range(area.x, area.x + area.width) for y in range(area.y, area.y + area.height)}


@settings(deadline=None, max_examples=300)
@given(visible=areas, made=st.lists(areas, max_size=4))
def test_nothing_that_is_missing_is_forgotten(visible, made):
    """The rectangle that is asked for lies in the view and holds each pixel that no patch shows."""
    cache = PatchCache()
    for area in made:
        cache.add(KEY, patch(area))
    covered = set().union(*map(points, made))
    missing = cache.missing(KEY, visible)
    asked = points(missing) if missing else set()
    assert points(visible) - covered <= asked <= points(visible)


def test_what_was_seen_is_not_asked_for_again():
    """A view that comes back is there at once, and one moved aside asks for the new strip only."""
    cache = PatchCache()
    cache.add(KEY, patch(Area(100, 50, 480, 480)))
    assert cache.missing(KEY, Area(100, 50, 480, 480)) is None
    assert cache.missing(KEY, Area(140, 50, 480, 480)) == Area(580, 50, 40, 480)
    assert cache.missing(KEY, Area(100, 20, 480, 480)) == Area(100, 20, 480, 30)


def test_two_halves_make_a_whole():
    """Patches side by side show a view together, whichever came first."""
    for halves in ((Area(0, 0, 5, 9), Area(5, 0, 5, 9)), (Area(5, 0, 5, 9), Area(0, 0, 5, 9))):
        cache = PatchCache()
        for area in halves:
            cache.add(KEY, patch(area))
        assert cache.missing(KEY, Area(2, 1, 6, 6)) is None


def test_other_settings_have_other_patches():
    """A patch of another model or size shows nothing of this one."""
    cache = PatchCache()
    cache.add(KEY, patch(Area(0, 0, 9, 9)))
    assert cache.missing("another", Area(0, 0, 9, 9)) == Area(0, 0, 9, 9)
    assert cache.near("another", Area(0, 0, 9, 9)) == []


def test_the_longest_unused_goes_first():
    """When there is no more room, what was shown last stays; one patch alone may be larger than the room."""
    cache = PatchCache(limit_bytes=6)
    first, second, third = (Area(20 * place, 0, 10, 10) for place in range(3))
    cache.add(KEY, patch(first))
    cache.add(KEY, patch(second))
    assert [found.area for found in cache.near(KEY, first)] == [first]
    cache.add(KEY, patch(third))
    assert cache.near(KEY, second) == []
    assert [found.area for found in cache.near(KEY, first)] == [first]
    cache.add(KEY, patch(second, 9))
    assert [found.area for found in cache.near(KEY, Area(0, 0, 90, 90))] == [second]


@st.composite
def views(draw):
    """A picture, its result, and a rectangle of that."""
    source = Size(draw(st.integers(1, 8900)), draw(st.integers(1, 8900)))
    factor = draw(st.sampled_from([0.25, 0.5, 1, 2, 3, 4, 7.3]))
    result = Size(max(1, round(source.width * factor)), max(1, round(source.height * factor)))
    x, y = draw(st.integers(0, result.width - 1)), draw(st.integers(0, result.height - 1))
    width = draw(st.integers(1, min(result.width - x, 3000)))
    return source, result, Area(x, y, width, draw(st.integers(1, min(result.height - y, 3000))))


@settings(deadline=None, max_examples=200)
@given(case=views(), budget=st.sampled_from([1, 150_000, 1e9]))
def test_piece_by_piece_all_of_a_view_comes(case, budget):
    """The daemon's own check takes each piece, none is asked for twice, and in the end nothing is missing."""
    source, result, visible = case
    cache, side = PatchCache(), longest_side(source, result, budget)
    asked = []
    while (piece := next_piece(cache, KEY, visible, result, side)) is not None and len(asked) < 12:
        place = place_of(source, result, piece)
        request = place.request(3, "u8")
        sizes = (request.width, request.height, request.out_width, request.out_height)
        assert Place.read(request.params, *sizes) == place
        assert area_of(place.rectangle) == piece
        assert max(piece.width, piece.height) <= side + 2 * WIDEN_PX
        assert request.out_height == PICTURES * piece.height
        assert place.part.area <= limits.PREVIEW_PX
        assert network_px(place) > 0
        assert piece not in asked
        asked.append(piece)
        cache.add(KEY, patch(piece))
    count = -(-visible.width // side) * -(-visible.height // side)
    assert len(asked) <= count
    if count <= 12:
        assert cache_shows(cache, visible, side)


def cache_shows(cache, visible, side):
    """Whether nothing of a view is missing."""
    return next_piece(cache, KEY, visible, Size(1, 1), side) is None


@given(area=areas, visible=areas)
def test_the_share_that_is_seen_is_that_of_the_pixels(area, visible):
    """Of a rectangle as many pixels are seen as both have."""
    assert share_seen(area, visible) == len(points(area) & points(visible)) / len(points(area))


def test_the_middle_comes_first():
    """A view that is too much for once begins where a person looks."""
    piece = next_piece(PatchCache(), KEY, Area(0, 0, 3072, 1024), Size(4000, 4000), 1024)
    assert piece == Area(1024, 0, 1024, 1024)


def test_a_faster_device_is_asked_for_more():
    """The side follows the budget, the scale, and what the protocol allows."""
    small, whole = Size(1000, 1000), Size(4000, 4000)
    assert longest_side(small, whole, 150_000) == 960
    assert longest_side(small, small, 150_000) == 224
    assert longest_side(small, small, 1e9) == LARGEST_SIDE_PX
    assert longest_side(small, small, 1) == WIDEN_PX


@given(case=views())
def test_a_little_more_than_is_seen_is_asked_for(case):
    """The rectangle holds the view, lies in the result, and grows by less than a step on each side."""
    _source, result, visible = case
    area = widened(visible, result)
    for first, length, begin, count, side in (
        (visible.x, visible.width, area.x, area.width, result.width),
        (visible.y, visible.height, area.y, area.height, result.height),
    ):
        assert 0 <= first - begin < WIDEN_PX
        assert 0 <= begin + count - first - length < WIDEN_PX
        assert begin + count <= side


def test_a_usual_view_is_asked_for_as_it_is():
    """What fits is not cut; the network sees it with the margin that it needs."""
    place = place_of(Size(1000, 1000), Size(4000, 4000), Area(2000, 1600, 480, 480))
    assert area_of(place.rectangle) == Area(2000, 1600, 480, 480)
    # 120 px and twice the margin, each end at a multiple of 8.
    assert network_px(place) == 272 * 264


@settings(deadline=None, max_examples=100)
@given(width=st.integers(200, 900), height=st.integers(200, 900), factor=st.floats(0.5, 15.9))
def test_the_network_is_counted_as_the_worker_uses_it(width, height, factor):
    """Forecasts know the pixels of each pass: of a run exactly, of a preview nearly."""
    source, result = Size(width, height), Size(round(width * factor), round(height * factor))
    steps = passes.sizes((height, width), (result.height, result.width), 4)[:-1]
    assert run_px(source, result) == sum(rows * columns for rows, columns in steps)
    area = Area(result.width // 3, result.height // 3, min(128, result.width // 2), min(128, result.height // 2))
    place = place_of(source, result, area)
    block = np.zeros((place.part.height, place.part.width, 3), np.uint8)
    told = message(block, (3 * area.height, area.width), task="preview", params=place.params())
    planned = preview.plan(preview.Order.of(told), Architecture(16, 1, 4, 3, 3, 4))
    assert 0.8 <= network_px(place) / sum(step.seen.area for step in planned) <= 1.1


def test_passes_of_a_large_factor_are_all_counted():
    """Eight times as large is once over the picture and once over one of twice its sides."""
    assert run_px(Size(100, 50), Size(400, 200)) == 100 * 50
    assert run_px(Size(100, 50), Size(800, 400)) == 100 * 50 + 200 * 100
