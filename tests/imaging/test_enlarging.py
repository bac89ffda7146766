"""The size on paper of an enlarged picture file."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from bsrgan_backend.imaging.pictures import Picture, enlarged, read_picture, write_picture

X_RESOLUTION, Y_RESOLUTION, MAKER = 0x011A, 0x011B, 0x010F


def exif(across, down):
    """Exif with a resolution and a text."""
    made = Image.Exif()
    made[X_RESOLUTION], made[Y_RESOLUTION], made[MAKER] = across, down, "Maker"
    return made.tobytes().removeprefix(b"Exif\x00\x00")


def tags(data):
    """Resolution and text of Exif."""
    made = Image.Exif()
    made.load(data)
    return float(made[X_RESOLUTION]), float(made[Y_RESOLUTION]), made[MAKER]


@pytest.mark.parametrize(
    ("ending", "dtype", "size"),
    [
        *(("png", "u1", (40, 60)), ("png", "u2", (25, 37)), ("tif", "u1", (40, 60))),
        *(("tif", "u2", (26, 37)), ("tif", "f4", (5, 7)), ("jpg", "u1", (33, 60))),
    ],
)
def test_the_size_on_paper_stays(tmp_path, ending, dtype, size):
    """In each format and depth, and at odd factors, sides divided by pixels per inch are what they were."""
    small, large = (np.zeros((*sides, 3), dtype) for sides in ((10, 15), size))
    write_picture(tmp_path / f"a.{ending}", enlarged(Picture(small, dpi=(300.0, 150.0)), large))
    again = read_picture(tmp_path / f"a.{ending}")
    # Files hold pixels per metre or per inch as whole numbers.
    assert size[1] / again.dpi[0] == pytest.approx(15 / 300, rel=2e-3)
    assert size[0] / again.dpi[1] == pytest.approx(10 / 150, rel=2e-3)


def test_no_resolution_stays_none():
    """A picture that gives no size on paper gets none."""
    assert enlarged(Picture(np.zeros((2, 2, 1), np.uint8)), np.zeros((8, 8, 1), np.uint8)).dpi is None


def test_exif_says_the_same(tmp_path):
    """Exif's own resolution follows, and everything else in it stays."""
    picture = Picture(np.zeros((10, 10, 3), np.uint8), exif=exif(300.0, 72.5), dpi=(300.0, 72.5))
    large = enlarged(picture, np.zeros((40, 25, 3), np.uint8))
    assert tags(large.exif) == (750.0, 290.0, "Maker")
    assert len(large.exif) == len(picture.exif)
    write_picture(tmp_path / "a.jpg", large)
    assert read_picture(tmp_path / "a.jpg").dpi == pytest.approx((750.0, 290.0))


def thumbnail_exif(order, kind):
    """Exif of a picture of 8 x 4 with both pairs of sizes, in numbers of a type (3 or 4), and a thumbnail."""

    def number(tag, value):
        return struct.pack(
            order + ("HHIHH" if kind == 3 else "HHII"), tag, kind, 1, value, *((0,) if kind == 3 else ())
        )

    orientation = struct.pack(order + "HHIHH", 0x0112, 3, 1, 1, 0)
    # The first directory begins at 8 with four entries, the second of Exif at 62, that of the thumbnail at 92.
    pointer = struct.pack(order + "HHII", 0x8769, 4, 1, 62)
    first = struct.pack(order + "H", 4) + number(0x0100, 8) + number(0x0101, 4) + orientation + pointer
    sizes = struct.pack(order + "H", 2) + number(0xA002, 8) + number(0xA003, 4) + bytes(4)
    thumbnail = struct.pack(order + "HHHIIHHII", 2, 0x0201, 4, 1, 122, 0x0202, 4, 1, 4) + bytes(4) + b"JPEG"
    head = (b"II*\x00" if order == "<" else b"MM\x00*") + struct.pack(order + "I", 8)
    return head + first + struct.pack(order + "I", 92) + sizes + thumbnail


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tif"])
@pytest.mark.parametrize("kind", [3, 4])
@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_has_the_new_size_and_no_old_thumbnail(tmp_path, ending, kind, order):
    """Sizes in Exif are those of the result, whichever type they had, and a thumbnail of the old picture is gone."""
    source = thumbnail_exif(order, kind)
    before = Image.Exif()
    before.load(source)
    assert before.get_ifd(ExifTags.IFD.IFD1)[0x0201] == 122
    assert before.get_ifd(ExifTags.IFD.Exif) == {0xA002: 8, 0xA003: 4}
    large = enlarged(Picture(np.zeros((8, 4, 3), np.uint8), exif=source), np.zeros((300, 80, 3), np.uint8))
    write_picture(tmp_path / f"a.{ending}", large)
    with Image.open(tmp_path / f"a.{ending}") as image:
        after = image.getexif()
        assert (after[0x0100], after[0x0101]) == (80, 300)
        assert after.get_ifd(ExifTags.IFD.Exif) == {0xA002: 80, 0xA003: 300}
        assert after.get_ifd(ExifTags.IFD.IFD1) == {}


def test_a_side_beyond_two_bytes_fits():
    """A size that was stored in two bytes may become larger than these hold."""
    large = enlarged(
        Picture(np.zeros((1, 8, 1), np.uint8), exif=thumbnail_exif("<", 3)), np.zeros((1, 70_000, 1), np.uint8)
    )
    after = Image.Exif()
    after.load(large.exif)
    assert after.get_ifd(ExifTags.IFD.Exif) == {0xA002: 70_000, 0xA003: 1}


@given(data=st.one_of(st.binary(max_size=60), st.binary(max_size=60).map(lambda tail: exif(72.0, 72.0)[:30] + tail)))
def test_broken_exif_is_left_alone_or_stays_as_long(data):
    """Whatever Exif holds, the picture is not lost by it."""
    picture = Picture(np.zeros((2, 2, 1), np.uint8), exif=data)
    assert len(enlarged(picture, np.zeros((4, 4, 1), np.uint8)).exif) == len(data)


def test_jpeg_leaves_out_what_it_cannot_hold(tmp_path):
    """A resolution beyond two bytes is left out instead of becoming another one."""
    write_picture(tmp_path / "a.jpg", Picture(np.zeros((8, 8, 3), np.uint8), dpi=(76_800.0, 76_800.0)))
    assert read_picture(tmp_path / "a.jpg").dpi is None
