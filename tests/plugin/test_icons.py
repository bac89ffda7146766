"""The icons of the filters in GIMP's menus, which shows them as they are in every theme."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from bsrgan_plugin import manual

ICONS = manual.FOLDER.parent / "icons"
MENUS = {"light": 0xEBEBEB, "dark": 0x3A3A3A}
"""Backgrounds of GIMP's menus."""
LEAST_CONTRAST = 3.0
"""What WCAG 2.1, 1.4.11, asks of graphics."""


def luminance(colour: int) -> float:
    """Relative luminance of 0xRRGGBB, as WCAG 2.1 defines it."""
    values = [(colour >> shift & 0xFF) / 255 for shift in (16, 8, 0)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", MENUS)
@pytest.mark.parametrize("name", ["upscale", "degrade"])
def test_icons_can_be_seen(name, theme):
    """Every colour of an icon stands out from the menu."""
    text = (ICONS / f"{name}.svg").read_text("utf-8")
    ElementTree.fromstring(text)
    colours = {int(digits, 16) for digits in re.findall(r'fill="#([0-9a-f]{6})"', text)}
    assert colours
    for colour in colours:
        pair = sorted((luminance(colour), luminance(MENUS[theme])))
        assert (pair[1] + 0.05) / (pair[0] + 0.05) >= LEAST_CONTRAST
