"""The manual beside the plug-in: which page a dialog has, in the dialog's own language. Without gi."""

from __future__ import annotations

import gettext
from pathlib import Path

from bsrgan_plugin.translation import DOMAIN
from bsrgan_plugin.translation import FOLDER as CATALOGS

FOLDER = Path(__file__).resolve().parent.parent / "help"
ENGLISH = "en"


def page(name: str) -> Path:
    """The page of a dialog.

    Args:
        name: "upscale" or "degrade".

    Returns:
        The page in the language that the dialog itself speaks; the English one where there is no other.
    """
    translated = FOLDER / _language() / f"{name}.html"
    return translated if translated.is_file() else FOLDER / ENGLISH / f"{name}.html"


def _language() -> str:
    catalog = gettext.find(DOMAIN, str(CATALOGS))
    # The catalogue lies in LANGUAGE/LC_MESSAGES.
    return Path(catalog).parent.parent.name if catalog else ENGLISH
