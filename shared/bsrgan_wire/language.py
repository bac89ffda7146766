"""Sentences in the user's language. Daemon and exceptions speak English; who shows a sentence translates it here.

A sentence may hold values ("The folder {folder} cannot be created; check its parent."), and only the finished text
crosses the wire. So the names of the values in a catalogue's English text stand for any text, and what is found in
their places goes into the translation. A sentence that no catalogue knows stays English.
"""

from __future__ import annotations

import functools
import gettext
import re
import struct
from collections.abc import Mapping
from pathlib import Path

DOMAIN = "gimp-bsrgan-sentences"
FOLDER = Path(__file__).resolve().parent / "locale"

VALUE = re.compile(r"\{([a-z][a-z0-9_]*)\}")
"""A value in a catalogue's text."""

_LONGEST = 1000
"""Characters; a search for several values takes a power of the length, and no sentence of this project is longer."""

_DEPTH = 3
"""A value may be a sentence with values; no sentence of this project goes deeper."""


def translated(sentence: str) -> str:
    """A sentence of the daemon, of this package or of the backend in the language of the environment.

    Args:
        sentence: English, with its values filled in. "NAME: sentence" keeps its name.

    Returns:
        The translation, or `sentence` where there is none.
    """
    found = gettext.find(DOMAIN, str(FOLDER)) if len(sentence) <= _LONGEST else None
    return _sentences(found).translated(sentence) if found else sentence


class Sentences:
    """The sentences of one language."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        """Prepare the sentences with values.

        Args:
            texts: English to translation; values stand as {name} in both.
        """
        self._texts = texts
        # Where several fit, the one with the most words of its own says the most.
        order = sorted(filter(VALUE.search, texts), key=lambda text: len(VALUE.sub("", text)), reverse=True)
        self._patterns = [(_pattern(text), texts[text]) for text in order]

    def translated(self, text: str, depth: int = _DEPTH) -> str:
        """The translation of `text`, or `text`; `depth` limits how far values are looked into."""
        if text in self._texts:
            return self._texts[text]
        for pattern, translation in self._patterns if depth else ():
            if match := pattern.fullmatch(text):
                values = {name: self._value(value, depth) for name, value in match.groupdict().items()}
                return _filled(translation, values)
        name, colon, rest = text.partition(": ")
        return name + colon + self.translated(rest, depth - 1) if colon and depth else text

    def _value(self, value: str, depth: int) -> str:
        # A single word is a name, such as that of an option; several may be a part of the sentence.
        if " " not in value:
            return value
        if (told := self.translated(value, depth - 1)) != value:
            return told
        # A sentence may have become a clause of another one.
        sentence = f"{value[:1].upper()}{value[1:]}."
        told = self.translated(sentence, depth - 1)
        return value if told == sentence else told.rstrip(".。")


def read_catalog(data: bytes) -> dict[str, str]:
    """The texts of a compiled catalogue (.mo, little-endian), without its header.

    Raises:
        ValueError: it is damaged.
    """
    try:
        _magic, _revision, count, english, other = struct.unpack_from("<5I", data)
        texts = {_text(data, english, number): _text(data, other, number) for number in range(count)}
    except struct.error as error:
        raise ValueError(str(error)) from None
    texts.pop("", None)
    return texts


def _text(data: bytes, table: int, number: int) -> str:
    length, start = struct.unpack_from("<2I", data, table + 8 * number)
    return data[start : start + length].decode("utf-8")


def _filled(text: str, values: Mapping[str, str]) -> str:
    return VALUE.sub(lambda name: values[name[1]], text)


def _pattern(text: str) -> re.Pattern[str]:
    parts = VALUE.split(text)
    # Every second part is a value's name.
    words = [f"(?P<{part}>.+?)" if place % 2 else re.escape(part) for place, part in enumerate(parts)]
    if not parts[0]:
        # A value at the start would take "NAME: " and the first words of another sentence for its own.
        words[1] = f"(?P<{parts[1]}>(?:(?!: ).)+?)"
    return re.compile("".join(words), re.DOTALL)


@functools.lru_cache(maxsize=4)
def _sentences(path: str) -> Sentences:
    try:
        return Sentences(read_catalog(Path(path).read_bytes()))
    except (OSError, ValueError):
        return Sentences({})
