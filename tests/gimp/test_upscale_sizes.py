"""Sizes of results and of what lies around them, in both GIMPs."""

from __future__ import annotations

import pytest

from support.gimp_checks import cases

INSIDE = "upscale_sizes"


@pytest.mark.parametrize("check", cases(INSIDE, "check_size"))
def test_size(outcome):
    """A factor, percent, pixels and a size on paper give the daemon's pixels of that size, and the right dpi."""
    outcome.unwrap()


@pytest.mark.parametrize("check", cases(INSIDE, "check_odd_factor"))
def test_odd_factor(outcome):
    """The result covers its source exactly, whatever the factor and wherever the layer lies."""
    outcome.unwrap()


@pytest.mark.parametrize("check", ["check_surroundings"])
def test_surroundings(outcome):
    """Layers, masks, guides, channels and paths follow the picture."""
    outcome.unwrap()


@pytest.mark.parametrize("check", ["check_selection_of_any_factor", *cases(INSIDE, "check_soft_selection")])
def test_selection(outcome):
    """What was selected stays selected in the enlarged picture, at its place."""
    outcome.unwrap()


@pytest.mark.parametrize("check", ["check_feathered_edge"])
def test_feathered_edge(outcome):
    """A feathered selection lets the result blend into the old pixels."""
    outcome.unwrap()
