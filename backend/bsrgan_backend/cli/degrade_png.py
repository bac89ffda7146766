"""PNG files that carry their recipe as a text chunk, and recipes out of them."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from bsrgan_backend.cli.failure import Failure
from bsrgan_backend.imaging.pictures import Picture, png, writing

KEY = "gimp-bsrgan-recipe"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
_AFTER_HEADER = 33
"""The signature and the IHDR chunk, which comes first and has one length."""


def write(pictures: Mapping[Path, Picture], recipe: str) -> None:
    """Write pictures with one recipe, all of them whole or none; existing files are replaced.

    Args:
        pictures: u8 or u16 pixels for each PNG.
        recipe: JSON text in ASCII; it becomes a tEXt chunk (ISO/IEC 15948 §11.3.3) with the key `KEY`.

    Raises:
        BackendError: a file cannot be written.
    """
    parts = {path: path.with_name(f".{path.name}.{os.getpid()}.part") for path in pictures}
    try:
        for path, picture in pictures.items():
            with _named(path):
                _write(parts[path], picture, recipe)
        # Last, so that a result is never left without its clean picture.
        for path, part in parts.items():
            with _named(path):
                part.replace(path)
    finally:
        for part in parts.values():
            with contextlib.suppress(OSError):
                part.unlink()


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise writing.failure(error, path) from None


def _write(part: Path, picture: Picture, recipe: str) -> None:
    buffer = io.BytesIO()
    png.write(buffer, picture)
    data = buffer.getbuffer()
    with part.open("wb") as file:
        file.write(data[:_AFTER_HEADER])
        file.write(_chunk(b"tEXt", KEY.encode("ascii") + b"\x00" + recipe.encode("ascii")))
        file.write(data[_AFTER_HEADER:])


def read_recipe(data: bytes, name: str) -> str:
    """The recipe's text out of a PNG.

    Args:
        data: the whole file.
        name: of the file, for the sentence.

    Raises:
        Failure: there is none.
    """
    position = len(SIGNATURE)
    head = KEY.encode("ascii") + b"\x00"
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        body = data[position + 8 : position + 8 + length]
        if kind == b"tEXt" and body.startswith(head):
            return body[len(head) :].decode("latin-1")
        position += length + 12
    raise Failure(
        f"{name}: This PNG holds no recipe; choose one that 'gimp-bsrgan degrade' wrote, or its recipes.jsonl."
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
