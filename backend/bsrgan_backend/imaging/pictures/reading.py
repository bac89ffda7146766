"""Picture files to pixels: what the file says, nothing guessed, everything else refused in one sentence."""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging.pictures import modes, orientation, tiff
from bsrgan_backend.imaging.pictures.picture import MOST_PX, Picture, require_size, unreadable
from bsrgan_backend.imaging.pixels import Pixels

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "PPM")
_NEAREST = {"PNG": "png", "JPEG": "jpeg", "MPO": "jpeg", "WEBP": "webp"}
_PNG_DEPTH_OFFSET, _PNG_COLOUR_OFFSET = 24, 25
_PNG_GRAY, _PNG_GRAY_ALPHA = 0, 4
_PPM_HEADER = re.compile(rb"P[2356]" + rb"(?:\s|#[^\r\n]*[\r\n])+(\d+)" * 3)
"""Width, height and the value that stands for white."""
_WHITE = 65_535

# What decoders raise for files that are damaged or not what their first bytes say.
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)


def read_picture(path: Path) -> Picture:
    """Read a picture file whole, turned upright.

    PNG, TIFF, JPEG, WebP, BMP, GIF and PPM; of several pages or frames the first. Palettes become RGB or RGBA, CMYK
    becomes RGB through its profile. PPM of more than 8 bit becomes 16 bit, whatever its white is.

    Args:
        path: the file.

    Raises:
        BackendError: with one sentence: no file, no picture, damaged, empty, too large, or of a kind that cannot be
            worked on. HOST_OOM when it does not fit into memory.
    """
    data = _bytes_of(path)
    try:
        with _no_bomb_limit():
            return tiff.read(data) if tiff.is_tiff(data) else _read(data)
    except BackendError as error:
        raise BackendError(error.code, f"{path.name}: {error.text}", error.detail) from None
    except MemoryError:
        raise BackendError("HOST_OOM", f"{path.name}: There is too little free memory for this picture.") from None
    except UnidentifiedImageError:
        text = "This is no picture that can be read (PNG, TIFF, JPEG, WebP, BMP, GIF or PPM)."
        raise unreadable(f"{path.name}: {text}") from None
    except _DAMAGED as error:
        raise unreadable(
            f"{path.name}: The file is damaged or incomplete.", f"{type(error).__name__}: {error}"
        ) from None


def _bytes_of(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise unreadable(f"{path.name}: There is no such file.") from None
    except IsADirectoryError:
        raise unreadable(f"{path.name}: This is a folder, not a picture.") from None
    except OSError as error:
        raise unreadable(f"{path.name}: The file cannot be read ({error.strerror}).") from None
    if not data:
        raise unreadable(f"{path.name}: The file is empty.")
    return data


@contextmanager
def _no_bomb_limit() -> Iterator[None]:
    """Let this module's own bound on pixels count instead of Pillow's, which is a third of it."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = MOST_PX
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Image.DecompressionBombError:
        raise BackendError("TOO_MANY_PIXELS", "The picture is too large to be worked on.") from None
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _read(data: bytes) -> Picture:
    with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        require_size(*image.size)
        notes = []
        if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
            notes.append("Only the first frame is used.")
        # All of the file: a PNG may bring its Exif after the pixels. This also finds truncated and damaged files,
        # which OpenCV fills with gray.
        image.load()
        exif, turn = orientation.reset(_exif(image))
        icc = image.info.get("icc_profile") or b""
        dpi = _resolution(image)
        if image.format == "PNG":
            pixels = _png(data, image)
        elif image.format == "PPM" and (white := _white_of_ppm(data)) > 255:
            pixels = _deep_ppm(data, white)
        else:
            pixels, icc, conversions = modes.unpack(image, icc)
            notes += conversions
        return Picture(
            orientation.upright(pixels, turn),
            icc,
            exif,
            orientation.turned_dpi(dpi, turn),
            _NEAREST.get(image.format or "", "png"),
            tuple(notes),
        )


def _exif(image: Image.Image) -> bytes:
    """Exif as a part of its own, or as a text of a PNG, where it stood before PNG had a chunk for it."""
    text = image.info.get("Raw profile type exif")
    if "exif" in image.info or not isinstance(text, str):
        return bytes(image.info.get("exif", b""))
    try:
        # An empty line, what it is and its length stand before the hexadecimal digits.
        return bytes.fromhex("".join(text.split("\n")[3:]))
    except ValueError:
        # Broken metadata is no reason to refuse a sound picture.
        return b""


def _resolution(image: Image.Image) -> tuple[float, float] | None:
    dpi = image.info.get("dpi")
    if not dpi or len(dpi) != 2 or not all(0 < float(value) < 1e6 for value in dpi):
        return None
    # PNG counts whole pixels per metre: 300 per inch come back as 299.9994.
    return round(float(dpi[0]), 2), round(float(dpi[1]), 2)


def _png(data: bytes, image: Image.Image) -> Pixels:
    depth = data[_PNG_DEPTH_OFFSET]
    is_gray = data[_PNG_COLOUR_OFFSET] == _PNG_GRAY
    clear = image.info.pop("transparency", None) if is_gray else None
    pixels = _deep_png(data) if depth == 16 else modes.unpack(image, b"")[0]
    return pixels if clear is None else _with_clear_gray(pixels, clear, depth)


def _deep_png(data: bytes) -> Pixels:
    """Pixels of a 16-bit PNG; Pillow would cut colour to 8 bit."""
    pixels = _by_opencv(data)
    # OpenCV repeats the gray of gray with alpha.
    gray_alpha = data[_PNG_COLOUR_OFFSET] == _PNG_GRAY_ALPHA
    return pixels[..., 2:] if gray_alpha else tiff.rgb_from_bgr(pixels)


def _by_opencv(data: bytes) -> Pixels:
    """Pixels (H, W, C) u16 as OpenCV orders them."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise unreadable("The file is damaged or incomplete.")
    stacked: Pixels = pixels.reshape(*pixels.shape[:2], -1)
    return stacked


def _with_clear_gray(pixels: Pixels, clear: int, depth: int) -> Pixels:
    """Gray (H, W, 1) with an alpha of 0 where it is the clear gray (tRNS), a sample of `depth` bits."""
    full, most = np.iinfo(pixels.dtype).max, 2**depth - 1
    # The decoder has spread samples of fewer than 8 bits; what the clear gray has above its bits means nothing.
    alpha = (pixels != (clear & most) * (full // most)) * pixels.dtype.type(full)
    return np.concatenate([pixels, alpha], axis=2)


def _white_of_ppm(data: bytes) -> int:
    """The value that stands for white; 0 for kinds that give none."""
    found = _PPM_HEADER.match(data)
    return int(found[3]) if found else 0


def _deep_ppm(data: bytes, white: int) -> Pixels:
    """Pixels of a PPM of more than 8 bit, spread over 16; Pillow would cut colour to 8."""
    pixels = tiff.rgb_from_bgr(_by_opencv(data))
    if white == _WHITE:
        return pixels
    spread = (np.minimum(pixels, white).astype(np.uint32) * _WHITE + white // 2) // white
    return spread.astype(np.uint16)
