"""The work of one run without its windows: rows to the daemon, rows back, and the result placed at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bsrgan_wire.client import Client, JobRequest
from gi.repository import Gimp

from bsrgan_plugin import connection
from bsrgan_plugin.layers import PixelFormat, RowReader, as_seen, format_of
from bsrgan_plugin.outcomes import Cancelled, Refusal
from bsrgan_plugin.outputs import Area, OutputMode, Placement, Size, Source, layer_name, place
from bsrgan_plugin.placing import Result
from bsrgan_plugin.progress import Progress
from bsrgan_plugin.stencils import stencil_of
from bsrgan_plugin.translation import _
from bsrgan_wire import limits
from bsrgan_wire.messages import Message, State
from bsrgan_wire.messages import Progress as ProgressMessage

CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Options:
    """The arguments of a run, as in the procedure."""

    model: str
    scale: int
    mode: OutputMode
    endpoint: str


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


def upscale(layer: Gimp.Layer, source: Source, options: Options, shown: Progress) -> tuple[Gimp.Image, Gimp.Layer]:
    """Upscale and place the result; the picture changes only after all of the result is here.

    Args:
        layer: the layer.
        source: its geometry and the area that is upscaled.
        options: the arguments.
        shown: where progress goes and Cancel comes from.

    Returns:
        The picture that holds the result, and the new layer.

    Raises:
        Exception: whatever ended the run; nothing of it is left in GIMP.
    """
    check_type(layer, options.mode)
    placement = place(source, options.mode, options.scale)
    check_size(source.area, placement)
    pixels = format_of(layer)
    name = layer_name(layer.get_name(), options.mode, options.scale)
    result = _LazyResult(lambda: Result(layer, source, placement, pixels, name))
    with stencil_of(layer, source) as stencil:
        try:
            with as_seen(layer) as seen:
                _exchange(
                    RowReader(seen, source.area, pixels.babl_name, pixels.pixel_bytes),
                    result,
                    pixels,
                    source.area.size,
                    placement.result,
                    options,
                    shown,
                )
            shown.state.placing()
            shown.forbid_cancel()
            complete = result.complete(placement.result.height)
            complete.insert(stencil)
        finally:
            result.discard()
    return complete.image, complete.layer
