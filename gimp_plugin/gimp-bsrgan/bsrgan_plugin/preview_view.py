"""What of a picture the preview shows: place, zoom and the divider between before and after. Without gi."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bsrgan_plugin.outputs import Area, Size

ZOOMS = (1, 2, 4)
GRAB_PX = 8
"""How near to the divider a click takes hold of it."""
_STEP = 0.05


@dataclass(frozen=True)
class Shown:
    """A part of a picture and where it appears.

    Attributes:
        area: pixels of the picture.
        x: left edge on the widget, px; may be negative, since a pixel may be shown in part.
        y: top edge, as x.
        width: on the widget, px.
        height: on the widget, px.
    """

    area: Area
    x: int
    y: int
    width: int
    height: int


class PreviewView:
    """Geometry of a preview widget; all of it in whole pixels of the widget.

    Attributes:
        zoom: widget pixels for one pixel of the source.
        divider: 0..1, the part of the widget's width that shows the picture before.
    """

    def __init__(self, source: Size) -> None:
        """Show the middle of a picture of the size `source`."""
        self.zoom = ZOOMS[0]
        self.divider = 0.5
        self._source = source
        self._widget = Size(1, 1)
        # The place of the picture in the widget's middle, px of the source.
        self._x, self._y = source.width / 2, source.height / 2

    @property
    def divider_px(self) -> int:
        """Where the divider stands on the widget."""
        return round(self.divider * self._widget.width)

    def resize(self, widget: Size) -> None:
        """The widget has another size now."""
        self._widget = widget
        self._keep_inside()

    def rescale(self, source: Size) -> None:
        """The same picture has another size now; its place in the middle stays."""
        across, down = source.width / self._source.width, source.height / self._source.height
        self._x, self._y = self._x * across, self._y * down
        self._source = source
        self._keep_inside()

    def move_to(self, across: float, down: float) -> None:
        """Bring a place of the picture to the middle, both 0..1 of its size."""
        self._x, self._y = across * self._source.width, down * self._source.height
        self._keep_inside()

    def seen(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of what is seen, in 0..1 of the picture."""
        shown = self.shown(self._source).area
        width, height = self._source.width, self._source.height
        right, bottom = shown.x + shown.width, shown.y + shown.height
        return shown.x / width, shown.y / height, right / width, bottom / height

    def pan(self, right_px: float, down_px: float) -> None:
        """Move the picture with the pointer, by pixels of the widget."""
        self._x -= right_px / self.zoom
        self._y -= down_px / self.zoom
        self._keep_inside()

    def set_zoom(self, zoom: int) -> None:
        """Enlarge by a whole factor around the middle."""
        self.zoom = zoom
        self._keep_inside()

    def zoom_by(self, steps: int) -> None:
        """Go to the next larger (1) or smaller (-1) zoom, if there is one."""
        place = ZOOMS.index(self.zoom) + steps
        self.set_zoom(ZOOMS[min(max(place, 0), len(ZOOMS) - 1)])

    def is_divider(self, x: float) -> bool:
        """Whether a click at x takes hold of the divider."""
        return abs(x - self.divider_px) <= GRAB_PX

    def drag_divider(self, x: float) -> None:
        """Put the divider under the pointer."""
        self.divider = min(max(x / self._widget.width, 0.0), 1.0)

    def step_divider(self, steps: int) -> None:
        """Move the divider by a key; positive steps go to the right."""
        self.divider = min(max(self.divider + steps * _STEP, 0.0), 1.0)

    def part(self, area: Area) -> tuple[int, int]:
        """Where the first pixel of a part of the source stands on the widget; may be outside of it."""
        left = self._origin(self._x, self._widget.width) + area.x * self.zoom
        return left, self._origin(self._y, self._widget.height) + area.y * self.zoom

    def shown(self, picture: Size) -> Shown:
        """The part of a picture that is seen, when all of it lies where the source does.

        Args:
            picture: the source's size, or that of a result, which is stretched onto the source.
        """
        x, width, left, across = self._axis(self._x, self._source.width, picture.width, self._widget.width)
        y, height, top, down = self._axis(self._y, self._source.height, picture.height, self._widget.height)
        return Shown(Area(x, y, width, height), left, top, across, down)

    def _axis(self, middle: float, source: int, picture: int, widget: int) -> tuple[int, int, int, int]:
        """First pixel, count, place and length on the widget along one axis."""
        pixel = self.zoom * source / picture
        origin = self._origin(middle, widget)
        first = min(max(math.floor(-origin / pixel), 0), picture - 1)
        last = min(max(math.ceil((widget - origin) / pixel), first + 1), picture)
        begin, end = round(origin + first * pixel), round(origin + last * pixel)
        return first, last - first, begin, max(end - begin, 1)

    def _origin(self, middle: float, widget: int) -> int:
        """Where pixel 0 of the source stands on the widget: the same whole number for every picture."""
        return round(widget / 2 - middle * self.zoom)

    def _keep_inside(self) -> None:
        """No empty rim beside a picture that is larger than the widget, and a smaller one in the middle."""
        self._x = _kept(self._x, self._source.width, self._widget.width / self.zoom)
        self._y = _kept(self._y, self._source.height, self._widget.height / self.zoom)


def _kept(middle: float, picture: float, visible: float) -> float:
    if picture <= visible:
        return picture / 2
    return min(max(middle, visible / 2), picture - visible / 2)
