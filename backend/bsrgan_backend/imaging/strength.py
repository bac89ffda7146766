"""The two sliders after the network: how much of its result, and how much of the source's texture.

result = (1 - s) · base + s · (SR + t · texture)        s strength, t keep texture, both 0..1

Each summand is clamped to 0..1 first: where the plain resize overshoots black or white, that must not shine through,
and a preview mixes pictures that hold no more than 0..1.
"""

from __future__ import annotations

import numpy as np

from bsrgan_backend.imaging.boxes import Box, Part, Size
from bsrgan_backend.imaging.pixels import Floats
from bsrgan_backend.imaging.resampling import resize_box


def base_box(part: Part, size: Size, wanted: Box) -> Floats:
    """The source without the network: antialiased Lanczos 3 at the asked size.

    Args:
        part: the source, (H, W, C) float32, or as much of it as `wanted` needs.
        size: (height, width) of the whole result.
        wanted: what of it to make.

    Returns:
        (height, width, C) of `wanted`, float32, not clamped.
    """
    return resize_box(part, size, wanted)


def mix(sr: Floats | None, base: Floats | None, texture: Floats | None, strength: float, keep: float) -> Floats:
    """The formula above, for rows or any rectangle.

    Args:
        sr: (H, W, C) float32, the network's result; not used and may be None at strength 0.
        base: (H, W, C) float32; not used and may be None at strength 1.
        texture: (H, W, 1) float32; not used and may be None when `keep` is 0.
        strength: 0..1.
        keep: 0..1.

    Returns:
        (H, W, C) float32; between the ends of the strength within 0..1, at each end not clamped; `sr` or `base` itself
        where nothing changes it, else a new array.
    """
    if strength == 0.0:
        assert base is not None
        return base
    assert sr is not None
    result = sr if texture is None or keep == 0.0 else sr + np.float32(keep) * texture
    if strength == 1.0:
        return result
    assert base is not None
    mixed: Floats = np.clip(result, 0.0, 1.0)
    rest: Floats = np.clip(base, 0.0, 1.0)
    mixed *= np.float32(strength)
    rest *= np.float32(1.0 - strength)
    mixed += rest
    return mixed
