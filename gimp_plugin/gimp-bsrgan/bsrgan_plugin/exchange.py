"""One job of the daemon for a run: rows go there, rows come back, and the run's progress shows both."""

from __future__ import annotations

from collections.abc import Callable

from bsrgan_plugin import connection
from bsrgan_plugin.origins import Watch
from bsrgan_plugin.outcomes import Cancelled
from bsrgan_plugin.outputs import Size
from bsrgan_plugin.placing import Result
from bsrgan_plugin.progress import Progress
from bsrgan_wire.client import JobRequest
from bsrgan_wire.download import Sink
from bsrgan_wire.messages import Message, State
from bsrgan_wire.messages import Progress as ProgressMessage

Rows = Callable[[int, int], bytes]
"""`rows(first_row, count)` gives rows of the input."""


def exchange(
    request: JobRequest,
    rows: Rows,
    sink: Sink,
    endpoint: str,
    shown: Progress,
    on_ready: Callable[[Size], None] | None = None,
    watch: Watch | None = None,
) -> State:
    """Send the rows and take the result's.

    Args:
        request: the job.
        rows: where the input comes from.
        sink: takes the rows of the result, from top to bottom.
        endpoint: as in the procedure.
        shown: where progress goes and Cancel comes from.
        on_ready: told the result's size before its first row; perhaps twice, with the same size.
        watch: ends the job when what the result is for is closed; None when nothing is needed for it.

    Returns:
        The STATE `ready`, when the last row is here.

    Raises:
        Exception: whatever ended the job.
    """

    def on_starting() -> None:
        shown.state.starting()
        shown.show()

    def idle() -> None:
        shown.idle()
        if watch is not None:
            watch.look()

    def idle_or_stop() -> None:
        idle()
        # While a daemon starts or answers, nothing but this function sees the user's wish to stop.
        if shown.is_cancelled():
            raise Cancelled

    def source(first_row: int, count: int) -> bytes:
        shown.state.sending(first_row, request.height)
        shown.show()
        return rows(first_row, count)

    height = request.out_height

    def take(first_row: int, count: int, data: memoryview) -> None:
        sink(first_row, count, data)
        shown.state.receiving(first_row + count, height)
        shown.show()

    def on_event(message: Message) -> None:
        nonlocal height
        if isinstance(message, ProgressMessage):
            shown.state.working(message.phase, message.done, message.total, message.eta_s, message.tile, message.tiles)
        elif isinstance(message, State) and message.state == "queued":
            shown.state.queued()
        elif isinstance(message, State) and message.state == "ready":
            height = message.height
            if on_ready is not None:
                on_ready(Size(message.width, message.height))
        shown.show()

    shown.show()
    with connection.open_client(endpoint, idle=idle_or_stop, on_starting=on_starting) as client:
        return client.run(
            request,
            source=source,
            sink=take,
            on_event=on_event,
            is_cancelled=shown.is_cancelled,
            idle=idle,
        )


class Incoming:
    """The rows of the result as they arrive; GIMP gets the layer for them with the first one.

    A status-bar Cancel kills this process at any moment, and what it made then stays in GIMP's memory; so nothing
    is made before it is needed.
    """

    def __init__(self, make: Callable[[Size], Result]) -> None:
        self._make = make
        self._size = Size(0, 0)
        self._result: Result | None = None
        self._received = 0

    def expect(self, size: Size) -> None:
        """The result will be this large."""
        self._size = size

    def take(self, first_row: int, rows: int, data: memoryview) -> None:
        """Write rows of the result, which come from top to bottom."""
        if first_row != self._received:
            raise RuntimeError(f"row {first_row} came instead of row {self._received}")
        if self._result is None:
            self._result = self._make(self._size)
        self._result.write(first_row, bytes(data))
        self._received += rows

    def complete(self) -> Result:
        """The result with all of its rows."""
        if self._result is None or self._received != self._size.height:
            raise RuntimeError(f"{self._received} of {self._size.height} rows came")
        return self._result

    def discard(self) -> None:
        """Free the layer unless it has been inserted."""
        if self._result is not None:
            self._result.discard()
