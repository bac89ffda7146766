"""The work of one run without its windows: rows to the daemon, rows back, and the result placed at the end."""

from __future__ import annotations

from dataclasses import dataclass

from gi.repository import Gimp

from bsrgan_plugin.exchange import Incoming, exchange
from bsrgan_plugin.layers import RowReader, as_seen
from bsrgan_plugin.origins import Origin, Watch
from bsrgan_plugin.outputs import OutputMode, Source, layer_name
from bsrgan_plugin.placing import Result
from bsrgan_plugin.progress import Progress
from bsrgan_plugin.progress_text import UPSCALING
from bsrgan_plugin.stencils import stencil_of
from bsrgan_plugin.targets import check_size, check_type
from bsrgan_plugin.upscale_options import Options
from bsrgan_wire.client import JobRequest


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


def upscale(layer: Gimp.Layer, source: Source, options: Options, shown: Progress, *, is_part: bool = False) -> Done:
    """Upscale and place the result; the picture changes only after all of the result is here.

    Args:
        layer: the layer.
        source: its geometry and the area that is upscaled.
        options: the arguments.
        shown: where progress goes and Cancel comes from.
        is_part: the result waits for others, and then for the layer's picture even when its own is a new one.

    Raises:
        Exception: whatever ended the run; nothing of it is left in GIMP.
    """
    check_type(layer, options.mode)
    placement = options.placement(source)
    check_size(source.area, placement)
    origin = Origin.of(layer, source)
    pixels = origin.pixels
    request = JobRequest(
        width=source.area.width,
        height=source.area.height,
        channels=pixels.channels,
        dtype=pixels.dtype,
        out_width=placement.result.width,
        out_height=placement.result.height,
        model=options.model,
        params=options.parameters,
    )
    shown.state.begin(UPSCALING, pixels=placement.result.width * placement.result.height)
    name = layer_name(layer.get_name(), options.mode, options.scale)
    watch = Watch(layer, origin.image) if is_part or options.mode is not OutputMode.NEW_IMAGE else None
    incoming = Incoming(lambda _size: Result(origin, placement, name))
    with stencil_of(layer, source) as stencil:
        try:
            with as_seen(layer) as seen:
                reader = RowReader(seen, source.area, pixels.babl_name, pixels.pixel_bytes)
                state = exchange(request, reader.rows, incoming.take, options.endpoint, shown, incoming.expect, watch)
            shown.state.placing()
            shown.forbid_cancel()
            result = incoming.complete()
            result.insert(stencil)
        finally:
            incoming.discard()
    return Done(result.image, result.layer, state.notes)
