"""Where pixels come from: the layer of a run, and what has to be known of its picture when that may be closed."""

from __future__ import annotations

import time
from dataclasses import dataclass

from gi.repository import Gimp

from bsrgan_plugin.layers import PixelFormat, format_of
from bsrgan_plugin.outcomes import ImageChanged
from bsrgan_plugin.outputs import Placement, Size, Source
from bsrgan_plugin.size_tags import corrected
from bsrgan_plugin.targets import is_in
from bsrgan_plugin.translation import _

WATCH_S = 1.0
"""How often a run that waits looks whether its layer is still there."""


@dataclass(frozen=True)
class Likeness:
    """What a new picture takes over from another one."""

    base: Gimp.ImageBaseType
    precision: Gimp.Precision
    profile: Gimp.ColorProfile | None
    resolution: tuple[float, float]
    unit: Gimp.Unit
    metadata: Gimp.Metadata | None
    comment: Gimp.Parasite | None

    @classmethod
    def of(cls, image: Gimp.Image) -> Likeness:
        """The likeness of `image`; an indexed one has that of an RGB picture."""
        base = image.get_base_type()
        _ok, x_resolution, y_resolution = image.get_resolution()
        return cls(
            Gimp.ImageBaseType.RGB if base == Gimp.ImageBaseType.INDEXED else base,
            image.get_precision(),
            image.get_color_profile(),
            (x_resolution, y_resolution),
            image.get_unit(),
            image.get_metadata(),
            image.get_parasite("gimp-comment"),
        )


@dataclass(frozen=True)
class Origin:
    """The layer that a run works on, as it was when the run began.

    Attributes:
        layer: the layer.
        image: its picture.
        source: its geometry.
        pixels: how its pixels travel.
        likeness: what a new picture takes over.
    """

    layer: Gimp.Layer
    image: Gimp.Image
    source: Source
    pixels: PixelFormat
    likeness: Likeness

    @classmethod
    def of(cls, layer: Gimp.Layer, source: Source) -> Origin:
        """The origin of what is made of `layer` now."""
        image = layer.get_image()
        return cls(layer, image, source, format_of(layer), Likeness.of(image))

    def check(self) -> None:
        """Check that the picture can take the result; GIMP stays usable meanwhile.

        Raises:
            ImageChanged: picture or layer are gone, resized, moved, or of another kind.
        """
        check_unchanged(self.layer, self.image, self.source)
        kind = (self.image.get_base_type(), self.image.get_precision(), format_of(self.layer))
        if kind != (self.likeness.base, self.likeness.precision, self.pixels):
            raise changed()


class Watch:
    """Sees about once a second whether a layer is still there, for those who wait."""

    def __init__(self, layer: Gimp.Layer, image: Gimp.Image) -> None:
        self._layer = layer
        self._image = image
        self._next = 0.0

    def look(self) -> None:
        """Look if it is time to.

        Raises:
            ImageChanged: picture or layer are gone.
        """
        if time.monotonic() >= self._next:
            check_there(self._layer, self._image)
            self._next = time.monotonic() + WATCH_S


def check_there(layer: Gimp.Layer, image: Gimp.Image) -> None:
    """Check that a layer still lies in its picture.

    Raises:
        ImageChanged: it does not.
    """
    if not image.is_valid() or not layer.is_valid() or not is_in(image, layer):
        raise ImageChanged.closed()


def check_unchanged(layer: Gimp.Layer, image: Gimp.Image, source: Source) -> None:
    """Check that the picture still has the geometry that the run began with.

    Raises:
        ImageChanged: picture or layer are gone, resized or moved.
    """
    check_there(layer, image)
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
        raise changed()


def changed() -> ImageChanged:
    """The picture is there but does not fit the result any more."""
    return ImageChanged(_("The picture or the layer was resized, moved or converted meanwhile; run the filter again."))


def image_like(likeness: Likeness, placement: Placement) -> Gimp.Image:
    """An empty picture of a likeness, in the size and resolution of a placement."""
    canvas = placement.canvas
    made = Gimp.Image.new_with_precision(canvas.width, canvas.height, likeness.base, likeness.precision)
    made.undo_disable()
    if likeness.profile:
        made.set_color_profile(likeness.profile)
    made.set_resolution(*likeness.resolution)
    scale_resolution(made, placement)
    made.set_unit(likeness.unit)
    if likeness.metadata:
        made.set_metadata(resized(likeness.metadata, canvas))
    if likeness.comment:
        made.attach_parasite(likeness.comment)
    return made


def scale_resolution(image: Gimp.Image, placement: Placement) -> None:
    """Keep the size on paper, or take the resolution that was asked for."""
    _ok, x_resolution, y_resolution = image.get_resolution()
    across, down = placement.factors
    new = (placement.dpi or x_resolution * across, placement.dpi or y_resolution * down)
    if new != (x_resolution, y_resolution):
        image.set_resolution(*new)


def resized(metadata: Gimp.Metadata, size: Size) -> Gimp.Metadata:
    """Metadata with the tags of another size."""
    made = Gimp.Metadata.deserialize(corrected(metadata.serialize(), size.width, size.height))
    made.set_pixel_size(size.width, size.height)
    return made
