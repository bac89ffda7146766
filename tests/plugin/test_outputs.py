"""Geometry of the outputs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsrgan_plugin.outcomes import Refusal
from bsrgan_plugin.outputs import GIMP_SIDE_PX, SCALES, Area, OutputMode, Size, Source, layer_name, place

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


@pytest.mark.parametrize("scale", [-1, 0, 1, 5])
def test_other_scales_are_refused(scale):
    """A scale outside 2..4 is refused, whoever passes it."""
    source = Source(Size(8, 8), Size(8, 8), 0, 0, Area(0, 0, 8, 8))
    with pytest.raises(Refusal, match="2, 3 or 4"):
        place(source, OutputMode.NEW_LAYER, scale)


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
    assert layer_name("Sky", OutputMode.SAME_SIZE, 4) == "Sky (BSRGAN)"
