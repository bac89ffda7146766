"""PNG files that carry their recipe as a text chunk, and recipes out of them."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zlib
from pathlib import Path

from bsrgan_backend.cli.failure import Failure
from bsrgan_backend.imaging.pictures import Picture, png

KEY = "gimp-bsrgan-recipe"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
_AFTER_HEADER = 33
"""The signature and the IHDR chunk, which comes first and has one length."""


def write(path: Path, picture: Picture, recipe: str) -> None:
    """Write a picture with its recipe, whole or not at all; an existing file is replaced.

    Args:
        path: the PNG.
        picture: u8 or u16 pixels.
        recipe: JSON text in ASCII; it becomes a tEXt chunk (ISO/IEC 15948 §11.3.3) with the key `KEY`.

    Raises:
        OSError: the file cannot be written.
    """
    buffer = io.BytesIO()
    png.write(buffer, picture)
    data = buffer.getbuffer()
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data[:_AFTER_HEADER])
            file.write(_chunk(b"tEXt", KEY.encode("ascii") + b"\x00" + recipe.encode("ascii")))
            file.write(data[_AFTER_HEADER:])
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


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
