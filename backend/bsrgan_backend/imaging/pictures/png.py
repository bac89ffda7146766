"""A PNG encoder: 8 and 16 bit in all four channel counts, with profile, Exif and resolution.

Pillow writes no 16-bit colour and OpenCV no gray with alpha, so neither can keep what was read. Rows are filtered
and compressed in bands, by several threads, and the file grows as it goes.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from bsrgan_backend.imaging.cores import cores
from bsrgan_backend.imaging.pictures.picture import Picture
from bsrgan_backend.imaging.pixels import Pixels

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_BAND_BYTES = 512 * 1024
"""What a thread filters and compresses at once: with all that this takes it stays in the processor's cache."""
_MOST_THREADS = 8
_ZLIB_HEADER = b"\x78\x9c"
"""Deflate with a window of 32 kB (RFC 1950)."""
_RAW = -15
"""The same window, without header and checksum, which stand around all bands."""
_LEVEL = 6
_SAMPLE_BYTES = 256 * 1024
_WORTH = 1.1
"""How many times as large a file may become that is compressed in a tenth of the time."""
_INCH_M = 0.0254

Bytes = npt.NDArray[np.uint8]
Compressor = Callable[[], "zlib._Compress"]
"""Begins a stream."""


def write(file: BinaryIO, picture: Picture) -> None:
    """Write a picture as PNG (ISO/IEC 15948, eXIf of its third edition).

    Args:
        file: where to; only written, never sought.
        picture: u8 or u16 pixels.
    """
    height, width, channels = picture.pixels.shape
    file.write(b"\x89PNG\r\n\x1a\n")
    header = struct.pack(">IIBBBBB", width, height, 8 * picture.pixels.itemsize, _COLOUR_TYPES[channels], 0, 0, 0)
    _chunk(file, b"IHDR", header)
    if picture.icc:
        _chunk(file, b"iCCP", b"icc\x00\x00" + zlib.compress(picture.icc, 9))
    if picture.dpi:
        across, down = (min(round(value / _INCH_M), 2**31 - 1) for value in picture.dpi)
        _chunk(file, b"pHYs", struct.pack(">IIB", across, down, 1))
    if picture.exif:
        _chunk(file, b"eXIf", picture.exif)
    _write_pixels(file, picture.pixels)
    _chunk(file, b"IEND", b"")


def _chunk(file: BinaryIO, kind: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + kind)
    file.write(data)
    file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))


def _write_pixels(file: BinaryIO, pixels: Pixels) -> None:
    height, width, channels = pixels.shape
    pixel_bytes = channels * pixels.itemsize
    rows = max(1, _BAND_BYTES // (width * pixel_bytes))
    begin = _compressor(_sample(pixels), pixel_bytes)

    def compressed(first: int) -> tuple[bytes, bytes]:
        """A band, filtered, and the part of the stream that stands for it; the last one ends the stream."""
        lines = _lines(pixels[max(0, first - 1) : first + rows])
        above, lines = (lines[:1], lines[1:]) if first else (np.zeros_like(lines[:1]), lines)
        filtered = _filtered(lines, above, pixel_bytes).tobytes()
        stream = begin()
        ending = zlib.Z_FINISH if first + rows >= height else zlib.Z_SYNC_FLUSH
        return filtered, stream.compress(filtered) + stream.flush(ending)

    checksum = zlib.adler32(b"")
    _chunk(file, b"IDAT", _ZLIB_HEADER)
    for filtered, data in _in_order(compressed, range(0, height, rows)):
        checksum = zlib.adler32(filtered, checksum)
        _chunk(file, b"IDAT", data)
    _chunk(file, b"IDAT", struct.pack(">I", checksum))


def _in_order(work: Callable[[int], tuple[bytes, bytes]], items: range) -> Iterator[tuple[bytes, bytes]]:
    """What the work makes of each item, in their order, with no more of it made ahead than there are threads."""
    threads = min(_MOST_THREADS, cores(), len(items))
    waiting: deque[Future[tuple[bytes, bytes]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        remaining = iter(items)
        waiting.extend(pool.submit(work, item) for item in itertools.islice(remaining, threads + 1))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(work, item) for item in itertools.islice(remaining, 1))


def _lines(band: Pixels) -> Bytes:
    """The band's rows as they are stored: samples of 16 bit are big-endian in PNG."""
    stored = np.ascontiguousarray(band.astype(band.dtype.newbyteorder(">"), copy=False))
    return stored.view(np.uint8).reshape(band.shape[0], -1)


def _sample(pixels: Pixels) -> Bytes:
    """A few rows from the middle of the picture."""
    count = max(2, _SAMPLE_BYTES // pixels[0].nbytes)
    first = max(0, (len(pixels) - count) // 2)
    return _lines(pixels[first : first + count])


def _compressor(sample: Bytes, pixel_bytes: int) -> Compressor:
    """One that looks for runs only, unless other repetitions are worth their time.

    Filtered photos hardly repeat, so runs make files of the same size in a tenth of the time. Drawings do repeat.
    """
    filtered = _filtered(sample, np.zeros_like(sample[:1]), pixel_bytes).tobytes()
    runs, thorough = (_length(make(), filtered) for make in (_runs_only, _thorough))
    return _runs_only if runs <= _WORTH * thorough else _thorough


def _length(compressor: zlib._Compress, data: bytes) -> int:
    return len(compressor.compress(data) + compressor.flush())


def _runs_only() -> zlib._Compress:
    return zlib.compressobj(wbits=_RAW, strategy=zlib.Z_RLE)


def _thorough() -> zlib._Compress:
    return zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW, 9, zlib.Z_FILTERED)


def _filtered(lines: Bytes, above: Bytes, pixel_bytes: int) -> Bytes:
    """Each row with the filter whose differences are smallest in sum (PNG §12.7), the filter's number in front.

    Args:
        lines: (n, row bytes).
        above: (1, row bytes), the row before the first.
        pixel_bytes: distance to the same byte of the pixel on the left.

    Returns:
        (n, 1 + row bytes).
    """
    up = np.concatenate([above, lines[:-1]])
    left = np.zeros_like(lines)
    left[:, pixel_bytes:] = lines[:, :-pixel_bytes]
    corner = np.zeros_like(lines)
    corner[:, pixel_bytes:] = up[:, :-pixel_bytes]
    candidates = {1: lines - left, 2: lines - up, 4: lines - _paeth(left, up, corner)}
    best: Bytes = np.empty((lines.shape[0], 1 + lines.shape[1]), np.uint8)
    lowest = np.full(lines.shape[0], np.iinfo(np.int64).max)
    for number, difference in candidates.items():
        # Bytes count as signed differences: 255 is -1.
        cost = np.minimum(difference, -difference).sum(axis=1, dtype=np.int64)
        better = cost < lowest
        lowest[better] = cost[better]
        best[better, 0] = number
        best[better, 1:] = difference[better]
    return best


def _paeth(left: Bytes, up: Bytes, corner: Bytes) -> Bytes:
    """The neighbour nearest to left + up - corner (PNG §9.4)."""
    a, b, c = left.astype(np.int16), up.astype(np.int16), corner.astype(np.int16)
    to_left, to_up, to_corner = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    nearest_up = np.where(to_up <= to_corner, up, corner)
    chosen: Bytes = np.where((to_left <= to_up) & (to_left <= to_corner), left, nearest_up)
    return chosen
