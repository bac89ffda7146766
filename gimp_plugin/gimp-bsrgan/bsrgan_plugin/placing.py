"""The result in GIMP: a layer that belongs to no picture until every row is there, then one undo step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from gi.repository import Gimp

from bsrgan_plugin.layers import RowWriter
from bsrgan_plugin.origins import Origin, changed, image_like, resized, scale_resolution
from bsrgan_plugin.outcomes import ImageChanged
from bsrgan_plugin.outputs import Area, OutputMode, Placement, Size, scaled_area
from bsrgan_plugin.stencils import cubic, cut, is_plain_rectangle
from bsrgan_plugin.translation import _


class Result:
    """The layer that receives the result.

    Attributes:
        image: the picture that holds the layer after `insert`.
        layer: the layer itself.
    """

    def __init__(self, origin: Origin, placement: Placement, name: str) -> None:
        """Make the empty layer; no picture of the user changes by that.

        Args:
            origin: the layer that is worked on; its format is that of the rows that `write` takes.
            placement: where the result goes.
            name: of the new layer.

        Raises:
            ImageChanged: the result has no place any more.
        """
        self._origin = origin
        self._placement = placement
        self._is_inserted = False
        if placement.mode is OutputMode.NEW_IMAGE:
            self.image = image_like(origin.likeness, placement)
        else:
            origin.check()
            self.image = origin.image
        pixels = origin.pixels
        size = placement.result
        self.layer = Gimp.Layer.new(
            self.image,
            name,
            size.width,
            size.height,
            _layer_type(pixels.channels),
            100.0,
            self.image.get_default_new_layer_mode(),
        )
        self._writer = RowWriter(self.layer, size, pixels.babl_name, pixels.pixel_bytes)

    def write(self, first_row: int, data: bytes) -> None:
        """Write whole rows of the result."""
        self._writer.rows(first_row, data)

    def insert(self, stencil: Gimp.Layer | None, above: Gimp.Layer | None = None) -> None:
        """Put the complete layer into its picture, as one undo step.

        Args:
            stencil: the shape for a layer mask, or None.
            above: the layer that it lies on; the source when None.

        Raises:
            ImageChanged: the source's picture is no longer what it was; nothing is changed then.
        """
        self._writer.finish()
        if stencil is not None:
            # Before the layer joins its picture: a group there with locked content allows no mask to be written.
            cut(self.layer, stencil, self._placement.result)
        if self._placement.mode is OutputMode.NEW_IMAGE:
            self._insert_into_new_image()
        else:
            self._origin.check()
            self._insert_above(above)
        self._is_inserted = True

    def discard(self) -> None:
        """Free what was made, unless it has been inserted."""
        self._writer.flush()
        if self._is_inserted:
            return
        if self._placement.mode is OutputMode.NEW_IMAGE:
            self.image.delete()
        elif self.layer.is_valid():
            self.layer.delete()

    def _insert_into_new_image(self) -> None:
        self.image.insert_layer(self.layer, None, 0)
        self.image.undo_enable()
        self.image.clean_all()

    def _insert_above(self, above: Gimp.Layer | None) -> None:
        below = above or self._origin.layer
        image, placement, source = self.image, self._placement, self._origin.source
        with undo_group(image):
            settle(image)
            if placement.canvas != source.image:
                enlarge(image, placement)
            put_above(below, self.layer, self._origin.layer, placement)
            if source.is_whole_layer and is_see_through(below) and not (source.has_outside and above is None):
                hide(below)
            image.set_selected_layers([self.layer])


def settle(image: Gimp.Image) -> None:
    """Make a floating selection a layer: nothing can be inserted while it floats."""
    if (floating := image.get_floating_sel()) is not None and not Gimp.floating_sel_to_layer(floating):
        raise ImageChanged(_("GIMP could not make the floating selection a layer; anchor it first."))


def put_above(below: Gimp.Layer, layer: Gimp.Layer, source_layer: Gimp.Layer, placement: Placement) -> None:
    """Insert a result above another layer, at its place, and as visible as its source.

    Raises:
        ImageChanged: GIMP does not take it.
    """
    image = below.get_image()
    # Before the layer joins the picture: in a group with a locked position it could not be moved any more.
    layer.set_offsets(placement.offset_x, placement.offset_y)
    blend_like(layer, source_layer)
    layer.set_visible(source_layer.get_visible())
    if not image.insert_layer(layer, below.get_parent(), image.get_item_position(below)):
        raise changed()


def hide(layer: Gimp.Layer) -> None:
    """Make a source invisible below its result: both together would show every half-transparent pixel twice."""
    is_locked = layer.get_lock_visibility()
    layer.set_lock_visibility(False)
    layer.set_visible(False)
    layer.set_lock_visibility(is_locked)


@contextlib.contextmanager
def undo_group(image: Gimp.Image) -> Iterator[None]:
    """Everything in the block becomes one undo step of `image`."""
    image.undo_group_start()
    try:
        yield
    finally:
        image.undo_group_end()


def enlarge(image: Gimp.Image, placement: Placement) -> None:
    """Scale the picture. GIMP blurs the edges of a rectangular selection by that, so it is drawn again."""
    rectangle = _selected_rectangle(image)
    old, new = Size(image.get_width(), image.get_height()), placement.canvas
    with cubic():
        if not image.scale(new.width, new.height):
            raise ImageChanged(_("GIMP could not enlarge the picture; choose 'New picture' instead."))
        if rectangle is not None:
            _select(image, scaled_area(rectangle, old, new))
    scale_resolution(image, placement)
    if metadata := image.get_metadata():
        image.set_metadata(resized(metadata, new))


def _select(image: Gimp.Image, rectangle: Area) -> None:
    Gimp.context_set_antialias(False)
    Gimp.context_set_feather(False)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, rectangle.x, rectangle.y, rectangle.width, rectangle.height)


def _selected_rectangle(image: Gimp.Image) -> Area | None:
    """The selection, if there is one and it is a rectangle with hard edges."""
    _ok, is_selected, left, top, right, bottom = Gimp.Selection.bounds(image)
    if not is_selected:
        return None
    rectangle = Area(left, top, right - left, bottom - top)
    return rectangle if is_plain_rectangle(image, rectangle) else None


def _layer_type(channels: int) -> Gimp.ImageType:
    return {
        1: Gimp.ImageType.GRAY_IMAGE,
        2: Gimp.ImageType.GRAYA_IMAGE,
        3: Gimp.ImageType.RGB_IMAGE,
        4: Gimp.ImageType.RGBA_IMAGE,
    }[channels]


def blend_like(layer: Gimp.Layer, source: Gimp.Layer) -> None:
    """Let `layer` act on what lies below it as `source` does; a pass-through group's merged copy is a normal layer."""
    if source.get_mode() != Gimp.LayerMode.PASS_THROUGH:
        layer.set_mode(source.get_mode())
        layer.set_blend_space(source.get_blend_space())
        layer.set_composite_space(source.get_composite_space())
        layer.set_composite_mode(source.get_composite_mode())
    layer.set_opacity(source.get_opacity())


def is_see_through(layer: Gimp.Layer) -> bool:
    """Whether what lies below may show through a layer."""
    is_plain = layer.get_mode() in (Gimp.LayerMode.NORMAL, Gimp.LayerMode.NORMAL_LEGACY)
    return layer.has_alpha() or layer.get_mask() is not None or layer.get_opacity() < 100.0 or not is_plain
