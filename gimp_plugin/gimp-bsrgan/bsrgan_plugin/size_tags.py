"""Metadata of a picture that changed its size: the tags that would tell the old one. Without gi.

GIMP itself keeps the size tags of Exif true. It leaves those of XMP as they were, and the facts of a thumbnail whose
bytes it does not keep. Bindings for single tags are not part of every GIMP, so they are changed in GIMP's own text of
a picture's metadata: one element `<tag name="...">value</tag>` for each.
"""

from __future__ import annotations

import re

_WIDTHS = ("Xmp.tiff.ImageWidth", "Xmp.exif.PixelXDimension")
_HEIGHTS = ("Xmp.tiff.ImageLength", "Xmp.exif.PixelYDimension")
_STALE = re.compile(r'[ \t]*<tag name="(?:Exif\.Thumbnail|Xmp\.xmp\.Thumbnails)[^"]*"[^>]*>[^<]*</tag>\r?\n?')


def corrected(text: str, width: int, height: int) -> str:
    """The metadata of a picture after it became `width` x `height` pixels.

    Args:
        text: as `Gimp.Metadata.serialize` gives it.
        width: in pixels.
        height: in pixels.

    Returns:
        The text for `Gimp.Metadata.deserialize`; every other tag is as it was, and no tag is added.
    """
    for names, side in ((_WIDTHS, width), (_HEIGHTS, height)):
        for name in names:
            text = re.sub(rf'<tag name="{re.escape(name)}"[^>]*>[^<]*</tag>', f'<tag name="{name}">{side}</tag>', text)
    return _STALE.sub("", text)
