"""The work of one run without its windows: rows to the daemon, rows back, and the result placed at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gi.repository import Gimp

from bsrgan_plugin import connection
from bsrgan_plugin.layers import RowReader, as_seen, format_of
from bsrgan_plugin.outcomes import Cancelled, Refusal
from bsrgan_plugin.outputs import Area, OutputMode, Placement, Size, Source, layer_name, place
from bsrgan_plugin.placing import Result
from bsrgan_plugin.progress import Progress
from bsrgan_plugin.stencils import stencil_of
from bsrgan_plugin.translation import _
from bsrgan_wire import limits
from bsrgan_wire.client import JobRequest
from bsrgan_wire.messages import Message, State
from bsrgan_wire.messages import Progress as ProgressMessage


@dataclass(frozen=True)
class Options:
    """The arguments of a run, as in the procedure."""

    model: str
    scale: int
    mode: OutputMode
    endpoint: str


@dataclass(frozen=True)
class Done:
    """A run that is done.

    Attributes:
        image: the picture that holds the result.
        layer: the new layer.
        notes: sentences of the daemon about what it did differently than asked.
    """

    image: Gimp.Image
    layer: Gimp.Layer
    notes: tuple[str, ...]


def source_of(image: Gimp.Image, layer: Gimp.Layer) -> Source:
    """What of `layer` is upscaled: the selected part, or all of it.

    Raises:
        Refusal: nothing of the layer is selected.
    """
    is_hit, x, y, width, height = layer.mask_intersect()
    if not is_hit or width < 1 or height < 1:
        raise Refusal(_("The selection does not touch the layer; select a part of it, or nothing for all of it."))
    _ok, offset_x, offset_y = layer.get_offsets()
    return Source(
        Size(image.get_width(), image.get_height()),
        Size(layer.get_width(), layer.get_height()),
        offset_x,
        offset_y,
        Area(x, y, width, height),
    )


def check_size(area: Area, placement: Placement) -> None:
    """Check the limits of the wire before anything is sent.

    Raises:
        Refusal: the area or its result is too large.
    """
    result = placement.result
    longest = max(area.width, area.height, result.width, result.height)
    if longest > limits.SIDE_PX:
        raise Refusal(
            _(
                "The result would be {px} px long, more than the {limit} px that are possible; select a smaller area."
            ).format(px=longest, limit=limits.SIDE_PX)
        )
    if area.width * area.height > limits.INPUT_PX or result.width * result.height > limits.OUTPUT_PX:
        raise Refusal(_("The picture or its result has too many pixels; select a smaller area."))


def check_type(layer: Gimp.Layer, mode: OutputMode) -> None:
    """Check that the result can live where the mode puts it.

    Raises:
        Refusal: the picture is indexed, whose palette has no room for new colours.
    """
    if layer.is_indexed() and mode is not OutputMode.NEW_IMAGE:
        raise Refusal(
            _(
                "An indexed picture cannot hold the result: choose the output 'New picture', or convert it with "
                "Image > Mode > RGB first."
            )
        )


def upscale(layer: Gimp.Layer, source: Source, options: Options, shown: Progress) -> Done:
    """Upscale and place the result; the picture changes only after all of the result is here.

    Args:
        layer: the layer.
        source: its geometry and the area that is upscaled.
        options: the arguments.
        shown: where progress goes and Cancel comes from.

    Raises:
        Exception: whatever ended the run; nothing of it is left in GIMP.
    """
    check_type(layer, options.mode)
    placement = place(source, options.mode, options.scale)
    check_size(source.area, placement)
    pixels = format_of(layer)
    request = JobRequest(
        width=source.area.width,
        height=source.area.height,
        channels=pixels.channels,
        dtype=pixels.dtype,
        out_width=placement.result.width,
        out_height=placement.result.height,
        model=options.model,
    )
    name = layer_name(layer.get_name(), options.mode, options.scale)
    incoming = _Incoming(lambda: Result(layer, source, placement, pixels, name), placement.result.height, shown)
    with stencil_of(layer, source) as stencil:
        try:
            with as_seen(layer) as seen:
                reader = RowReader(seen, source.area, pixels.babl_name, pixels.pixel_bytes)
                notes = _exchange(request, reader, incoming, options.endpoint, shown)
            shown.state.placing()
            shown.forbid_cancel()
            result = incoming.complete()
            result.insert(stencil)
        finally:
            incoming.discard()
    return Done(result.image, result.layer, notes)


def _exchange(
    request: JobRequest, reader: RowReader, incoming: _Incoming, endpoint: str, shown: Progress
) -> tuple[str, ...]:
    """Send the rows and take the result's; returns the daemon's notes when the last one is here."""

    def on_starting() -> None:
        shown.state.starting()
        shown.show()

    def idle() -> None:
        shown.idle()
        # While a daemon starts or answers, nothing but this function sees the user's wish to stop.
        if shown.is_cancelled():
            raise Cancelled

    def source(first_row: int, count: int) -> bytes:
        shown.state.sending(first_row, request.height)
        shown.show()
        return reader.rows(first_row, count)

    def on_event(message: Message) -> None:
        if isinstance(message, ProgressMessage):
            shown.state.working(message.phase, message.done, message.total, message.eta_s, message.tile, message.tiles)
        elif isinstance(message, State) and message.state == "queued":
            shown.state.queued()
        shown.show()

    shown.show()
    with connection.open_client(endpoint, idle=idle, on_starting=on_starting) as client:
        state = client.run(
            request,
            source=source,
            sink=incoming.take,
            on_event=on_event,
            is_cancelled=shown.is_cancelled,
            idle=shown.idle,
        )
    return state.notes


class _Incoming:
    """The rows of the result as they arrive; GIMP gets the layer for them with the first one.

    A status-bar Cancel kills this process at any moment, and what it made then stays in GIMP's memory; so nothing
    is made before it is needed.
    """

    def __init__(self, make: Callable[[], Result], height: int, shown: Progress) -> None:
        self._make = make
        self._height = height
        self._shown = shown
        self._result: Result | None = None
        self._received = 0

    def take(self, first_row: int, rows: int, data: memoryview) -> None:
        """Write rows of the result, which come from top to bottom."""
        if first_row != self._received:
            raise RuntimeError(f"row {first_row} came instead of row {self._received}")
        if self._result is None:
            self._result = self._make()
        self._result.write(first_row, bytes(data))
        self._received += rows
        self._shown.state.receiving(self._received, self._height)
        self._shown.show()

    def complete(self) -> Result:
        """The result with all of its rows."""
        if self._result is None or self._received != self._height:
            raise RuntimeError(f"{self._received} of {self._height} rows came")
        return self._result

    def discard(self) -> None:
        """Free the layer unless it has been inserted."""
        if self._result is not None:
            self._result.discard()
