"""Live filters that paint outside of their layer, in both GIMPs."""

from __future__ import annotations

import pytest

from support.gimp_checks import cases

INSIDE = "upscale_filters"


@pytest.mark.parametrize("check", cases(INSIDE, "check_pixels"))
def test_layer(outcome):
    """The result holds what is seen within the layer, not a part that is shifted by the shadow."""
    outcome.unwrap()


@pytest.mark.parametrize("check", cases(INSIDE, "check_group"))
def test_group(outcome):
    """A shadow of a group, or of a layer somewhere in it, is in the group's result."""
    outcome.unwrap()


@pytest.mark.parametrize("check", cases(INSIDE, "check_outside"))
def test_nothing_is_lost(outcome):
    """A shadow beyond the layer is still seen after the run, as the source stays visible, and a person is told."""
    (told,) = outcome.unwrap()
    assert "outside" in told
    assert told.endswith(".")


@pytest.mark.parametrize("check", cases(INSIDE, "check_inside"))
def test_hidden_when_nothing_is_lost(outcome):
    """A source of which nothing is seen beyond the layer is hidden, and nothing is said."""
    assert outcome.unwrap() == []
