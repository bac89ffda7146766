"""The result in GIMP: a layer that belongs to no picture until every row is there, then one undo step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from gi.repository import Gimp

from bsrgan_plugin.layers import PixelFormat, RowWriter
from bsrgan_plugin.outcomes import ImageChanged
from bsrgan_plugin.outputs import Area, OutputMode, Placement, Size, Source, scaled_area
from bsrgan_plugin.size_tags import corrected
from bsrgan_plugin.stencils import cubic, cut, is_plain_rectangle
from bsrgan_plugin.translation import _


def check_unchanged(layer: Gimp.Layer, image: Gimp.Image, source: Source) -> None:
    """Check that the picture still is what the run began with; GIMP stays usable meanwhile.

    Raises:
        ImageChanged: picture or layer are gone, resized or moved.
    """
    if not image.is_valid() or not layer.is_valid() or layer.get_image() != image:
        raise ImageChanged(_("The layer or its picture was closed meanwhile, so the result has no place to go."))
    _ok, offset_x, offset_y = layer.get_offsets()
    now = (image.get_width(), image.get_height(), layer.get_width(), layer.get_height(), offset_x, offset_y)
    then = (
        source.image.width,
        source.image.height,
        source.layer.width,
        source.layer.height,
        source.offset_x,
        source.offset_y,
    )
    if now != then:
        raise _changed()


def _changed() -> ImageChanged:
    return ImageChanged(_("The picture or the layer was resized, moved or converted meanwhile; run the filter again."))


class Result:
    """The layer that receives the result.

    Attributes:
        image: the picture that holds the layer after `insert`.
        layer: the layer itself.
    """

    def __init__(
        self, source_layer: Gimp.Layer, source: Source, placement: Placement, pixels: PixelFormat, name: str
    ) -> None:
        """Make the empty layer; no picture of the user changes by that.

        Args:
            source_layer: the layer that is upscaled.
            source: its geometry.
            placement: where the result goes.
            pixels: the format of the rows that `write` takes.
            name: of the new layer.
        """
        self._source_layer = source_layer
        self._source = source
        self._placement = placement
        self._is_inserted = False
        self._source_image = source_layer.get_image()
        is_new_image = placement.mode is OutputMode.NEW_IMAGE
        self.image = image_like(self._source_image, placement) if is_new_image else self._source_image
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
            check_unchanged(self._source_layer, self._source_image, self._source)
            self._insert_above(above or self._source_layer)
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

    def _insert_above(self, below: Gimp.Layer) -> None:
        image, placement = self._source_image, self._placement
        with undo_group(image):
            settle(image)
            if placement.canvas != self._source.image:
                enlarge(image, placement)
            put_above(below, self.layer, self._source_layer, placement)
            if self._source.is_whole_layer and is_see_through(below):
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
        raise _changed()


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
    _scale_resolution(image, placement)
    if metadata := image.get_metadata():
        image.set_metadata(_resized(metadata, new))


def _select(image: Gimp.Image, rectangle: Area) -> None:
    Gimp.context_set_antialias(False)
    Gimp.context_set_feather(False)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, rectangle.x, rectangle.y, rectangle.width, rectangle.height)


def _scale_resolution(image: Gimp.Image, placement: Placement) -> None:
    """Keep the size on paper, or take the resolution that was asked for."""
    _ok, x_resolution, y_resolution = image.get_resolution()
    across, down = placement.factors
    new = (placement.dpi or x_resolution * across, placement.dpi or y_resolution * down)
    if new != (x_resolution, y_resolution):
        image.set_resolution(*new)


def _selected_rectangle(image: Gimp.Image) -> Area | None:
    """The selection, if there is one and it is a rectangle with hard edges."""
    _ok, is_selected, left, top, right, bottom = Gimp.Selection.bounds(image)
    if not is_selected:
        return None
    rectangle = Area(left, top, right - left, bottom - top)
    return rectangle if is_plain_rectangle(image, rectangle) else None


def image_like(image: Gimp.Image, placement: Placement) -> Gimp.Image:
    """An empty picture with the precision, profile, resolution and metadata of `image`."""
    base = image.get_base_type()
    if base == Gimp.ImageBaseType.INDEXED:
        base = Gimp.ImageBaseType.RGB
    made = Gimp.Image.new_with_precision(placement.canvas.width, placement.canvas.height, base, image.get_precision())
    made.undo_disable()
    if profile := image.get_color_profile():
        made.set_color_profile(profile)
    _ok, x_resolution, y_resolution = image.get_resolution()
    made.set_resolution(x_resolution, y_resolution)
    _scale_resolution(made, placement)
    made.set_unit(image.get_unit())
    if metadata := image.get_metadata():
        made.set_metadata(_resized(metadata, placement.canvas))
    if comment := image.get_parasite("gimp-comment"):
        made.attach_parasite(comment)
    return made


def _resized(metadata: Gimp.Metadata, size: Size) -> Gimp.Metadata:
    resized = Gimp.Metadata.deserialize(corrected(metadata.serialize(), size.width, size.height))
    resized.set_pixel_size(size.width, size.height)
    return resized


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
