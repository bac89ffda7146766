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


@pytest.mark.parametrize("check", cases(INSIDE, "check_metadata"))
def test_metadata(outcome):
    """Exif, XMP and IPTC are kept; what they say of size and resolution is true, and no thumbnail is promised."""
    tags = outcome.unwrap()
    assert tags["Exif.Image.Copyright"] == "A photographer"
    assert tags["Exif.Photo.ExposureTime"] == "1/125"
    assert tags["Iptc.Application2.Caption"] == "A caption"
    assert "A title" in tags["Xmp.dc.title"]
    for side, names in (("72", ("ImageWidth", "PixelXDimension")), ("54", ("ImageLength", "PixelYDimension"))):
        found = [value for name, value in tags.items() if name.split(".")[-1] in names]
        assert found == [side] * 4
    assert not [name for name in tags if "Thumbnail" in name]
