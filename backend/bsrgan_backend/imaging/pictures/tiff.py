"""TIFF: every depth in and out, with profile, resolution, orientation and Exif.

tifffile reads exactly what the file holds but knows only some compressions by itself; OpenCV and Pillow bring the
others (LZW, JPEG).
"""

from __future__ import annotations

import io
import logging
import struct
from typing import Any, BinaryIO

import cv2
import numpy as np
import tifffile
from PIL import Image, TiffImagePlugin

from bsrgan_backend.imaging.pictures import modes, orientation
from bsrgan_backend.imaging.pictures.picture import Picture, require_size, unreadable
from bsrgan_backend.imaging.pixels import Pixels

# What it has to say about a damaged file is in our own sentence.
logging.getLogger("tifffile").disabled = True

_MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_EXIF_IFD, _GPS_IFD, _ICC, _ORIENTATION = 34665, 34853, 34675, 274
_TEXTS = (270, 271, 272, 306, 315, 33432)
"""ImageDescription, Make, Model, DateTime, Artist, Copyright."""
_PER_INCH = {2: 1.0, 3: 2.54}
_ASSOCIATED = 1
_CLASSIC_BYTES = 3 * 2**30
"""Above this a file could pass the 4 GiB that classic TIFF can address."""


def is_tiff(data: bytes) -> bool:
    """Whether the first bytes are those of a TIFF or BigTIFF."""
    return data[:4] in _MAGIC


def rgb_from_bgr(pixels: Pixels) -> Pixels:
    """OpenCV's channel order turned round; gray stays as it is.

    Args:
        pixels: (H, W, 1, 3 or 4).
    """
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[pixels.shape[2]]
    return np.ascontiguousarray(pixels[..., order])


def read(data: bytes) -> Picture:
    """Read the first page of a TIFF file.

    Args:
        data: the whole file.

    Raises:
        BackendError: BAD_PARAM, ZERO_SIZE or TOO_MANY_PIXELS with one sentence.
    """
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages.first
            require_size(page.imagewidth, page.imagelength)
            pixels, icc, notes, is_upright = _pixels(page, data)
            if len(file.pages) > 1:
                notes.append("Only the first page is used.")
            turn = _number(page, _ORIENTATION, 1)
            dpi = orientation.turned_dpi(_resolution(page), turn)
    except tifffile.TiffFileError as error:
        raise unreadable("The file is damaged or incomplete.", str(error)) from None
    if not is_upright:
        pixels = orientation.upright(pixels, turn)
    return Picture(pixels, icc, _exif(data), dpi, "tiff", tuple(notes))


def _pixels(page: Any, data: bytes) -> tuple[Pixels, bytes, list[str], bool]:
    """Pixels, profile and notes of a page, and whether its decoder has already turned them upright."""
    icc = bytes(page.tags[_ICC].value) if _ICC in page.tags else b""
    plain = page.photometric in (0, 1, 2) and page.dtype is not None and page.samplesperpixel <= 4
    if not plain or page.bitspersample not in (8, 16, 32, 64):
        return (*_by_pillow(data, icc), True)
    if page.dtype.str[1:] not in ("u1", "u2", "f2", "f4", "f8"):
        raise unreadable("Pictures of this depth cannot be worked on; save it with 8, 16 or 32 bit (float) first.")
    is_upright = False
    try:
        pixels = _interleaved(page)
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        if page.dtype == np.uint8:
            return (*_by_pillow(data, icc), True)
        pixels, is_upright = _by_opencv(page, data), True
    if page.photometric == 0:
        pixels = (np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1) - pixels
    if pixels.dtype.kind == "f":
        pixels = pixels.astype(np.float32)
    if pixels.shape[2] in (2, 4) and tuple(page.extrasamples)[-1:] == (_ASSOCIATED,):
        pixels = _straight(pixels)
    return pixels, icc, [], is_upright


def _interleaved(page: Any) -> Pixels:
    """The page as (H, W, C) in the machine's byte order; it may store its channels as planes."""
    pixels = page.asarray()
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    elif page.axes.startswith("S"):
        pixels = pixels.transpose(1, 2, 0)
    if pixels.ndim != 3 or page.imagedepth > 1:
        raise unreadable("Volumes cannot be worked on; save one plane of it first.")
    native: Pixels = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("="))
    return native


def _by_pillow(data: bytes, icc: bytes) -> tuple[Pixels, bytes, list[str]]:
    with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
        return modes.unpack(image, icc)


def _by_opencv(page: Any, data: bytes) -> Pixels:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise unreadable("The file is damaged, or compressed in a way that cannot be read; save it with Deflate.")
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if pixels.shape[2] != page.samplesperpixel or pixels.dtype != page.dtype:
        raise unreadable("The file's compression cannot be read at this depth; save it with Deflate or none.")
    return rgb_from_bgr(pixels)


