"""The command line's own words in the language of the environment (LANGUAGE, LC_ALL, LC_MESSAGES, LANG).

Sentences of errors are English until they are printed, see `bsrgan_wire.language`; what programs read (`--json`,
logs) stays English.
"""

from __future__ import annotations

import gettext
import io
import sys
from pathlib import Path

DOMAIN = "gimp-bsrgan-command"
FOLDER = Path(__file__).resolve().parent / "locale"

gettext.bindtextdomain(DOMAIN, str(FOLDER))


def _(text: str) -> str:
    """`text` in the user's language, or as it is."""
    return gettext.dgettext(DOMAIN, text)


def use_everywhere() -> None:
    """Let argparse's own words come from the same catalogue, and print what a terminal's encoding lacks as "?"."""
    gettext.textdomain(DOMAIN)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="replace")
