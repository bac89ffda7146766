"""Tags that tell a picture's size."""

from __future__ import annotations

from bsrgan_plugin.size_tags import corrected

TEXT = """<?xml version='1.0' encoding='UTF-8'?>
<metadata>
  <tag name="Exif.Photo.ExposureTime">1/125</tag>
  <tag name="Exif.Thumbnail.Compression">6</tag>
  <tag name="Exif.Thumbnail.JPEGInterchangeFormatLength">659</tag>
  <tag name="Xmp.dc.title" encoding="base64">QSB0aXRsZQ==</tag>
  <tag name="Xmp.exif.PixelXDimension">64</tag>
  <tag name="Xmp.exif.PixelYDimension" encoding="base64">NDg=</tag>
  <tag name="Xmp.tiff.ImageLength">48</tag>
  <tag name="Xmp.tiff.ImageWidth">64</tag>
  <tag name="Xmp.xmp.Thumbnails[1]/xmpGImg:width">64</tag>
  <tag name="Iptc.Application2.Caption">A caption of 64 x 48</tag>
</metadata>
"""


def test_sizes_are_corrected_and_thumbnails_are_gone():
    """Width and height are the new ones, facts of the old thumbnail are gone, and every other line is untouched."""
    assert corrected(TEXT, 256, 192).splitlines()[2:-1] == [
        '  <tag name="Exif.Photo.ExposureTime">1/125</tag>',
        '  <tag name="Xmp.dc.title" encoding="base64">QSB0aXRsZQ==</tag>',
        '  <tag name="Xmp.exif.PixelXDimension">256</tag>',
        '  <tag name="Xmp.exif.PixelYDimension">192</tag>',
        '  <tag name="Xmp.tiff.ImageLength">192</tag>',
        '  <tag name="Xmp.tiff.ImageWidth">256</tag>',
        '  <tag name="Iptc.Application2.Caption">A caption of 64 x 48</tag>',
    ]


def test_nothing_is_added():
    """Metadata without such tags stay what they are, to the last character."""
    plain = "<metadata>\n  <tag name='x'>1</tag>\n</metadata>\n"
    assert corrected(plain, 5, 6) == plain
