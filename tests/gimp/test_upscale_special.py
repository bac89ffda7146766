"""Layers that are more than a rectangle of pixels, and values outside 0..1, in both GIMPs."""

from __future__ import annotations

import pytest

from support.gimp_checks import cases

INSIDE = "upscale_special"


@pytest.mark.parametrize(
    ("check", "word"),
    [
        *((check, "group") for check in cases(INSIDE, "check_group")),
        *((check, "RGB") for check in cases(INSIDE, "check_indexed")),
        ("check_text", "text"),
        ("check_vectors", "vector"),
        ("check_link", "link"),
        ("check_hidden", "hidden"),
    ],
)
def test_worked_on_as_something_else(outcome, word):
    """Groups, text, vectors and palettes become the pixels that they show, and a person is told in a sentence."""
    told = outcome.unwrap()
    assert any(word in sentence and sentence.endswith(".") for sentence in told), told


@pytest.mark.parametrize("check", cases(INSIDE, "check_floating"))
def test_floating_selection(outcome, check):
    """A floating selection is upscaled, and a person is told when it becomes a layer."""
    told = outcome.unwrap()
    assert bool(told) == ("new-image" not in check)


@pytest.mark.parametrize("check", ["check_group_filter", "check_group_with_its_own", "check_locked"])
def test_special_layers(outcome):
    """Filters and masks of groups, groups with their own layers, and locked layers come out right."""
    outcome.unwrap()


@pytest.mark.parametrize("check", cases(INSIDE, "check_locked_group"))
def test_locked_group(outcome):
    """Locks of the group around a layer neither move the result nor stop it from getting its mask."""
    outcome.unwrap()


@pytest.mark.parametrize("check", cases(INSIDE, "check_several"))
def test_several_layers(outcome, check):
    """Several layers go in one run, and each result bears the name of its source."""
    told = outcome.unwrap()
    assert len(told["names"]) == 2
    assert all("(BSRGAN" in name for name in told["names"])
    assert all(("×3" in name) == ("same-size" not in check) for name in told["names"])  # noqa: RUF001 - the sign


@pytest.mark.parametrize("check", ["check_progress_of_several"])
def test_progress_of_several_layers(outcome):
    """Each layer has its part of the bar."""
    begin, middle, end = outcome.unwrap()
    assert begin == 0.25
    assert 0.25 < middle < end <= 0.5


@pytest.mark.parametrize("check", cases(INSIDE, "check_highlights"))
def test_highlights(outcome, check):
    """HDR values are kept in every float type."""
    assert outcome.unwrap() <= (1e-3 if "HALF" in check else 1e-5)
