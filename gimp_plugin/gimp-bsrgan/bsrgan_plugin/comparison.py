"""How near pictures are to their original, worked out by GIMP itself: Python would take seconds for each megapixel."""

from __future__ import annotations

import math

from gi.repository import Gimp

from bsrgan_plugin.outputs import Area
from bsrgan_plugin.translation import _

_PEAK = 255.0


def note(original: Gimp.Layer, area: Area, degraded: Gimp.Layer, restored: Gimp.Layer) -> list[str]:
    """One sentence with the PSNR of both pictures; none when alpha leaves it without meaning.

    Args:
        original: the source layer.
        area: the part of it that was degraded, as large as the two others.
        degraded: the bad picture.
        restored: the bad picture after the network.
    """
    if original.has_alpha():
        return []
    text = _("PSNR against the original: degraded {degraded}, restored {restored}.")
    return [text.format(degraded=_told(psnr(original, area, degraded)), restored=_told(psnr(original, area, restored)))]


def psnr(original: Gimp.Layer, area: Area, other: Gimp.Layer) -> float:
    """Peak signal-to-noise ratio in dB over all channels, in 8 bit non-linear values; infinite for equal pictures.

    GIMP subtracts (layer mode Difference), and the histogram of what is left gives mean and deviation, whose squares
    add up to the mean square.

    Args:
        original: a layer without alpha.
        area: the part of it that is compared.
        other: a layer of the size of `area`, without alpha.
    """
    image = original.get_image()
    base = Gimp.ImageBaseType.GRAY if original.is_gray() else Gimp.ImageBaseType.RGB
    scratch = Gimp.Image.new_with_precision(area.width, area.height, base, Gimp.Precision.U8_NON_LINEAR)
    try:
        scratch.undo_disable()
        if profile := image.get_color_profile():
            scratch.set_color_profile(profile)
        _add(scratch, original, -area.x, -area.y, Gimp.LayerMode.NORMAL)
        _add(scratch, other, 0, 0, Gimp.LayerMode.DIFFERENCE)
        left = scratch.merge_visible_layers(Gimp.MergeType.CLIP_TO_IMAGE)
        names = ("VALUE",) if base == Gimp.ImageBaseType.GRAY else ("RED", "GREEN", "BLUE")
        squares = [_mean_square(left, getattr(Gimp.HistogramChannel, name)) for name in names]
    finally:
        scratch.delete()
    error = sum(squares) / len(squares)
    return math.inf if error == 0 else 10 * math.log10(_PEAK**2 / error)


def _add(scratch: Gimp.Image, layer: Gimp.Layer, x: int, y: int, mode: Gimp.LayerMode) -> None:
    copy = Gimp.Layer.new_from_drawable(layer, scratch)
    scratch.insert_layer(copy, None, 0)
    if copy.get_mask() is not None:
        copy.remove_mask(Gimp.MaskApplyMode.DISCARD)
    copy.set_offsets(x, y)
    copy.set_opacity(100.0)
    copy.set_visible(True)
    copy.set_mode(mode)
    copy.set_blend_space(Gimp.LayerColorSpace.RGB_NON_LINEAR)


def _mean_square(layer: Gimp.Layer, channel: Gimp.HistogramChannel) -> float:
    told = layer.histogram(channel, 0.0, 1.0)
    return float(told.mean) ** 2 + float(told.std_dev) ** 2


def _told(decibels: float) -> str:
    return _("equal") if math.isinf(decibels) else _("{decibels:.2f} dB").format(decibels=decibels)
