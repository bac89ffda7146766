"""Results in both GIMPs: pixels of every type and precision, places and sizes, profiles, selections, masks."""

from __future__ import annotations

import pytest

from support.gimp_checks import cases

INSIDE = "upscale_layers"


@pytest.mark.parametrize("check", cases(INSIDE, "check_pixels"))
def test_pixels(outcome, check):
    """A layer of any type and precision becomes one of the same kind with the daemon's pixels."""
    # Babl chooses among its conversions by speed, so another process may round the last digit differently.
    component = check.split("-")[1].split("_")[0]
    assert outcome.unwrap() <= {"U8": 0, "U16": 1 / 65535, "HALF": 1e-3}.get(component, 1e-6)


@pytest.mark.parametrize("check", cases(INSIDE, "check_output"))
def test_outputs(outcome, check):
    """Each output puts the result at its place, in its size, above its source, and names it."""
    name = outcome.unwrap()["name"]
    assert name.startswith("photo #1 (BSRGAN")
    assert name.endswith(")" if "same-size" in check else f"{check[-2]})")


@pytest.mark.parametrize("check", cases(INSIDE, "check_selection"))
def test_selection(outcome):
    """A rectangular selection limits the area and stays where it is in the picture."""
    outcome.unwrap()


@pytest.mark.parametrize("check", cases(INSIDE, "check_shape"))
def test_shapes(outcome):
    """The smallest and thinnest pictures are enlarged like others."""
    outcome.unwrap()


@pytest.mark.parametrize("check", cases(INSIDE, "check_profile"))
def test_profile(outcome):
    """A colour profile is kept, and nothing is converted on the way."""
    outcome.unwrap()


@pytest.mark.parametrize(
    "check",
    [
        "check_round_selection",
        "check_linear_values",
        "check_in_group",
        "check_mask",
        "check_live_filter",
        "check_indexed",
        "check_long_thin",
        "check_last_values",
    ],
)
def test_special_layers(outcome):
    """Round selections, linear values, groups, masks, filters, palettes and thin strips come out right."""
    outcome.unwrap()
