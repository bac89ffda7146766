"""Where a preview lies: which part of a picture to send, so that a rectangle of its result is that of the whole.

    place = Place.around((width, height), (out_width, out_height), Rectangle(x, y, 128, 128))
    request = place.request(channels=3, dtype="u8")     # then send the pixels of place.part

The result is three pictures of the rectangle, one below the other: the network's result, the same with all of the
source's texture, and the resized source. With them a client follows both sliders without asking again:

    shown = (1 - s) * base + s * ((1 - t) * network + t * textured)         s strength, t texture, both 0..1

Standard library only: GIMP's own Python uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bsrgan_wire import limits
from bsrgan_wire.request import JobRequest

TASK = "preview"
PICTURES = 3
"""Pictures of the rectangle in the result, one below the other."""
ALIGN_PX = 8
"""A part begins at a multiple of it: a network that folds pixels into channels then folds it as it folds the whole."""
SENT_MARGIN_PX = 2 * limits.PREVIEW_MARGIN_PX
"""Enough for a network that folds 2 x 2 pixels, and for a second pass over a picture that grows on both sides; the
daemon uses no more than it needs."""
_RESIZE_PX = 4
"""What the resize of a network's result mixes on each side of a pixel, in pixels of the larger picture of both."""
_ONE_PASS = 2
"""A side that grows more than so many times may take a second pass: the smallest scale of networks that enlarge."""

Size = tuple[int, int]
"""(width, height) in pixels."""

_KEYS = ("left", "top", "full_w", "full_h", "full_ow", "full_oh", "x", "y")


@dataclass(frozen=True)
class Rectangle:
    """Whole pixels: the top left one, and how many there are."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The first column after it."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """The first row after it."""
        return self.top + self.height

    @property
    def area(self) -> int:
        """Its pixels."""
        return self.width * self.height

    def is_inside(self, size: Size) -> bool:
        """Whether it has pixels, and all of them belong to a picture of that size."""
        is_far = self.right > size[0] or self.bottom > size[1]
        return self.width > 0 and self.height > 0 and self.left >= 0 and self.top >= 0 and not is_far

    def covers(self, other: Rectangle) -> bool:
        """Whether every pixel of the other one is in it."""
        is_before = self.left <= other.left and self.top <= other.top
        return is_before and self.right >= other.right and self.bottom >= other.bottom


@dataclass(frozen=True)
class Place:
    """Where a preview lies.

    Attributes:
        picture: size of the whole picture.
        result: size that the whole result would have.
        part: what of the picture is sent, in its pixels.
        rectangle: what of the result is wanted, in its pixels.
    """

    picture: Size
    result: Size
    part: Rectangle
    rectangle: Rectangle

    @classmethod
    def around(cls, picture: Size, result: Size, rectangle: Rectangle, margin: int | None = None) -> Place:
        """The place of a rectangle, with the part of the picture that it needs.

        Args:
            picture: size of the whole picture.
            result: size that the whole result would have.
            rectangle: what of the result is wanted; it must lie inside.
            margin: pixels of the picture around what the rectangle shows, as far as the picture reaches; None for what
                the network needs. With less than that the preview is faster to send and no longer the same as the whole
                result everywhere.
        """
        return cls(picture, result, part_to_send(picture, result, rectangle, margin), rectangle)

    @classmethod
    def read(cls, params: Mapping[str, Any], width: int, height: int, out_width: int, out_height: int) -> Place:
        """The place that a SUBMIT of this task names.

        Args:
            params: of SUBMIT.
            width: of the part that is sent.
            height: of the part that is sent.
            out_width: of the result: the rectangle's.
            out_height: of the result: the rectangle's, as many times as there are pictures.

        Raises:
            ValueError: it is impossible; the text is a sentence for the user.
        """
        values = [params.get(key) for key in _KEYS]
        if not all(type(value) is int for value in values):
            raise ValueError(f"A preview needs the whole numbers {', '.join(_KEYS[:-1])} and {_KEYS[-1]}.")
        left, top, full_w, full_h, full_ow, full_oh, x, y = (int(value or 0) for value in values)
        if out_height % PICTURES:
            raise ValueError("The height of a preview's result is that of three equal pictures.")
        part, rectangle = Rectangle(left, top, width, height), Rectangle(x, y, out_width, out_height // PICTURES)
        place = cls((full_w, full_h), (full_ow, full_oh), part, rectangle)
        place._check()
        return place

    def _check(self) -> None:
        if max(*self.picture, *self.result) > limits.SIDE_PX:
            raise ValueError(f"A side of the previewed picture or result is longer than {limits.SIDE_PX} pixels.")
        if not self.part.is_inside(self.picture):
            raise ValueError("The part of the picture that was sent for the preview lies outside of the picture.")
        if not self.rectangle.is_inside(self.result):
            raise ValueError("The rectangle to preview lies outside of the result.")
        if max(self.part.area, self.rectangle.area) > limits.PREVIEW_PX:
            most = limits.PREVIEW_PX / 2**20
            raise ValueError(f"A preview takes at most {most:.0f} megapixels; choose a smaller rectangle.")
        if not self.part.covers(shown(self.picture, self.result, self.rectangle)):
            raise ValueError("The part of the picture that was sent does not hold what is to be previewed.")

    def params(self) -> dict[str, int]:
        """What goes into SUBMIT's `params`."""
        part, rectangle = self.part, self.rectangle
        values = (part.left, part.top, *self.picture, *self.result, rectangle.left, rectangle.top)
        return dict(zip(_KEYS, values, strict=True))

    def request(
        self,
        channels: int,
        dtype: str,
        *,
        model: str = "",
        device: str = "auto",
        params: Mapping[str, Any] | None = None,
    ) -> JobRequest:
        """The job that asks for this preview; its input are the pixels of `part`.

        Args:
            channels: 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA.
            dtype: "u8", "u16", "f16" or "f32".
            model: id of an installed model; empty for the daemon's default.
            device: "auto", "cpu" or "gpu:N".
            params: options as of task "upscale"; strength and texture make no difference.
        """
        return JobRequest(
            width=self.part.width,
            height=self.part.height,
            channels=channels,
            dtype=dtype,
            out_width=self.rectangle.width,
            out_height=PICTURES * self.rectangle.height,
            model=model,
            task=TASK,
            device=device,
            params={**(params or {}), **self.params()},
        )


