"""The input on its way to the daemon: pulled from its source in whole rows, cut into pieces, resumable."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from bsrgan_wire import checksum
from bsrgan_wire.codec import Buffer
from bsrgan_wire.errors import FrameError
from bsrgan_wire.messages import Commit, Put
from bsrgan_wire.request import JobRequest

Source = Callable[[int, int], Buffer]
"""`source(first_row, rows)` returns these rows' bytes; it may be asked for the same rows again."""

ROWS = 256
"""Most rows asked for at once."""


class Upload:
    """How far the input of one job has been sent.

    Attributes:
        credit: PUTs that may still be sent.
        is_committed: whether COMMIT has been sent.
    """

    def __init__(self, request: JobRequest, job: str, source: Source, chunk: int, credit: int) -> None:
        self.credit = credit
        self.is_committed = False
        self._request = request
        self._job = job
        self._source = source
        self._chunk = chunk
        self._rows = max(1, min(ROWS, chunk // max(1, request.row_bytes)))
        self._offset = 0
        self._block = memoryview(b"")
        # CRC-32 of the input up to each place where a piece ended: an upload goes on at any of them.
        self._crcs = {0: 0}

    @property
    def is_sent(self) -> bool:
        """Whether every byte has been handed out."""
        return self._offset >= self._request.total_bytes

    def resume(self, received: int, credit: int) -> None:
        """Go on where the daemon's copy ends, after a reconnect.

        Raises:
            FrameError: the daemon claims a length at which no piece ended.
        """
        if received not in self._crcs:
            raise FrameError("SEQUENCE", detail=f"the daemon holds {received} bytes")
        self.credit = credit
        self.is_committed = False
        self._offset = received
        self._block = memoryview(b"")

    def next_piece(self) -> tuple[Put, memoryview]:
        """The next PUT and its payload, which stays valid until the source is asked again; takes one credit.

        Raises:
            ValueError: the source returned another number of bytes than the rows have.
        """
        if not self._block:
            self._block = self._next_block()
        piece, self._block = self._block[: self._chunk], self._block[self._chunk :]
        put = Put(job=self._job, offset=self._offset, length=len(piece), crc=zlib.crc32(piece))
        crc = self._crcs[self._offset]
        self._offset += len(piece)
        self._crcs[self._offset] = checksum.joined(crc, put.crc, put.length)
        self.credit -= 1
        return put, piece

    def commit(self) -> Commit:
        """The COMMIT that ends the upload."""
        self.is_committed = True
        return Commit(job=self._job, total=self._offset, crc=self._crcs[self._offset])

    def _next_block(self) -> memoryview:
        row_bytes = self._request.row_bytes
        first, skip = divmod(self._offset, row_bytes)
        rows = min(self._rows, self._request.height - first)
        block = memoryview(self._source(first, rows)).cast("B")
        if len(block) != rows * row_bytes:
            raise ValueError(f"the source gave {len(block)} bytes for {rows} rows of {row_bytes} bytes")
        return block[skip:]
