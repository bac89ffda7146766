"""Where a preview lies: the part that is sent, the parameters that say so, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bsrgan_wire import limits
from bsrgan_wire.preview import ALIGN_PX, SENT_MARGIN_PX, Place, Rectangle, part_to_send, shown

SIDES = st.integers(1, 3000)


@st.composite
def places(draw):
    """Sizes, a rectangle inside of the result, and a margin."""
    picture, result = (draw(SIDES), draw(SIDES)), (draw(SIDES), draw(SIDES))
    left, top = draw(st.integers(0, result[0] - 1)), draw(st.integers(0, result[1] - 1))
    width, height = draw(st.integers(1, result[0] - left)), draw(st.integers(1, result[1] - top))
    return picture, result, Rectangle(left, top, width, height), draw(st.integers(0, 200))


@given(places())
def test_the_part_holds_the_rectangle_and_its_margin(given_):
    """Each side has the margin or is the picture's edge, begins at a multiple of eight, and is no wider than needed."""
    picture, result, rectangle, margin = given_
    seen, part = shown(picture, result, rectangle), part_to_send(picture, result, rectangle, margin)
    assert part.is_inside(picture)
    assert part.covers(seen)
    assert part.left % ALIGN_PX == part.top % ALIGN_PX == 0
    for begin, end, low, high, most in (
        (part.left, part.right, seen.left, seen.right, picture[0]),
        (part.top, part.bottom, seen.top, seen.bottom, picture[1]),
    ):
        assert begin == 0 or 0 <= low - margin - begin < ALIGN_PX
        assert end == most or 0 <= end - high - margin < ALIGN_PX


@given(places())
def test_what_is_sent_unasked_is_bounded(given_):
    """The margin grows where a side shrinks, and the part is never larger than a preview may be for it."""
    picture, result, rectangle, _ = given_
    least = part_to_send(picture, result, rectangle, SENT_MARGIN_PX)
    part = part_to_send(picture, result, rectangle)
    assert part.is_inside(picture)
    assert part.covers(least)
    assert part == least or part.area <= limits.PREVIEW_PX
    assert Place.around(picture, result, rectangle).part == part


@pytest.mark.parametrize(
    ("result", "across"),
    [((16000, 12000), 144), ((4000, 3000), 144), ((1000, 800), 144), ((4000, 15000), 160), ((1000, 15000), 424)],
)
def test_the_margin_follows_the_proportions(result, across):
    """A second pass works on a shrunk side at its new size, so its margin there is so many times as wide."""
    rectangle = Rectangle(result[0] // 2, result[1] // 2, 8, 8)
    picture = (4000, 3000)
    left = picture[0] // 2 - across
    assert part_to_send(picture, result, rectangle).left == left // ALIGN_PX * ALIGN_PX


@given(places())
def test_every_pixel_of_the_rectangle_is_shown(given_):
    """The source pixel under the middle of each corner of the rectangle belongs to what it shows."""
    picture, result, rectangle, _ = given_
    seen = shown(picture, result, rectangle)
    for x, y in ((rectangle.left, rectangle.top), (rectangle.right - 1, rectangle.bottom - 1)):
        column = (2 * x + 1) * picture[0] // (2 * result[0])
        row = (2 * y + 1) * picture[1] // (2 * result[1])
        assert seen.covers(Rectangle(column, row, 1, 1))


@given(places())
def test_what_a_client_asks_is_what_a_daemon_reads(given_):
    """The request of a place reads back as that place, unless it is too large."""
    picture, result, rectangle, margin = given_
    place = Place.around(picture, result, rectangle, margin)
    request = place.request(4, "u16", model="x", params={"precision": "fast"})
    assert (request.task, request.channels, request.dtype, request.model) == ("preview", 4, "u16", "x")
    assert request.params["precision"] == "fast"
    if max(place.part.area, rectangle.area) <= limits.PREVIEW_PX:
        sizes = (request.width, request.height, request.out_width, request.out_height)
        assert Place.read(request.params, *sizes) == place


def test_the_middle_of_a_large_picture():
    """The numbers for a rectangle of 128 px of a fourfold result: 32 px and a margin of 144 on each side."""
    place = Place.around((4000, 3000), (16000, 12000), Rectangle(8000, 6000, 128, 128))
    assert place.part == Rectangle(1856, 1352, 320, 328)


GOOD = Place.around((100, 80), (400, 320), Rectangle(40, 30, 64, 48))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"left": None}, "whole numbers"),
        ({"left": "0"}, "whole numbers"),
        ({"full_w": True}, "whole numbers"),
        ({"x": 1.0}, "whole numbers"),
        ({"left": -8}, "outside of the picture"),
        ({"full_w": 90}, "outside of the picture"),
        ({"full_h": 0}, "outside of the picture"),
        ({"x": -1}, "outside of the result"),
        ({"x": 337}, "outside of the result"),
        ({"full_oh": 77}, "outside of the result"),
        ({"full_ow": -400}, "outside of the result"),
        ({"full_ow": limits.SIDE_PX + 1}, "longer than"),
        ({"full_w": 2**60}, "longer than"),
    ],
)
def test_impossible_places_are_refused(changes, word):
    """Each wrong number is refused with a sentence that says what is wrong."""
    with pytest.raises(ValueError, match=word) as caught:
        Place.read({**GOOD.params(), **changes}, GOOD.part.width, GOOD.part.height, 64, 3 * 48)
    assert str(caught.value).endswith(".")


def test_a_part_that_does_not_hold_the_rectangle_is_refused():
    """A rectangle beside what was sent is refused, and so is a height that is not three pictures'."""
    part = Rectangle(48, 0, 16, 16)
    with pytest.raises(ValueError, match="does not hold"):
        Place.read(replace(GOOD, part=part).params(), part.width, part.height, 64, 3 * 48)
    with pytest.raises(ValueError, match="three equal"):
        Place.read(GOOD.params(), GOOD.part.width, GOOD.part.height, 64, 3 * 48 + 1)


def test_previews_are_small():
    """More than four megapixels are refused, sent or shown; exactly four are taken."""
    for side, asked, is_good in ((2048, 16, True), (2049, 16, False), (256, 2048, True), (256, 2049, False)):
        place = Place((side, side), (side * 16, side * 16), Rectangle(0, 0, side, side), Rectangle(0, 0, asked, asked))
        values = (place.params(), side, side, asked, 3 * asked)
        if is_good:
            assert Place.read(*values).rectangle.width == asked
        else:
            with pytest.raises(ValueError, match="at most 4 megapixels"):
                Place.read(*values)


def test_it_needs_nothing_compiled():
    """GIMP's own Python can compute a place: no module beyond the standard library and the wire is imported."""
    shared = Path(__file__).resolve().parents[2] / "shared"
    code = (
        f"import sys; sys.path.insert(0, {str(shared)!r}); import bsrgan_wire.preview; "
        "assert not {'numpy', 'zmq', 'paddle', 'bsrgan_backend'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-I", "-c", code], check=True)
