"""Kinds of arguments whose values GIMP does not check: the plug-in does, with a sentence (`argument_checks`)."""

from __future__ import annotations

from collections.abc import Collection

from gi.repository import Gimp, GObject

FARTHEST = 1_000_000_000
"""Declared ranges hold everything that can be typed by mistake."""
# Of a number that is none (NaN) GIMP would otherwise make the default; this way it refuses the call.
_NUMBER = GObject.ParamFlags.READWRITE | GObject.ParamFlags.LAX_VALIDATION


def add_word(
    procedure: Gimp.ImageProcedure, name: str, label: str, told: str, words: Collection[str], default: str
) -> None:
    """Add an argument that is one of some words; as one of GIMP's choices an unknown word would become the default."""
    told = f"{told}: {', '.join(words)}"
    procedure.add_string_argument(name, label, told, default, GObject.ParamFlags.READWRITE)


def add_number(procedure: Gimp.ImageProcedure, name: str, label: str, told: str, default: float) -> None:
    """Add an argument that is a number."""
    procedure.add_double_argument(name, label, told, -FARTHEST, FARTHEST, default, _NUMBER)


def add_whole_number(procedure: Gimp.ImageProcedure, name: str, label: str, told: str, default: int) -> None:
    """Add an argument that is a whole number of 32 bit."""
    procedure.add_int_argument(name, label, told, GObject.G_MININT, GObject.G_MAXINT, default, _NUMBER)
