"""Bring the catalogues of translations up to date: `python3 tests/translate.py`, in an environment of the tests.

New English texts get an empty translation to be filled in (tests/test_languages.py fails until then), texts that are
gone are dropped, and every .po file is compiled to the .mo file that is shipped. Nothing else is needed, no gettext
tools either.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / name) for name in ("shared", "backend", "gimp_plugin/gimp-bsrgan", "tests")]

from support import catalogs, translatable  # noqa: E402


def update(catalog: catalogs.Catalog, language: str) -> int:
    """Update and compile one catalogue; returns how many translations are missing."""
    places = translatable.of(catalog)
    source, binary = catalog.source(language), catalog.binary(language)
    old = catalogs.read(source) if source.exists() else {}
    texts = {english: old.get(english, "") for english in sorted(places)}
    source.parent.mkdir(parents=True, exist_ok=True)
    catalogs.write(source, language, texts, places)
    binary.parent.mkdir(parents=True, exist_ok=True)
    binary.write_bytes(catalogs.compiled(language, texts))
    return sum(not text for text in texts.values())


if __name__ == "__main__":
    for catalog in catalogs.CATALOGS:
        for language in catalogs.LANGUAGES:
            missing = update(catalog, language)
            sys.stdout.write(f"{catalog.domain} {language}: {missing} missing\n")