def shown(picture: Size, result: Size, rectangle: Rectangle) -> Rectangle:
    """The pixels of the picture that a rectangle of the result shows.

    Args:
        picture: size of the whole picture.
        result: size of the whole result.
        rectangle: in pixels of the result, inside of it.
    """
    left, right = _span(rectangle.left, rectangle.right, picture[0], result[0])
    top, bottom = _span(rectangle.top, rectangle.bottom, picture[1], result[1])
    return Rectangle(left, top, right - left, bottom - top)


def part_to_send(picture: Size, result: Size, rectangle: Rectangle, margin: int | None = None) -> Rectangle:
    """The part of the picture that a preview needs: what it shows and a margin, in multiples of 8 px, clipped.

    Args:
        picture: size of the whole picture.
        result: size of the whole result.
        rectangle: in pixels of the result, inside of it.
        margin: pixels of the picture on each side; None for what is needed.
    """
    if margin is not None:
        return _with_margins(picture, result, rectangle, (margin, margin))
    part = _with_margins(picture, result, rectangle, _needed(picture, result))
    if part.area <= limits.PREVIEW_PX:
        return part
    # The daemon takes no more. Of less it makes what it can.
    return _with_margins(picture, result, rectangle, (SENT_MARGIN_PX, SENT_MARGIN_PX))


def _needed(picture: Size, result: Size) -> tuple[int, int]:
    """Margins left and right, and above and below.

    A second pass works on a side that does not grow at the size that it gets: there a pixel of its margin is as many of
    the picture's as the side shrinks.
    """
    sides = list(zip(picture, result, strict=True))
    own = limits.PREVIEW_MARGIN_PX
    again = own + _RESIZE_PX + ALIGN_PX if any(out > _ONE_PASS * side for side, out in sides) else 0
    across, down = (max(SENT_MARGIN_PX, own + -(-(again + _RESIZE_PX) * side // out)) for side, out in sides)
    return across, down


def _with_margins(picture: Size, result: Size, rectangle: Rectangle, margins: tuple[int, int]) -> Rectangle:
    seen = shown(picture, result, rectangle)
    left, right = _grown(seen.left, seen.right, margins[0], picture[0])
    top, bottom = _grown(seen.top, seen.bottom, margins[1], picture[1])
    return Rectangle(left, top, right - left, bottom - top)


def _span(begin: int, end: int, source: int, target: int) -> tuple[int, int]:
    return begin * source // target, -(-end * source // target)


def _grown(begin: int, end: int, margin: int, most: int) -> tuple[int, int]:
    low = max(0, begin - margin) // ALIGN_PX * ALIGN_PX
    return low, min(most, -(-(end + margin) // ALIGN_PX) * ALIGN_PX)
