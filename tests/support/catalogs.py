"""Catalogues of translations: their source (.po) and what gettext reads (.mo). Plain texts only, no plural forms."""

from __future__ import annotations

import ast
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ("de", "zh_CN")
_MAGIC = 0x950412DE


@dataclass(frozen=True)
class Catalog:
    """Where the translations of one domain lie.

    Attributes:
        domain: name of the compiled files.
        sources: folder with LANGUAGE.po.
        compiled: folder of the package that reads them; LANGUAGE/LC_MESSAGES/DOMAIN.mo lies in it.
    """

    domain: str
    sources: Path
    compiled: Path

    def source(self, language: str) -> Path:
        """The .po file of a language."""
        return self.sources / f"{language}.po"

    def binary(self, language: str) -> Path:
        """The .mo file of a language."""
        return self.compiled / language / "LC_MESSAGES" / f"{self.domain}.mo"


PLUGIN = Catalog("gimp-bsrgan", ROOT / "gimp_plugin/po", ROOT / "gimp_plugin/gimp-bsrgan/locale")
SENTENCES = Catalog("gimp-bsrgan-sentences", ROOT / "shared/po", ROOT / "shared/bsrgan_wire/locale")
COMMAND = Catalog("gimp-bsrgan-command", ROOT / "backend/po", ROOT / "backend/bsrgan_backend/cli/locale")
CATALOGS = (PLUGIN, SENTENCES, COMMAND)


def header(language: str) -> str:
    """What gettext wants to know of a catalogue."""
    return f"Language: {language}\nMIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\n"


def read(path: Path) -> dict[str, str]:
    """English texts and their translations, without the header.

    Raises:
        ValueError: a line is neither comment nor text; fuzzy and obsolete entries are refused as well.
    """
    texts: dict[str, str] = {}
    parts: dict[str, str] = {}
    key = ""
    for line in [*path.read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith(("#,", "#~")):
            raise ValueError(f"{path.name}: fuzzy or obsolete: {line}")
        if line.startswith("#"):
            continue
        if line.startswith(("msgid ", "msgstr ")):
            key, _, line = line.partition(" ")
        if line:
            parts[key] = parts.get(key, "") + ast.literal_eval(line)
        elif parts:
            if parts["msgid"] in texts:
                raise ValueError(f"{path.name}: twice: {parts['msgid']}")
            texts[parts["msgid"]] = parts["msgstr"]
            parts = {}
    texts.pop("", None)
    return texts


def write(path: Path, language: str, texts: Mapping[str, str], places: Mapping[str, Sequence[str]]) -> None:
    """Write a .po file.

    Args:
        path: the file.
        language: such as "de".
        texts: English to translation, empty where it is missing; written in this order.
        places: the modules that hold each English text.
    """
    blocks = [_entry("", header(language))]
    for english, translation in texts.items():
        blocks.append(f"#: {' '.join(places[english])}\n{_entry(english, translation)}")
    path.write_text("\n".join(blocks), encoding="utf-8")


def _entry(english: str, translation: str) -> str:
    return f"msgid {_quoted(english)}\nmsgstr {_quoted(translation)}\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def compiled(language: str, texts: Mapping[str, str]) -> bytes:
    """A .mo file; texts without a translation are left out, so they stay English."""
    pairs = sorted({"": header(language), **{english: text for english, text in texts.items() if text}}.items())
    halves = [[text.encode("utf-8") for text in half] for half in zip(*pairs, strict=True)]
    tables, strings = b"", b""
    start = 28 + 16 * len(pairs)
    for half in halves:
        for text in half:
            tables += struct.pack("<2I", len(text), start + len(strings))
            strings += text + b"\0"
    first = struct.pack("<7I", _MAGIC, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    return first + tables + strings
