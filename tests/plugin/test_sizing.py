"""Sizes as people ask for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bsrgan_plugin.outcomes import Refusal
from bsrgan_plugin.sizing import Sizing


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        (Sizing(), (1200, 800)),
        (Sizing(factor=0.25), (75, 50)),
        (Sizing(factor=2.5), (750, 500)),
        (Sizing(percent=150), (450, 300)),
        (Sizing(width=900), (900, 600)),
        (Sizing(height=900), (1350, 900)),
        (Sizing(width=900, height=900), (900, 900)),
        (Sizing(print_width=254, dpi=300), (3000, 2000)),
        (Sizing(print_height=25.4, dpi=301), (452, 301)),
        (Sizing(print_width=254, print_height=100, dpi=72), (720, 283)),
        (Sizing(dpi=300), (1200, 800)),
        (Sizing(factor=99, percent=200), (600, 400)),
    ],
)
def test_each_way_of_asking(asked, size):
    """A factor, a percentage, pixels and a size on paper become pixels; a missing side keeps the proportions."""
    assert asked.target(300, 200) == size


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        (Sizing(factor=17), "0.25 to 16"),
        (Sizing(factor=float("nan")), "0.25 to 16"),
        (Sizing(percent=10), "not 0.1 times"),
        (Sizing(percent=1700), "not 17 times"),
        (Sizing(width=10), "0.25 to 16"),
        (Sizing(height=99_999), "0.25 to 16"),
        (Sizing(width=-4), "negative"),
        (Sizing(dpi=float("inf")), "negative"),
        (Sizing(dpi=200_000), "at most 100000"),
        (Sizing(width=600, percent=200), "one way"),
        (Sizing(width=600, print_width=100, dpi=300), "one way"),
        (Sizing(print_width=100), "dpi"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(asked, word):
    """Numbers out of range, contradictions and a missing dpi are refused; the sentence says what to do."""
    with pytest.raises(Refusal, match=word) as refused:
        asked.target(300, 200)
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)


@given(width=st.integers(1, 5000), height=st.integers(1, 5000), wanted=st.integers(1, 60_000))
def test_a_side_is_met_exactly(width, height, wanted):
    """The side that is asked for comes out exactly, the other within rounding of the proportions."""
    try:
        size = Sizing(width=wanted).target(width, height)
    except Refusal:
        return
    assert size[0] == wanted
    assert abs(size[1] - height * wanted / width) <= 0.5 or size[1] == 1
