"""The command line's own words in the language of the environment (LANGUAGE, LC_ALL, LC_MESSAGES, LANG).

Sentences of errors are English until they are printed, see `bsrgan_wire.language`; what programs read (`--json`,
logs) stays English.
"""

from __future__ import annotations

import gettext
import io
import sys
import unicodedata
from pathlib import Path

DOMAIN = "gimp-bsrgan-command"
FOLDER = Path(__file__).resolve().parent / "locale"

gettext.bindtextdomain(DOMAIN, str(FOLDER))


def _(text: str) -> str:
    """`text` in the user's language, or as it is."""
    return gettext.dgettext(DOMAIN, text)


def printable(text: str) -> str:
    """A line that a terminal shows as it is: control characters, as names of files may hold, as backslash escapes.

    Args:
        text: one line; a line break in it belongs to a name.
    """
    return "".join(character if _is_shown(character) else _escaped(character) for character in text)


def _is_shown(character: str) -> bool:
    # Python calls all blanks but one unprintable.
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def use_everywhere() -> None:
    """Let argparse's own words come from the same catalogue, and print what a terminal's encoding lacks as "?"."""
    gettext.textdomain(DOMAIN)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")