def _straight(pixels: Pixels) -> Pixels:
    """Associated (premultiplied) alpha to straight alpha, rounded half up for integers."""
    alpha = pixels[..., -1:].astype(np.float64)
    top = np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1.0
    # The division comes last: halves that are exact stay so.
    straight = pixels[..., :-1].astype(np.float64) * top / np.where(alpha > 0, alpha, np.inf)
    if pixels.dtype.kind == "u":
        straight = np.floor(np.minimum(straight, top) + 0.5)
    result: Pixels = np.concatenate([straight.astype(pixels.dtype), pixels[..., -1:]], axis=2)
    return result


def _number(page: Any, tag: int, default: int) -> int:
    value = page.tags[tag].value if tag in page.tags else default
    return int(value) if isinstance(value, int) else default


def _resolution(page: Any) -> tuple[float, float] | None:
    """Pixels per inch, or None when the file gives none or no unit."""
    factor = _PER_INCH.get(_number(page, 296, 2))
    if factor is None or 282 not in page.tags or 283 not in page.tags:
        return None
    values = []
    for tag in (282, 283):
        numerator, denominator = page.tags[tag].value
        if not numerator or not denominator:
            return None
        values.append(numerator / denominator * factor)
    return values[0], values[1]


def _exif(data: bytes) -> bytes:
    """What a camera wrote, as Exif: the describing texts and the Exif and GPS directories."""
    found = Image.Exif()
    try:
        # A TIFF file and Exif are the same structure.
        found.load(data)
        kept = Image.Exif()
        for tag in _TEXTS:
            if tag in found:
                kept[tag] = found[tag]
        for tag in (_EXIF_IFD, _GPS_IFD):
            if directory := dict(found.get_ifd(tag)):
                kept[tag] = directory
        return kept.tobytes().removeprefix(b"Exif\x00\x00") if len(kept) else b""
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, struct.error):
        # Broken metadata is no reason to refuse a sound picture.
        return b""


def write(file: BinaryIO, picture: Picture) -> None:
    """Write a picture as TIFF: Deflate with the horizontal predictor, big files as BigTIFF.

    Args:
        file: open for reading and writing, empty.
        picture: u8, u16 or f32 pixels. Exif goes into directories of its own, except in a BigTIFF.
    """
    channels = picture.pixels.shape[2]
    is_big = picture.pixels.nbytes > _CLASSIC_BYTES
    with tifffile.TiffWriter(file, bigtiff=is_big, byteorder="<") as writer:
        writer.write(
            picture.pixels if channels > 1 else picture.pixels[..., 0],
            photometric="rgb" if channels >= 3 else "minisblack",
            planarconfig="contig" if channels > 1 else None,
            extrasamples=["unassalpha"] if channels in (2, 4) else None,
            compression="zlib",
            predictor=picture.pixels.dtype.kind == "u",
            iccprofile=picture.icc or None,
            resolution=picture.dpi,
            resolutionunit="inch" if picture.dpi else None,
            metadata=None,
            software=False,
        )
    if picture.exif and not is_big:
        _add_exif(file, picture.exif)


def _add_exif(file: BinaryIO, exif: bytes) -> None:
    """Give the first page of a little-endian TIFF a new directory with the old entries and those of Exif.

    tifffile writes no pointers to directories, so this is done after it: entries hold absolute positions and can be
    copied as they are.
    """
    loaded = Image.Exif()
    loaded.load(exif)
    file.seek(4)
    (position,) = struct.unpack("<I", file.read(4))
    file.seek(position)
    (count,) = struct.unpack("<H", file.read(2))
    entries = {}
    for _ in range(count):
        entry = file.read(12)
        entries[struct.unpack("<H", entry[:2])[0]] = entry
    for tag in _TEXTS:
        if tag in loaded:
            # Texts of up to 4 bytes would have to stand inside the entry; zeros make them longer.
            text = str(loaded[tag]).encode("utf-8", "replace").ljust(4, b"\x00") + b"\x00"
            entries[tag] = struct.pack("<HHII", tag, 2, len(text), _put(file, text))
    for tag in (_EXIF_IFD, _GPS_IFD):
        if found := dict(loaded.get_ifd(tag)):
            directory = TiffImagePlugin.ImageFileDirectory_v2(b"II*\x00\x00\x00\x00\x00", group=tag)
            directory.update(found)
            at = _end(file)
            entries[tag] = struct.pack("<HHII", tag, 4, 1, _put(file, directory.tobytes(at)))
    body = b"".join(entries[tag] for tag in sorted(entries))
    position = _put(file, struct.pack("<H", len(entries)) + body + bytes(4))
    file.seek(4)
    file.write(struct.pack("<I", position))


def _end(file: BinaryIO) -> int:
    """Where the next piece goes: the end, on an even byte."""
    position = file.seek(0, io.SEEK_END)
    return position + position % 2


def _put(file: BinaryIO, data: bytes) -> int:
    position = _end(file)
    file.seek(0, io.SEEK_END)
    file.write(bytes(position - file.tell()) + data)
    return position
