"""The upscale preview of every kind of layer is the run's result."""

from __future__ import annotations

import pytest

from support.gimp_checks import cases

INSIDE = "preview_pixels"


@pytest.mark.parametrize("check", cases(INSIDE, "check_mixed"))
def test_the_mix_is_the_result(outcome):
    """Gray, alpha, integers and floats, linear or not: no value on the screen is more than one of 255 off."""
    assert outcome.unwrap() <= 1


@pytest.mark.parametrize("check", cases(INSIDE, "check_thumbnail"))
def test_the_thumbnail_has_the_layers_colours(outcome, check):
    """Whichever format GIMP makes a thumbnail in, it is shown as what it is."""
    width, height, *values = outcome.unwrap()
    colour = [200] * 3 if "GRAY" in check else [200, 90, 40]
    assert (width, height) == (15, 10)
    assert max(abs(found - wanted) for found, wanted in zip(values, colour, strict=True)) <= 2
