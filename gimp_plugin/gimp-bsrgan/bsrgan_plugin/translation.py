"""The texts in the user's language: the catalogs of `locale/` beside the plug-in, through gettext."""

from __future__ import annotations

import gettext
from pathlib import Path

DOMAIN = "gimp-bsrgan"
FOLDER = Path(__file__).resolve().parent.parent / "locale"

_catalog = gettext.translation(DOMAIN, str(FOLDER), fallback=True)


def has_catalogs() -> bool:
    """Whether any translation is installed; GIMP warns on every start when it is told of a missing folder."""
    return FOLDER.is_dir()


def _(text: str) -> str:
    """`text` in the user's language, or as it is."""
    return _catalog.gettext(text)


def sentence(text: str) -> str:
    """A sentence that came from the daemon or from the wire, which speak English, in the user's language."""
    try:
        from bsrgan_wire.language import translated
    except ImportError:
        return text
    return translated(text)
