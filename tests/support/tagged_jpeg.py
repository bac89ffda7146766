"""A JPEG with Exif, XMP and IPTC, made from a plain one. Imported by GIMP's own Python: standard library only."""

from __future__ import annotations

import struct

_ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED = 2, 3, 4, 5, 7
_XMP = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/" tiff:ImageWidth="{width}" tiff:ImageLength="{height}"
 exif:PixelXDimension="{width}" exif:PixelYDimension="{height}">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">A title</rdf:li></rdf:Alt></dc:title>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""

Entry = tuple[int, int, int, bytes]
"""Tag, type, count and value of a TIFF directory."""


def tagged(jpeg: bytes, width: int, height: int) -> bytes:
    """The JPEG of `width` x `height` pixels with metadata that tell its size, and itself as its thumbnail."""
    xmp = b"http://ns.adobe.com/xap/1.0/\0" + _XMP.format(width=width, height=height).encode()
    segments = _segment(0xE1, _exif(jpeg, width, height)) + _segment(0xE1, xmp) + _segment(0xED, _iptc())
    return jpeg[:2] + segments + jpeg[2:]


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _exif(thumbnail: bytes, width: int, height: int) -> bytes:
    def parts(exif: int, second: int, image: int) -> list[bytes]:
        maker, photographer = b"Maker\0", b"A photographer\0"
        first = [
            (0x010F, _ASCII, len(maker), maker),
            (0x0112, _SHORT, 1, struct.pack("<H", 1)),
            (0x8298, _ASCII, len(photographer), photographer),
            (0x8769, _LONG, 1, struct.pack("<I", exif)),
        ]
        photo = [
            (0x829A, _RATIONAL, 1, struct.pack("<II", 1, 125)),
            (0x9000, _UNDEFINED, 4, b"0232"),
            (0xA002, _LONG, 1, struct.pack("<I", width)),
            (0xA003, _LONG, 1, struct.pack("<I", height)),
        ]
        preview = [
            (0x0103, _SHORT, 1, struct.pack("<H", 6)),
            (0x0201, _LONG, 1, struct.pack("<I", image)),
            (0x0202, _LONG, 1, struct.pack("<I", len(thumbnail))),
        ]
        return [_directory(first, 8, second), _directory(photo, exif), _directory(preview, second)]

    lengths = [len(part) for part in parts(0, 0, 0)]
    exif = 8 + lengths[0]
    second = exif + lengths[1]
    return b"Exif\0\0II*\0\x08\0\0\0" + b"".join(parts(exif, second, second + lengths[2])) + thumbnail


def _directory(entries: list[Entry], offset: int, following: int = 0) -> bytes:
    table, values = struct.pack("<H", len(entries)), b""
    begin = offset + 2 + 12 * len(entries) + 4
    for tag, kind, count, value in entries:
        if len(value) > 4:
            place = struct.pack("<I", begin + len(values))
            values += value + b"\0" * (len(value) % 2)
        else:
            place = value.ljust(4, b"\0")
        table += struct.pack("<HHI", tag, kind, count) + place
    return table + struct.pack("<I", following) + values


def _iptc() -> bytes:
    caption = b"A caption"
    record = b"\x1c\x02" + struct.pack(">BH", 120, len(caption)) + caption
    padding = b"\0" * (len(record) % 2)
    return b"Photoshop 3.0\x008BIM" + struct.pack(">HHI", 0x0404, 0, len(record)) + record + padding
