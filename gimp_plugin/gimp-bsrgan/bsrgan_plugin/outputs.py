"""Where a result goes: sizes and offsets of the output modes, as integers. Without gi."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from bsrgan_plugin.outcomes import Refusal
from bsrgan_plugin.translation import _

SCALES = (2, 3, 4)
DEFAULT_SCALE = 4
GIMP_SIDE_PX = 524_288
"""The longest side of a picture in GIMP."""


class OutputMode(enum.Enum):
    """What happens to the result; the values are the ids of the `output` argument."""

    NEW_LAYER = "new-layer"
    """The picture is enlarged, and the result lies above its source at the same place."""
    NEW_IMAGE = "new-image"
    """The result is the only layer of a new picture."""
    SAME_SIZE = "same-size"
    """The result is brought back to the size of its source and lies above it (restoration)."""


@dataclass(frozen=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int


@dataclass(frozen=True)
class Area:
    """A rectangle in the coordinates of a layer; width and height are at least 1."""

    x: int
    y: int
    width: int
    height: int

    @property
    def size(self) -> Size:
        """The rectangle's size."""
        return Size(self.width, self.height)


@dataclass(frozen=True)
class Source:
    """What of a picture is upscaled.

    Attributes:
        image: the size of the picture.
        layer: the size of the layer.
        offset_x: where the layer lies in the picture, may be negative.
        offset_y: as offset_x.
        area: the part of the layer that is upscaled.
    """

    image: Size
    layer: Size
    offset_x: int
    offset_y: int
    area: Area

    @property
    def is_whole_layer(self) -> bool:
        """Whether the area is all of the layer."""
        return self.area == Area(0, 0, self.layer.width, self.layer.height)


@dataclass(frozen=True)
class Placement:
    """What the run makes of a `Source`.

    Attributes:
        mode: where the result goes.
        result: the size of the new layer.
        canvas: the size of the picture that will hold it.
        offset_x: where the new layer lies in that picture.
        offset_y: as offset_x.
        factor: how much the picture itself grows (1: it keeps its size).
    """

    mode: OutputMode
    result: Size
    canvas: Size
    offset_x: int
    offset_y: int
    factor: int


def place(source: Source, mode: OutputMode, scale: int) -> Placement:
    """Where the result of `source` goes, and how large everything becomes.

    Args:
        source: what is upscaled.
        mode: the chosen output.
        scale: the factor, 2 to 4; without meaning for `SAME_SIZE`.

    Raises:
        Refusal: the scale is out of range, or GIMP cannot hold a picture of that size.
    """
    if scale not in SCALES:
        raise Refusal(_("The scale must be 2, 3 or 4."))
    factor = 1 if mode is OutputMode.SAME_SIZE else scale
    result = Size(source.area.width * factor, source.area.height * factor)
    if mode is OutputMode.NEW_IMAGE:
        placement = Placement(mode, result, result, 0, 0, factor)
    else:
        placement = Placement(
            mode,
            result,
            Size(source.image.width * factor, source.image.height * factor),
            (source.offset_x + source.area.x) * factor,
            (source.offset_y + source.area.y) * factor,
            factor,
        )
    if max(placement.canvas.width, placement.canvas.height) > GIMP_SIDE_PX:
        raise Refusal(
            _(
                "The picture would become larger than GIMP allows ({px} px); choose 'New picture' or a smaller scale."
            ).format(px=GIMP_SIDE_PX)
        )
    return placement


def layer_name(name: str, mode: OutputMode, scale: int) -> str:
    """The name of the result of the layer `name`."""
    if mode is OutputMode.SAME_SIZE:
        return f"{name} (BSRGAN)"
    return f"{name} (BSRGAN ×{scale})"  # noqa: RUF001 - the multiplication sign is meant
