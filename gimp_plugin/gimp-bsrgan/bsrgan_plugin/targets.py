"""What of a picture is worked on, and whether it can be."""

from __future__ import annotations

from gi.repository import Gimp

from bsrgan_plugin.outcomes import Refusal
from bsrgan_plugin.outputs import Area, OutputMode, Placement, Size, Source
from bsrgan_plugin.translation import _
from bsrgan_wire import limits


def the_layer(image: Gimp.Image, drawables: list[Gimp.Drawable]) -> Gimp.Layer:
    """The one layer that is to be worked on.

    Raises:
        Refusal: there is none or more than one, or it is a group, mask, channel or floating selection, or not in
            the picture.
    """
    if len(drawables) != 1:
        raise Refusal(_("Select exactly one layer and run the filter again."))
    drawable = drawables[0]
    if isinstance(drawable, Gimp.LayerMask):
        raise Refusal(_("A layer mask cannot be worked on by itself; click the layer's picture first."))
    if isinstance(drawable, Gimp.Channel):
        raise Refusal(_("A channel cannot be worked on; select a layer and run the filter again."))
    if drawable.is_group():
        raise Refusal(_("A layer group cannot be worked on; merge it or select one of its layers."))
    if image.get_floating_sel() is not None:
        raise Refusal(_("There is a floating selection; anchor it or make it a layer first."))
    if not isinstance(drawable, Gimp.Layer):
        raise Refusal(_("Only layers can be worked on; select one and run the filter again."))
    _check_belongs(image, drawable)
    return drawable


def the_layers(image: Gimp.Image, drawables: list[Gimp.Drawable]) -> list[Gimp.Layer]:
    """The layers that are to be upscaled, from top to bottom; what lies in a group of them goes with the group.

    Raises:
        Refusal: there is none, or a mask or channel among them, or a floating selection that lies on one, or a layer
            that is not in the picture.
    """
    if not drawables:
        raise Refusal(_("Select a layer and run the filter again."))
    for drawable in drawables:
        if isinstance(drawable, Gimp.LayerMask):
            raise Refusal(_("A layer mask cannot be worked on by itself; click the layer's picture first."))
        if not isinstance(drawable, Gimp.Layer):
            raise Refusal(_("A channel cannot be worked on; select a layer and run the filter again."))
        if drawable.is_group() and not drawable.get_children():
            raise Refusal(_("The layer group is empty; select another layer."))
        _check_belongs(image, drawable)
    if image.get_floating_sel() is not None and not isinstance(image.floating_sel_attached_to(), Gimp.Layer):
        raise Refusal(_("The floating selection lies on a mask or channel; anchor it first."))
    chosen = {drawable.get_id() for drawable in drawables}
    return [
        layer for layer in _stacked(image.get_layers()) if layer.get_id() in chosen and not _is_within(layer, chosen)
    ]


def is_in(image: Gimp.Image, layer: Gimp.Layer) -> bool:
    """Whether a layer lies in a picture: not in another one, not removed, and not without a place yet."""
    top = layer
    while (parent := top.get_parent()) is not None:
        top = parent
    return top.get_id() in {other.get_id() for other in image.get_layers()}


def _check_belongs(image: Gimp.Image, layer: Gimp.Layer) -> None:
    if not is_in(image, layer):
        raise Refusal(_("The layer does not belong to the picture; select one of the picture's layers."))


def _stacked(layers: list[Gimp.Layer]) -> list[Gimp.Layer]:
    """All layers with those in groups, each group before what is in it."""
    found = []
    for layer in layers:
        found.append(layer)
        if layer.is_group():
            found += _stacked(layer.get_children())
    return found


def _is_within(layer: Gimp.Layer, chosen: set[int]) -> bool:
    parent = layer.get_parent()
    while parent is not None:
        if parent.get_id() in chosen:
            return True
        parent = parent.get_parent()
    return False


def source_of(image: Gimp.Image, layer: Gimp.Layer) -> Source:
    """What of `layer` is worked on: the selected part, or all of it.

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
