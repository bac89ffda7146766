"""Geometry of the preview."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bsrgan_plugin.outputs import Area, Size
from bsrgan_plugin.preview_view import GRAB_PX, ZOOMS, PreviewView

sides = st.integers(1, 3000)
moves = st.lists(st.tuples(st.floats(-5000, 5000), st.floats(-5000, 5000)), max_size=4)


def view_of(source, widget, zoom=1):
    """A view of a picture on a widget."""
    view = PreviewView(source)
    view.resize(widget)
    view.set_zoom(zoom)
    return view


@settings(deadline=None, max_examples=200)
@given(
    width=sides,
    height=sides,
    across=st.integers(1, 900),
    down=st.integers(1, 900),
    panned=moves,
    zoom=st.sampled_from(ZOOMS),
)
def test_what_is_shown_is_a_part_of_the_picture_that_fills_the_widget(width, height, across, down, panned, zoom):
    """However it was moved, there is no rim beside a picture larger than the widget, and pixels keep their size."""
    view = view_of(Size(width, height), Size(across, down), zoom)
    for right, below in panned:
        view.pan(right, below)
    shown = view.shown(Size(width, height))
    area = shown.area
    assert 0 <= area.x < area.x + area.width <= width
    assert 0 <= area.y < area.y + area.height <= height
    assert (shown.width, shown.height) == (area.width * zoom, area.height * zoom)
    if width * zoom > across:
        assert shown.x <= 0
        assert shown.x + shown.width >= across
    else:
        assert area.width == width
        assert abs(2 * shown.x + shown.width - across) <= 1


@settings(deadline=None, max_examples=200)
@given(
    width=st.integers(1, 200),
    height=st.integers(1, 200),
    factor=st.integers(1, 4),
    panned=moves,
    zoom=st.sampled_from(ZOOMS),
)
def test_a_small_result_lies_where_its_source_does(width, height, factor, panned, zoom):
    """A result of a lower resolution is stretched: each of its pixels covers `factor` of the source."""
    source = Size(width * factor, height * factor)
    view = view_of(source, Size(97, 101), zoom)
    for right, down in panned:
        view.pan(right, down)
    full, small = view.shown(source), view.shown(Size(width, height))
    assert small.x - small.area.x * factor * zoom == full.x - full.area.x * zoom
    assert small.y - small.area.y * factor * zoom == full.y - full.area.y * zoom
    assert small.width == small.area.width * factor * zoom
    assert small.x <= max(full.x, 0)
    assert small.x + small.width >= min(full.x + full.width, 97)


def test_panning_moves_the_picture_with_the_pointer():
    """A drag by 10 px shows pixels that lie 10 px to the left."""
    view = view_of(Size(1000, 1000), Size(100, 100))
    before = view.shown(Size(1000, 1000)).area
    view.pan(10, -20)
    assert view.shown(Size(1000, 1000)).area == Area(before.x - 10, before.y + 20, before.width, before.height)


def test_the_divider_follows_the_pointer_and_keys_within_the_widget():
    """It can be taken hold of near its line, and never leaves the widget."""
    view = view_of(Size(500, 500), Size(200, 100))
    assert view.divider_px == 100
    assert view.is_divider(100 + GRAB_PX)
    assert not view.is_divider(100 + GRAB_PX + 1)
    view.drag_divider(150)
    assert view.divider_px == 150
    view.drag_divider(900)
    assert view.divider_px == 200
    view.step_divider(-1)
    assert view.divider_px == 190


def test_zooming_goes_by_steps_and_stops_at_both_ends():
    """Steps beyond the smallest and largest zoom change nothing."""
    view = view_of(Size(500, 500), Size(200, 100))
    zooms = []
    for steps in (-1, 1, 1, 1, -1):
        view.zoom_by(steps)
        zooms.append(view.zoom)
    assert zooms == [1, 2, 4, 4, 2]


@settings(deadline=None, max_examples=200)
@given(width=sides, height=sides, across=st.floats(0, 1), down=st.floats(0, 1), factor=st.integers(1, 4))
def test_a_place_that_is_picked_stays_when_the_scale_changes(width, height, across, down, factor):
    """The spot comes to the middle as far as the edges let it, and is still there in a larger result."""
    view = view_of(Size(width, height), Size(300, 200))
    view.move_to(across, down)
    left, top, right, bottom = view.seen()
    assert 0 <= left < right <= 1
    assert 0 <= top < bottom <= 1
    assert left - 1 / width <= across <= right + 1 / width
    assert top - 1 / height <= down <= bottom + 1 / height
    before = ((left + right) / 2, (top + bottom) / 2)
    view.rescale(Size(width * factor, height * factor))
    left, top, right, bottom = view.seen()
    assert abs((left + right) / 2 - before[0]) <= 2 / width
    assert abs((top + bottom) / 2 - before[1]) <= 2 / height


@settings(deadline=None, max_examples=100)
@given(panned=moves, zoom=st.sampled_from(ZOOMS))
def test_a_part_lies_where_the_whole_has_it(panned, zoom):
    """A rectangle of the result is painted at the very pixels that it has in the whole."""
    view = view_of(Size(900, 700), Size(300, 200), zoom)
    for right, below in panned:
        view.pan(right, below)
    shown = view.shown(Size(900, 700))
    assert view.part(shown.area) == (shown.x, shown.y)
    assert view.part(Area(0, 0, 1, 1)) == (shown.x - shown.area.x * zoom, shown.y - shown.area.y * zoom)
