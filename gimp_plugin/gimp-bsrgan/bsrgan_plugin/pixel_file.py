"""A picture's rows in a temporary file: as large as a layer may be, and not in memory. Without gi."""

from __future__ import annotations

import tempfile
import threading

from bsrgan_plugin.outputs import Area, Size


class PixelFile:
    """Rows of one picture; whole rows are written and any rectangle is read. One thread at a time is let in.

    Attributes:
        size: of the picture, px.
        pixel_bytes: bytes of one pixel.
    """

    def __init__(self, size: Size, pixel_bytes: int) -> None:
        self.size = size
        self.pixel_bytes = pixel_bytes
        self._row_bytes = size.width * pixel_bytes
        # Unnamed: nothing is left of it when this process is killed, as GIMP's own Cancel does.
        self._file = tempfile.TemporaryFile(prefix="gimp-bsrgan-")  # noqa: SIM115 - `close` ends it
        self._lock = threading.Lock()

    def write(self, first_row: int, data: bytes | memoryview) -> None:
        """Write whole rows from first_row on.

        Raises:
            RuntimeError: the data are no whole rows within the picture.
        """
        count, rest = divmod(len(data), self._row_bytes)
        if rest or first_row < 0 or first_row + count > self.size.height:
            raise RuntimeError(f"{len(data)} bytes do not fit rows {first_row} and after")
        with self._lock:
            self._file.seek(first_row * self._row_bytes)
            self._file.write(data)

    def rows(self, first_row: int, count: int) -> bytes:
        """Rows first_row..first_row+count-1, top to bottom.

        Raises:
            RuntimeError: they have not all been written.
        """
        return self._read(first_row * self._row_bytes, count * self._row_bytes)

    def window(self, area: Area) -> bytes:
        """The pixels of a rectangle within the picture, top to bottom, interleaved."""
        if area.width == self.size.width:
            return self.rows(area.y, area.height)
        length = area.width * self.pixel_bytes
        first = area.y * self._row_bytes + area.x * self.pixel_bytes
        return b"".join(self._read(first + row * self._row_bytes, length) for row in range(area.height))

    def close(self) -> None:
        """Free the disk; may be repeated."""
        with self._lock:
            self._file.close()

    def _read(self, offset: int, length: int) -> bytes:
        with self._lock:
            self._file.seek(offset)
            data = self._file.read(length)
        if len(data) != length:
            raise RuntimeError(f"{len(data)} bytes read, {length} expected")
        return data
