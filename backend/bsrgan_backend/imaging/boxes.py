"""Rectangles of whole pixels, and pictures of which only a rectangle is in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Size = tuple[int, int]
"""(height, width) in pixels."""


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels; bottom and right are the first row and column after it.

    Attributes:
        top: first row.
        left: first column.
        bottom: row after the last one.
        right: column after the last one.
    """

    top: int
    left: int
    bottom: int
    right: int

    @classmethod
    def whole(cls, size: Size) -> Box:
        """All of a picture of `size`."""
        return cls(0, 0, *size)

    @property
    def size(self) -> Size:
        """(height, width)."""
        return self.bottom - self.top, self.right - self.left

    @property
    def area(self) -> int:
        """Pixels in it."""
        return self.size[0] * self.size[1]

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index an array of the whole picture."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grown(self, margin: int, size: Size, align: int = 1) -> Box:
        """The box with `margin` pixels more on each side, as far as a picture of `size` reaches.

        Args:
            margin: pixels.
            size: of the picture.
            align: top and left become multiples of it (outward), so that a network that folds pixels into channels
                folds a part as it folds the whole.
        """
        return Box(
            max(0, self.top - margin) // align * align,
            max(0, self.left - margin) // align * align,
            min(size[0], self.bottom + margin),
            min(size[1], self.right + margin),
        )

    def times(self, factor: int) -> Box:
        """The same part of the picture enlarged by a whole factor."""
        return Box(self.top * factor, self.left * factor, self.bottom * factor, self.right * factor)

    def at(self, source: Size, target: Size) -> Box:
        """The pixels of the picture at size `target` that show something of this box at size `source`."""
        return Box(
            self.top * target[0] // source[0],
            self.left * target[1] // source[1],
            -(-self.bottom * target[0] // source[0]),
            -(-self.right * target[1] // source[1]),
        )

    def within(self, other: Box) -> Box:
        """What both have in common; an empty box is 0 high or wide."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        return Box(top, left, max(top, min(self.bottom, other.bottom)), max(left, min(self.right, other.right)))


@dataclass(frozen=True)
class Part:
    """A picture of which `image` holds the pixels `seen`.

    Attributes:
        image: (seen height, seen width, C) float32.
        source: (height, width) of the whole picture.
        seen: where `image` lies in it.
    """

    image: npt.NDArray[np.float32]
    source: Size
    seen: Box

    @classmethod
    def whole(cls, image: npt.NDArray[np.float32]) -> Part:
        """A picture of which all is in memory."""
        size = (image.shape[0], image.shape[1])
        return cls(image, size, Box.whole(size))
