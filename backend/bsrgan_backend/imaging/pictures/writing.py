"""Pixels to picture files: whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging import pixels as pixel_types
from bsrgan_backend.imaging.pictures import modes, png, tiff
from bsrgan_backend.imaging.pictures.picture import Picture
from bsrgan_backend.imaging.pixels import PixelFormat

_JPEG_QUALITY = 95
_JPEG_DPI = 65_535
_JPEG_SIDE_PX, _WEBP_SIDE_PX = 65_500, 16_383
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_picture(path: Path, picture: Picture) -> None:
    """Write a picture in the format that the name's ending says; an existing file is replaced once all is there.

    PNG and TIFF keep 8 and 16 bit, TIFF floats too. What a format cannot hold is brought down with one rounding:
    floats to 16 bit in PNG, everything to 8 bit in JPEG (quality 95, no chroma subsampling) and WebP (lossless).
    Profile, Exif and resolution go with it (WebP has no resolution). WebP has no gray either: gray that has a profile
    of gray becomes sRGB there.

    Args:
        path: ending .png, .tif, .tiff, .jpg, .jpeg or .webp.
        picture: what to write.

    Raises:
        BackendError: BAD_PARAM for another ending, a folder that cannot be written, transparency in a JPEG;
            TOO_MANY_PIXELS for the format's own bounds; DISK_FULL. Nothing is left behind then.
    """
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise BackendError(
            "BAD_PARAM", f"{path.name}: Pictures are written as .png, .tif, .jpg or .webp; choose one of these."
        )
    part = _part(path)
    try:
        try:
            with part.open("w+b") as file:
                write(file, picture)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink()
            raise
    except BackendError as error:
        raise BackendError(error.code, f"{path.name}: {error.text}", error.detail) from None
    except OSError as error:
        raise failure(error, path) from None


def require_writable(path: Path, picture: Picture, size: tuple[int, int]) -> None:
    """Refuse a result that `write_picture` would refuse, before it is computed.

    Args:
        path: with an ending of `write_picture`.
        picture: what the result is made from.
        size: (height, width) of the result.

    Raises:
        BackendError: as of `write_picture`.
    """
    suffix = path.suffix.lower()
    try:
        if suffix in (".jpg", ".jpeg"):
            _require_opaque(picture)
            _require_sides(size, _JPEG_SIDE_PX, "JPEG")
        elif suffix == ".webp":
            _require_sides(size, _WEBP_SIDE_PX, "WebP")
    except BackendError as error:
        raise BackendError(error.code, f"{path.name}: {error.text}", error.detail) from None
    require_place(path)


def require_place(path: Path) -> None:
    """Refuse a place where no file can be written; one that is there stays as it is.

    Raises:
        BackendError: BAD_PARAM or DISK_FULL.
    """
    part = _part(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        part.open("wb").close()
        part.unlink()
    except OSError as error:
        raise failure(error, path) from None


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def failure(error: OSError, path: Path) -> BackendError:
    """An error of the system while a file was written, with a code and in one sentence.

    Args:
        error: what the system said.
        path: of the file that was wanted.
    """
    if error.errno in _FULL:
        return BackendError(
            "DISK_FULL", f"{path.name}: The disk is too full for the picture; free some space and try again."
        )
    return BackendError("BAD_PARAM", f"{path.name}: The file cannot be written ({error.strerror or error}).")


def _write_png(file: BinaryIO, picture: Picture) -> None:
    png.write(file, _as(picture, "u16") if picture.pixels.dtype.kind == "f" else picture)


def _write_jpeg(file: BinaryIO, picture: Picture) -> None:
    picture = _as(picture, "u8")
    _require_opaque(picture)
    if picture.pixels.shape[2] in (2, 4):
        picture = replace(picture, pixels=np.ascontiguousarray(picture.pixels[..., :-1]))
    _require_sides(picture.pixels.shape, _JPEG_SIDE_PX, "JPEG")
    # JFIF has two bytes for it.
    extra = {"dpi": picture.dpi} if picture.dpi and max(picture.dpi) < _JPEG_DPI else {}
    # Exif in JPEG lives in one segment of at most 64 KiB.
    exif = b"Exif\x00\x00" + picture.exif if 0 < len(picture.exif) <= 65_000 else b""
    _save(file, picture, "JPEG", quality=_JPEG_QUALITY, subsampling=0, exif=exif, **extra)


def _write_webp(file: BinaryIO, picture: Picture) -> None:
    picture = _as(picture, "u8")
    _require_sides(picture.pixels.shape, _WEBP_SIDE_PX, "WebP")
    if picture.pixels.shape[2] < 3 and picture.icc[16:20] == b"GRAY":
        picture = _gray_in_srgb(picture)
    _save(file, picture, "WEBP", lossless=True, exact=True, method=4, exif=picture.exif)


def _gray_in_srgb(picture: Picture) -> Picture:
    """Gray of 8 bit as RGB without a profile, for a format that has no gray: a profile of gray does not fit to RGB."""
    gray, alpha = picture.pixels[..., 0], picture.pixels[..., 1:]
    colour = modes.gray_in_srgb(picture.icc)[gray]
    return replace(picture, pixels=np.concatenate([colour, alpha], axis=2), icc=b"")


def _save(file: BinaryIO, picture: Picture, kind: str, **options: object) -> None:
    pixels = picture.pixels
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    # Through memory: Pillow's encoders lose the reason when writing a file fails.
    buffer = io.BytesIO()
    image.save(buffer, kind, icc_profile=picture.icc or None, **options)
    file.write(buffer.getbuffer())


def _as(picture: Picture, dtype: str) -> Picture:
    layout = PixelFormat(dtype, picture.pixels.shape[2])
    if picture.pixels.dtype == layout.numpy_dtype:
        return picture
    values = picture.pixels.astype(np.float32)
    if picture.pixels.dtype.kind == "u":
        values /= np.float32(np.iinfo(picture.pixels.dtype).max)
    colours = layout.colours
    alpha = values[..., colours] if layout.has_alpha else None
    return replace(picture, pixels=pixel_types.join(values[..., :colours], alpha, layout))


def _require_opaque(picture: Picture) -> None:
    pixels = picture.pixels
    full = 1.0 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    # What is rounded to 255 is opaque in 8 bits.
    if pixels.shape[2] in (2, 4) and (pixels[..., -1] < full * (254.5 / 255)).any():
        raise BackendError("BAD_PARAM", "JPEG cannot hold transparency; choose .png, .tif or .webp.")


def _require_sides(size: tuple[int, ...], most: int, name: str) -> None:
    if max(size[:2]) > most:
        raise BackendError("TOO_MANY_PIXELS", f"{name} cannot hold sides above {most} pixels; choose .png or .tif.")


_WRITERS: dict[str, Callable[[BinaryIO, Picture], None]] = {
    ".png": _write_png,
    ".tif": tiff.write,
    ".tiff": tiff.write,
    ".jpg": _write_jpeg,
    ".jpeg": _write_jpeg,
    ".webp": _write_webp,
}
