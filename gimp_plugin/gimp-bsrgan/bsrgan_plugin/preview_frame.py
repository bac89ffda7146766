"""Frames on the pictures of the preview: the place that is seen, and the ring of the widget that has the keys."""

from __future__ import annotations

import gi

gi.require_version("GdkPixbuf", "2.0")
from gi.repository import GdkPixbuf  # noqa: E402

_RING, _RING_EDGE = 0x1A73E8FF, 0xF2F2F2FF
_RING_PX = 2


def frame(canvas: GdkPixbuf.Pixbuf, x: int, y: int, width: int, height: int, colour: int) -> None:
    """Draw a rectangle one pixel wide; what lies outside of the canvas is left out.

    Args:
        canvas: where.
        x: left edge, px.
        y: top edge, px.
        width: px.
        height: px.
        colour: 0xRRGGBBAA.
    """
    for left, top, across, down in (
        (x, y, width, 1),
        (x, y + height - 1, width, 1),
        (x, y, 1, height),
        (x + width - 1, y, 1, height),
    ):
        first, above = max(left, 0), max(top, 0)
        last, below = min(left + across, canvas.get_width()), min(top + down, canvas.get_height())
        if first < last and above < below:
            canvas.new_subpixbuf(first, above, last - first, below - above).fill(colour)


def focus_ring(canvas: GdkPixbuf.Pixbuf) -> None:
    """Draw the sign of the keyboard's focus along the edge: blue with a light inner line, to be seen on everything."""
    for inset in range(_RING_PX + 1):
        colour = _RING if inset < _RING_PX else _RING_EDGE
        frame(canvas, inset, inset, canvas.get_width() - 2 * inset, canvas.get_height() - 2 * inset, colour)
