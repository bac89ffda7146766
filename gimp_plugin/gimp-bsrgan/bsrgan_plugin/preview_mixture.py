"""The side after the divider of the upscale preview: patches of the result, mixed as the two sliders say."""

from __future__ import annotations

import gi

gi.require_version("GdkPixbuf", "2.0")
from gi.repository import GdkPixbuf  # noqa: E402

from bsrgan_plugin.layers import PixelFormat  # noqa: E402
from bsrgan_plugin.preview_blend import mix  # noqa: E402
from bsrgan_plugin.preview_patches import Patch  # noqa: E402
from bsrgan_plugin.preview_pictures import Picture, paint, pixbuf_of  # noqa: E402
from bsrgan_plugin.preview_view import PreviewView, Shown  # noqa: E402

_VEIL = 0x80808090
"""Over the picture before, where nothing better is there yet."""


class Mixture:
    """Paints patches; where there is none, the picture before behind a veil."""

    def __init__(self, before: Picture, pixels: PixelFormat) -> None:
        """Show nothing yet.

        Args:
            before: the picture before.
            pixels: the 8 bit format of the patches.
        """
        self._before = before
        self._pixels = pixels
        self._patches: list[Patch] = []
        self._sliders = (1.0, 0.0)
        self._mixed: dict[int, GdkPixbuf.Pixbuf] = {}

    def show(self, patches: list[Patch]) -> None:
        """Show these patches, the last one on top."""
        self._patches = patches
        alive = {id(patch) for patch in patches}
        self._mixed = {key: pixbuf for key, pixbuf in self._mixed.items() if key in alive}

    def set_sliders(self, strength: float, texture: float) -> None:
        """Mix otherwise, both 0..1."""
        if (strength, texture) != self._sliders:
            self._sliders = (strength, texture)
            self._mixed.clear()

    def paint(self, canvas: GdkPixbuf.Pixbuf, view: PreviewView, left: int, right: int) -> None:
        """Paint what is seen between two columns of the canvas."""
        left, right = max(left, 0), min(right, canvas.get_width())
        if left >= right:
            return
        self._before.paint(canvas, view, left, right)
        _veil(canvas, left, right)
        for patch in self._patches:
            x, y = view.part(patch.area)
            shown = Shown(patch.area, x, y, patch.area.width * view.zoom, patch.area.height * view.zoom)
            paint(canvas, self._pixbuf(patch), shown, left, right)

    def _pixbuf(self, patch: Patch) -> GdkPixbuf.Pixbuf:
        if id(patch) not in self._mixed:
            data = mix(patch.pictures, *self._sliders)
            self._mixed[id(patch)] = pixbuf_of(data, patch.area.size, self._pixels)
        return self._mixed[id(patch)]


def _veil(canvas: GdkPixbuf.Pixbuf, left: int, right: int) -> None:
    veil = GdkPixbuf.Pixbuf.new(GdkPixbuf.Colorspace.RGB, True, 8, right - left, canvas.get_height())
    veil.fill(_VEIL)
    veil.composite(
        canvas, left, 0, right - left, canvas.get_height(), left, 0, 1.0, 1.0, GdkPixbuf.InterpType.NEAREST, 255
    )
