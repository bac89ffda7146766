"""Where a result goes: sizes and offsets of the output modes, as integers. Without gi."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

from bsrgan_plugin.outcomes import Refusal
from bsrgan_plugin.sizing import DEFAULT_FACTOR, Sizing, check_side
from bsrgan_plugin.translation import _

DEFAULT_SCALE = DEFAULT_FACTOR
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
        asked: the size of the picture with the result, where it is not asked for as a factor.
        has_outside: live filters paint outside of all of the layer, and no result holds that.
    """

    image: Size
    layer: Size
    offset_x: int
    offset_y: int
    area: Area
    asked: Sizing | None = None
    has_outside: bool = False

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
        factor: how much wider a pixel's worth becomes (1: the size is kept).
        factor_y: the same for heights; 0 when it is `factor`.
        dpi: pixels per inch that were asked for; 0 to keep the size on paper.
    """

    mode: OutputMode
    result: Size
    canvas: Size
    offset_x: int
    offset_y: int
    factor: float
    factor_y: float = 0.0
    dpi: float = 0.0

    @property
    def factors(self) -> tuple[float, float]:
        """Across and down."""
        return self.factor, self.factor_y or self.factor


def place(source: Source, mode: OutputMode, scale: float) -> Placement:
    """Where the result of `source` goes, and how large everything becomes.

    Args:
        source: what is upscaled.
        mode: the chosen output.
        scale: the factor, where `source` asks for no other size; without meaning for `SAME_SIZE`.

    Raises:
        Refusal: the size is out of range, or GIMP cannot hold a picture of it.
    """
    asked = source.asked or Sizing(factor=scale)
    if mode is OutputMode.SAME_SIZE:
        asked.check()
        placement = _restored(source)
    elif mode is OutputMode.NEW_IMAGE:
        size = Size(*asked.target(source.area.width, source.area.height))
        factors = (size.width / source.area.width, size.height / source.area.height)
        placement = Placement(mode, size, size, 0, 0, *factors, asked.dpi)
    else:
        placement = _enlarged(source, Size(*asked.target(source.image.width, source.image.height)), asked.dpi)
    if max(placement.canvas.width, placement.canvas.height) > GIMP_SIDE_PX:
        raise Refusal(
            _(
                "The picture would become larger than GIMP allows ({px} px); choose 'New picture' or a smaller scale."
            ).format(px=GIMP_SIDE_PX)
        )
    return placement


def scaled_edge(edge: int, old: int, new: int) -> int:
    """Where an edge of a layer lies after a picture's side became `new` instead of `old`: as GIMP rounds it."""
    # In the same floating point as GIMP, so that ties fall to the same side.
    away = math.floor(abs(edge) * (new / old) + 0.5)
    return away if edge >= 0 else -away


def scaled_area(area: Area, old: Size, new: Size) -> Area:
    """Where `area` of a picture lies after it became `new` instead of `old` large; never empty."""
    left, top = scaled_edge(area.x, old.width, new.width), scaled_edge(area.y, old.height, new.height)
    right = scaled_edge(area.x + area.width, old.width, new.width)
    bottom = scaled_edge(area.y + area.height, old.height, new.height)
    return Area(left, top, max(1, right - left), max(1, bottom - top))


def _restored(source: Source) -> Placement:
    left, top = source.offset_x + source.area.x, source.offset_y + source.area.y
    return Placement(OutputMode.SAME_SIZE, source.area.size, source.image, left, top, 1)


def _enlarged(source: Source, canvas: Size, dpi: float) -> Placement:
    old, area = source.image, source.area
    then = Area(source.offset_x + area.x, source.offset_y + area.y, area.width, area.height)
    now = scaled_area(then, old, canvas)
    check_side(area.width, now.width)
    check_side(area.height, now.height)
    factors = (canvas.width / old.width, canvas.height / old.height)
    return Placement(OutputMode.NEW_LAYER, now.size, canvas, now.x, now.y, *factors, dpi)


def layer_name(name: str, mode: OutputMode, scale: float) -> str:
    """The name of the result of the layer `name`."""
    if mode is OutputMode.SAME_SIZE:
        return f"{name} (BSRGAN)"
    return f"{name} (BSRGAN ×{math.floor(scale * 100 + 0.5) / 100:g})"  # noqa: RUF001 - the multiplication sign is meant
