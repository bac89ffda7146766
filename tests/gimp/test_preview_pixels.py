"""The upscale preview of every kind of layer is the run's result."""

from __future__ import annotations

import pytest

from support.gimp_checks import cases

INSIDE = "preview_pixels"


@pytest.mark.parametrize("check", cases(INSIDE, "check_mixed"))
def test_the_mix_is_the_result(outcome):
    """Gray, alpha, integers and floats, linear or not: no value on the screen is more than one of 255 off."""
    assert outcome.unwrap() <= 1
