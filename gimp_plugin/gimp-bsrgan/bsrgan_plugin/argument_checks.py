"""Checks of arguments that GIMP lets through, so that a script hears of its mistake. Without gi.

GIMP quietly takes the default for a word that a choice does not know and for a number outside an argument's range.
So words are declared as text and ranges wide, and what is wrong is told here.
"""

from __future__ import annotations

from collections.abc import Collection

from bsrgan_plugin.outcomes import Refusal
from bsrgan_plugin.translation import _


def word(name: str, value: str | None, words: Collection[str]) -> str:
    """The value of an argument that is one of some words.

    Raises:
        Refusal: it is another one.
    """
    if value is None or value not in words:
        text = _("'{value}' is no value for {name}; use one of these: {words}.")
        raise Refusal(text.format(value=value or "", name=name, words=", ".join(words)))
    return value


def number(name: str, value: float, least: float, most: float) -> float:
    """The value of an argument that is a number in a range.

    Raises:
        Refusal: it is outside, or no number.
    """
    if not least <= value <= most:
        text = _("The value of {name} must be from {least:.10g} to {most:.10g}, not {value:.10g}.")
        raise Refusal(text.format(name=name, least=least, most=most, value=value))
    return value
