"""Geometry of the outputs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsrgan_plugin.outcomes import Refusal
from bsrgan_plugin.outputs import (
    GIMP_SIDE_PX,
    Area,
    OutputMode,
    Size,
    Source,
    layer_name,
    place,
    scaled_area,
    scaled_edge,
)
from bsrgan_plugin.sizing import Sizing

SCALES = (2, 3, 4)

sides = st.integers(1, 4000)


@st.composite
def sources(draw):
    """A layer anywhere in or beside a picture, and an area within it."""
    layer = Size(draw(sides), draw(sides))
    width, height = draw(st.integers(1, layer.width)), draw(st.integers(1, layer.height))
    area = Area(draw(st.integers(0, layer.width - width)), draw(st.integers(0, layer.height - height)), width, height)
    offsets = st.integers(-5000, 5000)
    return Source(Size(draw(sides), draw(sides)), layer, draw(offsets), draw(offsets), area)


@settings(deadline=None, max_examples=80)
@given(source=sources(), scale=st.sampled_from(SCALES))
def test_new_layer_covers_exactly_its_source_in_the_enlarged_picture(source, scale):
    """In the enlarged picture the result's rectangle is the area's rectangle, each edge times the scale."""
    placed = place(source, OutputMode.NEW_LAYER, scale)
    left, top = source.offset_x + source.area.x, source.offset_y + source.area.y
    right, bottom = left + source.area.width, top + source.area.height
    assert (placed.offset_x, placed.offset_y) == (left * scale, top * scale)
    assert placed.offset_x + placed.result.width == right * scale
    assert placed.offset_y + placed.result.height == bottom * scale
    assert placed.canvas == Size(source.image.width * scale, source.image.height * scale)
    assert placed.factor == scale


@settings(deadline=None, max_examples=40)
@given(source=sources(), scale=st.sampled_from(SCALES))
def test_new_image_holds_the_result_and_nothing_else(source, scale):
    """A new picture is exactly as large as the result, which lies at its origin."""
    placed = place(source, OutputMode.NEW_IMAGE, scale)
    assert placed.canvas == placed.result == Size(source.area.width * scale, source.area.height * scale)
    assert (placed.offset_x, placed.offset_y) == (0, 0)


@settings(deadline=None, max_examples=40)
@given(source=sources(), scale=st.sampled_from(SCALES))
def test_same_size_ignores_the_scale(source, scale):
    """A restored layer has the area's size and place, and the picture keeps its size."""
    placed = place(source, OutputMode.SAME_SIZE, scale)
    assert placed.result == source.area.size
    assert placed.canvas == source.image
    assert placed.offset_x == source.offset_x + source.area.x
    assert placed.offset_y == source.offset_y + source.area.y
    assert placed.factor == 1


@settings(deadline=None, max_examples=80)
@given(source=sources(), scale=st.floats(0.25, 16.0), mode=st.sampled_from(OutputMode))
def test_any_factor_gives_a_size_that_the_daemon_does(source, scale, mode):
    """Whatever the factor, the result has at least one pixel and is within a pixel of what was asked."""
    try:
        placed = place(source, mode, scale)
    except Refusal:
        # A thin area in a picture whose own side cannot become as short.
        assert min(source.image.width, source.image.height, source.area.width, source.area.height) * scale < 2
        return
    factor = 1.0 if mode is OutputMode.SAME_SIZE else scale
    for side, result in zip(
        (source.area.width, source.area.height), (placed.result.width, placed.result.height), strict=True
    ):
        assert result >= 1
        assert abs(result - side * factor) <= 1.0 + side / min(source.image.width, source.image.height)


@given(old=sides, new=st.integers(1, 60000), edge=st.integers(-6000, 6000))
def test_edges_keep_their_order_and_the_picture_fills_its_canvas(old, new, edge):
    """A scaled edge never jumps over its neighbour, lies at the same place on both sides of 0, and the far one fits."""
    assert scaled_edge(edge, old, new) <= scaled_edge(edge + 1, old, new)
    assert scaled_edge(-edge, old, new) == -scaled_edge(edge, old, new)
    assert scaled_area(Area(0, 0, old, old), Size(old, old), Size(new, new)) == Area(0, 0, new, new)


def test_a_size_is_that_of_the_picture_around_the_layer():
    """In the enlarged picture the asked size is the picture's, in a new picture it is the result's."""
    asked = Sizing(width=600)
    source = Source(Size(200, 100), Size(50, 40), 10, -6, Area(0, 0, 50, 40), asked)
    layer = place(source, OutputMode.NEW_LAYER, 4)
    assert (layer.canvas, layer.result, layer.offset_x, layer.offset_y) == (Size(600, 300), Size(150, 120), 30, -18)
    image = place(source, OutputMode.NEW_IMAGE, 4)
    assert image.canvas == image.result == Size(600, 480)
    assert place(source, OutputMode.SAME_SIZE, 4).result == Size(50, 40)


def test_factors_across_and_down_are_told_apart():
    """A size that changes the proportions has two factors, and both scale the resolution."""
    source = Source(Size(200, 100), Size(200, 100), 0, 0, Area(0, 0, 200, 100), Sizing(width=400, height=300))
    assert place(source, OutputMode.NEW_LAYER, 4).factors == (2.0, 3.0)
    assert place(source, OutputMode.SAME_SIZE, 4).factors == (1.0, 1.0)


@pytest.mark.parametrize("scale", [-1, 0, 0.2, 16.5, 1e9, float("nan")])
@pytest.mark.parametrize("mode", list(OutputMode))
def test_other_scales_are_refused(mode, scale):
    """A scale outside 0.25..16 is refused, whoever passes it and even where it means nothing."""
    source = Source(Size(8, 8), Size(8, 8), 0, 0, Area(0, 0, 8, 8))
    with pytest.raises(Refusal, match=r"0\.25 to 16"):
        place(source, mode, scale)


def test_a_picture_that_gimp_cannot_hold_is_refused():
    """An enlarged picture beyond GIMP's longest side is refused before anything is sent."""
    source = Source(Size(GIMP_SIDE_PX // 4 + 1, 8), Size(8, 8), 0, 0, Area(0, 0, 8, 8))
    with pytest.raises(Refusal, match=str(GIMP_SIDE_PX)):
        place(source, OutputMode.NEW_LAYER, 4)
    assert place(source, OutputMode.NEW_IMAGE, 4).result == Size(32, 32)


def test_whole_layer_is_told_from_a_part():
    """Only the area that is all of the layer counts as the whole layer."""
    whole = Source(Size(9, 9), Size(8, 6), 3, 3, Area(0, 0, 8, 6))
    part = Source(Size(9, 9), Size(8, 6), 3, 3, Area(0, 0, 8, 5))
    assert whole.is_whole_layer
    assert not part.is_whole_layer


def test_names_tell_what_was_done():
    """The result's name carries its source's name and, where it matters, the scale."""
    assert layer_name("Sky", OutputMode.NEW_LAYER, 4) == "Sky (BSRGAN ×4)"  # noqa: RUF001 - the sign itself
    assert layer_name("Sky", OutputMode.NEW_LAYER, 1.8349) == "Sky (BSRGAN ×1.83)"  # noqa: RUF001
    assert layer_name("Sky", OutputMode.SAME_SIZE, 4) == "Sky (BSRGAN)"
