"""Pillow's image modes to gray or RGB, with or without alpha, in 8 bit (and 16-bit gray)."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

from bsrgan_backend.imaging.pictures.picture import unreadable
from bsrgan_backend.imaging.pixels import Pixels

_TARGETS = {
    "1": "L", "L": "L", "LA": "LA", "La": "LA", "RGB": "RGB", "RGBX": "RGB", "RGBA": "RGBA", "RGBa": "RGBA",
    "YCbCr": "RGB",
}  # fmt: skip
_CLEAR_TARGETS = {"1": "LA", "L": "LA", "RGB": "RGBA"}


def unpack(image: Image.Image, icc: bytes) -> tuple[Pixels, bytes, list[str]]:
    """Decode an image and bring it to channels that can be worked on.

    Args:
        image: opened, of any mode.
        icc: its colour profile, empty for none.

    Returns:
        Pixels (H, W, 1 to 4) u8 or u16, the profile that belongs to them now, and notes about conversions.

    Raises:
        BackendError: BAD_PARAM for a mode that has no plain meaning here.
    """
    image.load()
    if image.mode == "CMYK":
        return np.asarray(_to_srgb(image, icc)), b"", ["CMYK was converted to sRGB."]
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)[..., None], icc, []
    target = _target(image)
    pixels = np.asarray(image if image.mode == target else image.convert(target))
    return pixels.reshape(*pixels.shape[:2], -1), icc, []


def _target(image: Image.Image) -> str:
    if image.mode in ("P", "PA"):
        return "RGBA" if image.has_transparency_data else "RGB"
    # One colour that stands for clear (PNG tRNS, GIF).
    targets = _CLEAR_TARGETS if "transparency" in image.info else _TARGETS
    target = targets.get(image.mode) or _TARGETS.get(image.mode)
    if target is None:
        raise unreadable(
            "Pictures of this kind cannot be worked on; save it as 8- or 16-bit gray or RGB first.", image.mode
        )
    return target


def gray_in_srgb(icc: bytes) -> Pixels:
    """What each gray of 8 bit becomes in sRGB.

    Args:
        icc: a profile of gray; with one that cannot be used, the numbers stay.

    Returns:
        (256, 3) u8: RGB by gray.
    """
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    # A shortened way through the profile is wrong by many steps in the shadows.
    table: Pixels = np.asarray(_to_srgb(ramp, icc, ImageCms.Flags.NOOPTIMIZE))[0]
    return table


def _to_srgb(image: Image.Image, icc: bytes, flags: ImageCms.Flags = ImageCms.Flags.NONE) -> Image.Image:
    """An image of gray or CMYK as RGB, through its profile where it has one that can be used."""
    if icc:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            srgb = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB", flags=flags)
        except (ImageCms.PyCMSError, OSError):
            converted = None
        if converted is not None:
            return converted
    return image.convert("RGB")
