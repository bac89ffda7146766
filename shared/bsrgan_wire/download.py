"""The result on its way to the client: asked for in pieces of whole rows, checked, delivered strictly in order."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable

from bsrgan_wire import checksum
from bsrgan_wire.codec import Buffer
from bsrgan_wire.errors import FrameError, WireError
from bsrgan_wire.messages import Chunk, Fetch
from bsrgan_wire.request import JobRequest

Sink = Callable[[int, int, memoryview], None]
"""`sink(first_row, rows, pixels)` takes rows of the result; the view is valid during the call only."""

ROWS = 256
"""Most rows delivered at once."""

_DAMAGED = "The result was damaged on its way from the daemon; run the filter again."
_DIFFERENT = "The daemon was restarted and its new result differs from the first one; run the filter again."


class Download:
    """How far the result of one job has been received.

    It can be begun again when the job had to be repeated: the bytes already delivered are then fetched once more
    and compared by their CRC-32, so that no image is ever put together from two different results.
    """

    def __init__(self, request: JobRequest, job: str, sink: Sink) -> None:
        self._request = request
        self._job = job
        self._sink = sink
        self._chunk = 0
        self._credit = 0
        self._asked = 0
        self._position = 0
        self._crc = 0
        self._delivered = 0
        self._delivered_crc = 0
        self._row_part = bytearray()
        self._in_flight: deque[tuple[int, int]] = deque()
        self._is_damaged = False
        self._damaged_once = False

    @property
    def is_complete(self) -> bool:
        """Whether the sink has every row."""
        return self._delivered >= self._request.out_total_bytes

    def expect(self, request: JobRequest) -> None:
        """Learn the size of the result, where the request left it to the task.

        Raises:
            WireError: JOB_UNKNOWN when a repeated result has another size than the first one.
        """
        if self._delivered and request.out_total_bytes != self._request.out_total_bytes:
            raise WireError("JOB_UNKNOWN", _DIFFERENT)
        self._request = request

    def begin(self, chunk: int, credit: int, *, is_repeated: bool) -> None:
        """Start asking, for the first time or on a new connection.

        Args:
            chunk: longest piece in bytes.
            credit: most pieces asked for and not answered.
            is_repeated: the daemon computed the result anew since the last piece arrived.
        """
        self._chunk, self._credit = chunk, credit
        self._in_flight.clear()
        self._is_damaged = False
        if is_repeated:
            self._position = self._crc = 0
        self._asked = self._position

    def next_fetch(self) -> Fetch | None:
        """The next FETCH that may be sent now, or None."""
        total = self._request.out_total_bytes
        if self._is_damaged or len(self._in_flight) >= self._credit or self._asked >= total:
            return None
        length = min(self._piece_bytes(self._asked), total - self._asked)
        if self._asked < self._delivered:
            length = min(length, self._delivered - self._asked)
        fetch = Fetch(job=self._job, offset=self._asked, length=length)
        self._in_flight.append((self._asked, length))
        self._asked += length
        return fetch

    def accept(self, chunk: Chunk, payload: Buffer) -> None:
        """Take the answer to the oldest FETCH: check it and deliver the rows that it completes.

        Raises:
            FrameError: it answers no FETCH of ours.
            WireError: CHECKSUM when the same piece was damaged twice, JOB_UNKNOWN when a repeated result differs.
        """
        if not self._in_flight or self._in_flight[0] != (chunk.offset, chunk.length):
            raise FrameError("SEQUENCE", detail=f"unasked piece at {chunk.offset}")
        self._in_flight.popleft()
        if self._is_damaged:
            self._restart_when_drained()
        elif zlib.crc32(payload) != chunk.crc:
            self._note_damage()
        else:
            self._damaged_once = False
            self._advance(memoryview(payload).cast("B"), chunk.crc)

    def _piece_bytes(self, offset: int) -> int:
        """Whole rows where a row fits into a piece, else the rest of the row or as much of it as fits."""
        row_bytes = self._request.out_row_bytes
        if into := offset % row_bytes:
            return min(self._chunk, row_bytes - into)
        if row_bytes <= self._chunk:
            return min(ROWS, self._chunk // row_bytes) * row_bytes
        return self._chunk

    def _note_damage(self) -> None:
        if self._damaged_once:
            raise WireError("CHECKSUM", _DAMAGED)
        self._is_damaged = self._damaged_once = True
        self._restart_when_drained()

    def _restart_when_drained(self) -> None:
        # Asking again while answers are on their way would ask for more than the daemon's credit allows.
        if not self._in_flight:
            self._is_damaged = False
            self._asked = self._position

    def _advance(self, pixels: memoryview, crc: int) -> None:
        self._position += len(pixels)
        self._crc = checksum.joined(self._crc, crc, len(pixels))
        if self._position > self._delivered:
            self._deliver(pixels)
            self._delivered, self._delivered_crc = self._position, self._crc
        elif self._position == self._delivered and self._crc != self._delivered_crc:
            raise WireError("JOB_UNKNOWN", _DIFFERENT)

    def _deliver(self, pixels: memoryview) -> None:
        row_bytes = self._request.out_row_bytes
        first = self._delivered // row_bytes
        if not self._row_part and len(pixels) % row_bytes == 0:
            self._sink(first, len(pixels) // row_bytes, pixels)
            return
        self._row_part += pixels
        if len(self._row_part) == row_bytes:
            row, self._row_part = self._row_part, bytearray()
            self._sink(first, 1, memoryview(row))
