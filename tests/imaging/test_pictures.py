"""Picture files: every format, depth and channel count with what belongs to it, and every kind of bad file."""

from __future__ import annotations

import io
import os
import struct
import threading
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging.pictures import Picture, orientation, png, read_picture, write_picture

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LOSSLESS = [
    *(("png", dtype, channels) for dtype in ("u1", "u2") for channels in (1, 2, 3, 4)),
    *(("tif", dtype, channels) for dtype in ("u1", "u2", "f4") for channels in (1, 2, 3, 4)),
    ("webp", "u1", 3),
    ("webp", "u1", 4),
]


def noise(height, width, channels, dtype="u1", seed=0):
    """Random pixels of a type."""
    values = np.random.default_rng(seed).random((height, width, channels))
    return (values * (1 if dtype == "f4" else np.iinfo(dtype).max)).astype(dtype)


def camera_exif(turn=1):
    """Exif as a camera writes it, with an orientation."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "Maker", "Model 5", turn
    exif[0x8769] = {0x829A: (1, 250), 0x8827: 400, 0x9003: "2020:01:02 03:04:05"}
    exif[0x8825] = {1: "N", 2: (52.0, 30.0, 0.0)}
    loaded = Image.Exif()
    # Pillow can save a TIFF only with Exif that it has read itself.
    loaded.load(exif.tobytes())
    return loaded


def facts(exif):
    """What Exif says, by tag."""
    loaded = Image.Exif()
    loaded.load(exif)
    return dict(loaded), dict(loaded.get_ifd(0x8769)), dict(loaded.get_ifd(0x8825))


def png_chunk(kind, data):
    """A piece of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_file(width, height, depth, colour, rows, before=b"", after=b""):
    """A PNG of a bit depth and colour type, with chunks before and after its rows (each with its filter byte)."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = before + png_chunk(b"IDAT", zlib.compress(rows)) + after
    return b"\x89PNG\r\n\x1a\n" + header + body + png_chunk(b"IEND", b"")


def gray_profile(gamma):
    """An ICC profile of gray with a gamma (ICC.1 version 2.4: a white point and one curve)."""
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    tags = struct.pack(">I", 2) + struct.pack(">4sII4sII", b"wtpt", 156, len(white), b"kTRC", 176, len(curve))
    head = struct.pack(">I4sI4s4s4s", 192, bytes(4), 0x02400000, b"mntr", b"GRAY", b"XYZ ") + bytes(12) + b"acsp"
    illuminant = struct.pack(">3i", 63190, 65536, 54061)
    return (head.ljust(68, b"\x00") + illuminant).ljust(128, b"\x00") + tags + white + curve


def code_of(call, *arguments):
    """The code and sentence that a call fails with."""
    with pytest.raises(BackendError) as caught:
        call(*arguments)
    assert caught.value.text.endswith(".")
    assert "\n" not in caught.value.text
    return caught.value.code, caught.value.text


@pytest.mark.parametrize(("ending", "dtype", "channels"), LOSSLESS)
def test_lossless_formats_keep_everything(tmp_path, ending, dtype, channels):
    """Pixels, profile, Exif and resolution come back exactly in every depth and channel count."""
    exif = camera_exif().tobytes().removeprefix(b"Exif\x00\x00")
    picture = Picture(noise(37, 23, channels, dtype), ICC, exif, (300.0, 150.0), "png")
    path = tmp_path / f"picture.{ending}"
    write_picture(path, picture)
    again = read_picture(path)
    assert again.pixels.dtype == picture.pixels.dtype
    np.testing.assert_array_equal(again.pixels, picture.pixels)
    assert again.icc == ICC
    assert facts(again.exif)[1:] == facts(exif)[1:]
    assert facts(again.exif)[0][0x0110] == "Model 5"
    assert again.format == {"tif": "tiff"}.get(ending, ending)
    if ending != "webp":
        assert again.dpi == pytest.approx((300, 150), rel=1e-3)
    assert list(tmp_path.iterdir()) == [path]


def test_our_tiff_is_everybodys_tiff(tmp_path):
    """Pillow and libtiff (in OpenCV) read our TIFF with its Exif, which Pillow finds where it belongs."""
    pixels = noise(50, 31, 3)
    exif = camera_exif().tobytes().removeprefix(b"Exif\x00\x00")
    write_picture(tmp_path / "a.tif", Picture(pixels, ICC, exif, (300.0, 300.0)))
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "a.tif"), cv2.IMREAD_UNCHANGED)[..., ::-1], pixels)
    with Image.open(tmp_path / "a.tif") as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)
        assert image.info["icc_profile"] == ICC
        assert image.getexif()[0x010F] == "Maker"
        assert image.getexif().get_ifd(0x8769)[0x8827] == 400
        assert image.getexif().get_ifd(0x8825)[1] == "N"


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_keeps_what_it_can(tmp_path, channels):
    """A JPEG comes back close to its pixels, with profile, Exif and resolution exact."""
    smooth = np.linspace(0, 255, 64 * 48).reshape(48, 64, 1).repeat(channels, 2).astype(np.uint8)
    exif = camera_exif().tobytes().removeprefix(b"Exif\x00\x00")
    write_picture(tmp_path / "a.jpg", Picture(smooth, ICC, exif, (72.0, 72.0)))
    again = read_picture(tmp_path / "a.jpg")
    assert again.pixels.shape == smooth.shape
    assert np.abs(again.pixels.astype(int) - smooth).max() <= 4
    assert (again.icc, again.exif, again.dpi, again.format) == (ICC, exif, (72.0, 72.0), "jpeg")


@pytest.mark.parametrize("gamma", [1.0, 1.75, 2.25])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("channels", [1, 2])
def test_gray_in_webp_needs_no_profile_of_gray(tmp_path, channels, dtype, gamma):
    """WebP has no gray: gray of a space of its own becomes sRGB, so that every viewer shows the same light."""
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(channels, 2)
    stored = ramp if dtype == "u1" else ramp.astype(np.uint16) * 257
    write_picture(tmp_path / "a.webp", Picture(stored, gray_profile(gamma)))
    again = read_picture(tmp_path / "a.webp")
    assert again.icc == b""
    light = (ramp[..., 0] / 255) ** gamma
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055) * 255
    np.testing.assert_allclose(again.pixels[..., :3], encoded[..., None].repeat(3, 2), atol=0.51)
    if channels == 2:
        np.testing.assert_array_equal(again.pixels[..., 3], ramp[..., 1])


def test_a_broken_profile_of_gray_is_left_out_of_webp(tmp_path):
    """What says that it is gray and is no profile does not go into a file of colour; the numbers stay."""
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    write_picture(tmp_path / "a.webp", Picture(ramp, gray_profile(1.0)[:150]))
    again = read_picture(tmp_path / "a.webp")
    assert again.icc == b""
    np.testing.assert_array_equal(again.pixels, ramp.repeat(3, 2))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_our_png_is_everybodys_png(tmp_path, dtype, channels):
    """Pillow and OpenCV read the files of our encoder as the pixels that went in."""
    pixels = noise(50, 31, channels, dtype)
    pixels[10:20] = pixels[9]
    write_picture(tmp_path / "a.png", Picture(pixels))
    decoded = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    if channels == 2:
        decoded = decoded[..., 2:]
    elif channels >= 3:
        decoded = decoded[..., [2, 1, 0, 3][:channels]]
    np.testing.assert_array_equal(decoded.reshape(pixels.shape), pixels)
    if dtype == "u1":
        with Image.open(tmp_path / "a.png") as image:
            image.verify()
        with Image.open(tmp_path / "a.png") as image:
            np.testing.assert_array_equal(np.asarray(image).reshape(pixels.shape), pixels)


def test_png_rows_above_one_band_join(tmp_path, monkeypatch):
    """Filters look across the border between two bands."""
    monkeypatch.setattr("bsrgan_backend.imaging.pictures.png._BAND_BYTES", 300)
    pixels = np.add.outer(np.arange(40), np.arange(30))[..., None].repeat(3, 2).astype(np.uint16) * 500
    write_picture(tmp_path / "a.png", Picture(pixels))
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png").pixels, pixels)


def test_a_png_that_finds_no_room_ends_with_that_error_and_no_thread(monkeypatch):
    """A file that can take no more raises what it raised, and the threads that make bands are gone."""

    class Full(io.BytesIO):
        def write(self, data):
            if self.tell() > 2000:
                raise OSError(28, "no room")
            return super().write(data)

    monkeypatch.setattr("bsrgan_backend.imaging.pictures.png._BAND_BYTES", 300)
    before = threading.active_count()
    with pytest.raises(OSError, match="no room"):
        png.write(Full(), Picture(noise(200, 50, 3, "u1")))
    assert threading.active_count() == before


def test_png_filters_make_gradients_small(tmp_path):
    """A smooth picture takes far less room than its pixels."""
    pixels = np.add.outer(np.arange(256), np.arange(256))[..., None].repeat(3, 2).astype(np.uint16) * 100
    write_picture(tmp_path / "a.png", Picture(pixels))
    assert (tmp_path / "a.png").stat().st_size < pixels.nbytes / 50


@pytest.mark.parametrize("kind", ["photo", "drawing", "thin"])
def test_png_files_are_about_as_small_as_pillows(tmp_path, kind):
    """Neither a photo nor a drawing, which repeats itself, takes much more room than from a thorough encoder."""
    pixels = {"photo": photo, "drawing": drawing, "thin": lambda: photo()[:1]}[kind]()
    write_picture(tmp_path / "a.png", Picture(pixels))
    Image.fromarray(pixels).save(tmp_path / "pillow.png")
    ours, pillows = ((tmp_path / name).stat().st_size for name in ("a.png", "pillow.png"))
    assert ours <= 1.15 * pillows + 100
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png").pixels, pixels)


def photo():
    """(640, 640, 3) u8."""
    path = Path(__file__).parents[2] / "installer" / "photo" / "astronaut.jpg"
    return cv2.resize(read_picture(path).pixels, (640, 640), interpolation=cv2.INTER_CUBIC)


def drawing():
    """(640, 640, 3) u8, lines of text."""
    pixels = np.full((640, 640, 3), 255, np.uint8)
    for row in range(30, 640, 30):
        cv2.putText(
            pixels, "the quick brown fox jumps", (5, row), cv2.FONT_HERSHEY_SIMPLEX, 1, (0, 0, 0), 2, cv2.LINE_AA
        )
    return pixels


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp"])
def test_pictures_come_upright(tmp_path, ending, turn):
    """Each of the eight orientations is undone as Pillow undoes it, and the Exif that stays says 1."""
    from PIL import ImageOps

    stored = np.zeros((16, 24, 3), np.uint8)
    stored[:8, :8], stored[8:, :8], stored[:8, 16:] = 255, 128, 60
    path = tmp_path / f"a.{ending}"
    options = {"quality": 100, "subsampling": 0} if ending == "jpg" else {"lossless": True} if ending == "webp" else {}
    Image.fromarray(stored).save(path, exif=camera_exif(turn), dpi=(100, 200), **options)
    picture = read_picture(path)
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        # Pillow turns TIFF by itself.
        expected = np.asarray(image if ending == "tif" else ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(picture.pixels, expected)
    assert facts(picture.exif)[0].get(0x0112, 1) == 1
    assert facts(picture.exif)[0][0x010F] == "Maker"
    if ending != "webp":
        assert picture.dpi == pytest.approx((200, 100) if turn >= 5 else (100, 200), rel=1e-2)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("place", ["before", "after", "text before", "text after"])
def test_exif_of_a_png_is_found_wherever_it_stands(tmp_path, place, depth):
    """A chunk before or after the pixels, and the text that was usual before that chunk, turn the picture and stay."""
    exif = camera_exif(6).tobytes()
    text = f"\nexif\n{len(exif):8}\n{exif[:40].hex()}\n{exif[40:].hex()}\n".encode()
    chunk = png_chunk(b"eXIf", exif.removeprefix(b"Exif\x00\x00"))
    if "text" in place:
        chunk = png_chunk(b"zTXt", b"Raw profile type exif\x00\x00" + zlib.compress(text))
    stored = noise(2, 3, 1, f">u{depth // 8}")
    rows = b"".join(b"\x00" + row.tobytes() for row in stored)
    path = tmp_path / "a.png"
    path.write_bytes(png_file(3, 2, depth, 0, rows, **{place.removeprefix("text "): chunk}))
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.pixels, orientation.upright(stored, 6))
    assert facts(picture.exif)[0][0x0112] == 1
    assert facts(picture.exif)[0][0x010F] == "Maker"


@pytest.mark.parametrize(
    "text", [b"", b"\nexif\n      4\nno hex\n", b"\nexif\n      4\n123\n", b"\nexif\n      2\nabcd"]
)
def test_broken_exif_in_a_text_is_none(tmp_path, text):
    """A text that should hold Exif and does not is no reason to refuse a sound picture."""
    chunk = png_chunk(b"tEXt", b"Raw profile type exif\x00" + text)
    (tmp_path / "a.png").write_bytes(png_file(2, 1, 8, 0, b"\x00\x05\x06", chunk))
    picture = read_picture(tmp_path / "a.png")
    assert picture.pixels.ravel().tolist() == [5, 6]
    assert picture.exif == b""


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_compressed_tiffs_come_upright_once(tmp_path, dtype, turn):
    """LZW, which each depth leaves to another decoder, is turned as Pillow turns it: not at all twice."""
    path = tmp_path / "a.tif"
    Image.fromarray(noise(5, 7, 1, dtype)[..., 0]).save(path, compression="tiff_lzw", tiffinfo={0x0112: turn})
    with Image.open(path) as image:
        expected = np.asarray(image)
    picture = read_picture(path)
    assert picture.pixels.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(picture.pixels[..., 0], expected)


def test_maker_notes_stay_where_they_are():
    """Only the orientation's own bytes change; everything else, such as offsets of maker notes, stays."""
    exif = camera_exif(6).tobytes()
    again, turn = orientation.reset(exif)
    assert turn == 6
    changed = [index for index, (a, b) in enumerate(zip(exif[6:], again, strict=True)) if a != b]
    assert len(changed) == 1


@pytest.mark.parametrize(
    "exif", [b"", b"garbage", b"Exif\x00\x00II*\x00\xff\xff\xff\xff", b"MM\x00*\x00\x00\x00\x08\x00"]
)
def test_broken_exif_is_no_orientation(exif):
    """Damaged Exif turns nothing and raises nothing."""
    assert orientation.reset(exif)[1] == 1


def test_palettes_become_colours(tmp_path):
    """A palette PNG becomes RGB, one with a clear entry RGBA."""
    plain = Image.fromarray(noise(9, 9, 3)).quantize(16)
    plain.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png").pixels, np.asarray(plain.convert("RGB")))
    plain.save(tmp_path / "b.png", transparency=3)
    picture = read_picture(tmp_path / "b.png")
    assert picture.pixels.shape == (9, 9, 4)
    assert ((picture.pixels[..., 3] == 0) == (np.asarray(plain) == 3)).all()


def test_a_clear_colour_becomes_alpha(tmp_path):
    """The one clear value of a gray or RGB PNG becomes an alpha channel."""
    gray = noise(6, 6, 1)
    gray[2, 3] = 77
    Image.fromarray(gray[..., 0]).save(tmp_path / "a.png", transparency=77)
    picture = read_picture(tmp_path / "a.png")
    assert picture.pixels.shape == (6, 6, 2)
    assert picture.pixels[2, 3, 1] == 0


@pytest.mark.parametrize("clear", [0, 1])
@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_clear_gray_of_any_depth_becomes_alpha(tmp_path, depth, clear):
    """The clear gray counts as the file's samples do, and of its two bytes only the bits of that depth count."""
    top = 2**depth - 1
    samples = np.array([[0, 1], [top, top // 2], [1, 0]])
    # Two samples a row, at the upper end of one byte or over as many as they take.
    row_bytes = max(1, depth // 4)
    words = (samples[:, 0] << depth | samples[:, 1]) << (8 * row_bytes - 2 * depth)
    rows = b"".join(b"\x00" + int(word).to_bytes(row_bytes, "big") for word in words)
    unused = 0x4000 if 1 < depth < 16 else 0
    chunk = png_chunk(b"tRNS", struct.pack(">H", clear | unused))
    (tmp_path / "a.png").write_bytes(png_file(2, 3, depth, 0, rows, chunk))
    pixels = read_picture(tmp_path / "a.png").pixels
    full = 65535 if depth == 16 else 255
    assert pixels.dtype == (np.uint16 if depth == 16 else np.uint8)
    np.testing.assert_array_equal(pixels[..., 0], samples * (full // top))
    np.testing.assert_array_equal(pixels[..., 1], np.where(samples == clear, 0, full))


def test_bilevel_becomes_gray(tmp_path):
    """Pictures of one bit become 0 and 255."""
    bits = noise(8, 9, 1)[..., 0] > 127
    Image.fromarray(bits).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png").pixels[..., 0], bits * 255)
    Image.fromarray(bits).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").pixels[..., 0], bits * 255)


@pytest.mark.parametrize("top", [256, 1023, 65535])
@pytest.mark.parametrize("kind", ["P2", "P3", "P5", "P6"])
def test_ppm_of_more_than_a_byte_keeps_it(tmp_path, kind, top):
    """Gray and colour, as text and as bytes, become 16 bit, the file's own largest value white."""
    channels = 1 if kind in ("P2", "P5") else 3
    samples = (noise(4, 5, channels, "u2").astype(np.int64) * top + 32767) // 65535
    samples[0, 0], samples[0, 1], samples[0, 2] = 0, 1, top
    header = f"{kind}\n# a comment 1 2\n5 4 # another\n{top}\n".encode()
    text = " ".join(map(str, samples.ravel())).encode() + b"\n"
    (tmp_path / "a.ppm").write_bytes(header + (text if kind in ("P2", "P3") else samples.astype(">u2").tobytes()))
    picture = read_picture(tmp_path / "a.ppm")
    assert picture.pixels.dtype == np.uint16
    np.testing.assert_array_equal(picture.pixels, np.floor(samples * 65535 / top + 0.5))


@pytest.mark.parametrize("kind", [b"P5", b"P6"])
def test_truncated_ppm_is_refused(tmp_path, kind):
    """A PPM of 16 bit that was cut off never becomes a picture that is partly black."""
    (tmp_path / "a.ppm").write_bytes(kind + b"\n5 4\n65535\n" + bytes(30))
    assert code_of(read_picture, tmp_path / "a.ppm")[0] == "BAD_PARAM"


@pytest.mark.parametrize("ending", ["jpg", "tif"])
def test_cmyk_is_converted_and_said(tmp_path, ending):
    """CMYK becomes RGB with a note."""
    Image.new("CMYK", (8, 6), (0, 255, 255, 0)).save(tmp_path / f"a.{ending}")
    picture = read_picture(tmp_path / f"a.{ending}")
    assert picture.pixels.shape == (6, 8, 3)
    assert picture.pixels[0, 0, 0] > 200
    assert picture.pixels[0, 0, 1] < 60
    assert "CMYK" in picture.notes[0]


def test_of_many_frames_the_first(tmp_path):
    """Animations and files of several pages give their first picture and say so."""
    frames = [Image.fromarray(noise(7, 5, 3, seed=seed)) for seed in range(3)]
    for name, options in (("a.webp", {"lossless": True}), ("a.tif", {}), ("a.png", {})):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
        picture = read_picture(tmp_path / name)
        np.testing.assert_array_equal(picture.pixels, np.asarray(frames[0]))
        assert "first" in picture.notes[0]


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("scheme", ["lzw", "none", "deflate", "planar", "big", "tiled"])
def test_tiff_of_others_is_read(tmp_path, scheme, dtype):
    """LZW, planes, BigTIFF, big-endian and tiles of RGB in every depth read as the pixels that were written."""
    pixels = noise(33, 17, 3, dtype)
    path = tmp_path / "a.tif"
    if scheme == "lzw":
        cv2.imwrite(str(path), pixels[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    elif scheme == "planar":
        tifffile.imwrite(path, pixels.transpose(2, 0, 1), planarconfig="separate", photometric="rgb")
    else:
        options = {"deflate": {"compression": "zlib"}, "big": {"bigtiff": True, "byteorder": ">"}}.get(scheme, {})
        tile = {"tile": (16, 16)} if scheme == "tiled" else {}
        tifffile.imwrite(path, pixels, photometric="rgb", **options, **tile)
    picture = read_picture(path)
    assert picture.pixels.dtype == pixels.dtype
    assert picture.pixels.dtype.isnative
    np.testing.assert_array_equal(picture.pixels, pixels)


def test_white_is_zero_is_turned(tmp_path):
    """TIFF whose zero is white comes out as light, not as its negative."""
    pixels = noise(5, 6, 1, "u2")[..., 0]
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="miniswhite")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").pixels[..., 0], 65535 - pixels)


def test_premultiplied_alpha_becomes_straight(tmp_path):
    """Associated alpha of TIFF is divided out."""
    straight = noise(8, 8, 4, "u2")
    straight[..., 3] |= 0x8000
    straight[0, 0, 3] = 0
    share = straight[..., 3:].astype(np.float64) / 65535
    stored = straight.copy()
    stored[..., :3] = np.round(straight[..., :3] * share)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extrasamples=["assocalpha"])
    pixels = read_picture(tmp_path / "a.tif").pixels
    assert np.abs(pixels.astype(int) - straight)[1:].max() <= 1
    np.testing.assert_array_equal(pixels[..., 3], straight[..., 3])


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_premultiplied_colour_above_its_alpha_becomes_full(tmp_path, dtype):
    """Associated colour that is larger than its alpha, which no straight colour gives, is the brightest there is."""
    top = np.iinfo(dtype).max
    stored = np.array([[[200, 100, 50, 100], [1, 2, 0, 1]]], dtype)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extrasamples=["assocalpha"])
    half = top // 2 + 1
    expected = [[[top, top, half, 100], [top, top, 0, 1]]]
    assert read_picture(tmp_path / "a.tif").pixels.tolist() == expected


def test_volumes_are_refused(tmp_path):
    """The planes of a volume are not taken for channels, whatever their number."""
    for planes in (3, 16):
        values = noise(planes, 20, 20)
        tifffile.imwrite(tmp_path / "a.tif", values, volumetric=True, photometric="minisblack")
        with pytest.raises(BackendError, match="Volumes"):
            read_picture(tmp_path / "a.tif")


def test_tiff_resolution_in_centimetres(tmp_path):
    """Pixels per centimetre become pixels per inch."""
    tifffile.imwrite(tmp_path / "a.tif", noise(4, 4, 1)[..., 0], resolution=(100, 50), resolutionunit="centimeter")
    assert read_picture(tmp_path / "a.tif").dpi == pytest.approx((254, 127))


@pytest.mark.parametrize(("ending", "dtype"), [("png", "u2"), ("jpg", "u1"), ("webp", "u1")])
def test_floats_are_brought_down_with_one_rounding(tmp_path, ending, dtype):
    """Floats become the nearest integer of what the format holds, clamped to 0..1."""
    pixels = np.full((8, 8, 3), 0.5, np.float32)
    pixels[0] = 2.0
    write_picture(tmp_path / f"a.{ending}", Picture(pixels))
    again = read_picture(tmp_path / f"a.{ending}").pixels
    assert again.dtype == np.dtype(dtype)
    assert abs(int(again[7, 7, 0]) - np.iinfo(dtype).max / 2) <= (3 if ending == "jpg" else 0.5)


def test_sixteen_bits_are_rounded_not_cut(tmp_path):
    """16 bit to 8 bit goes to the nearest value."""
    pixels = np.array([[[0], [128], [129], [65535 - 128]]], np.uint16)
    write_picture(tmp_path / "a.webp", Picture(pixels))
    assert read_picture(tmp_path / "a.webp").pixels[0, :, 0].tolist() == [0, 0, 1, 255]


def test_jpeg_and_transparency(tmp_path):
    """Transparency is not thrown away silently: JPEG refuses it, but takes an alpha that is opaque anyway."""
    pixels = noise(4, 4, 4)
    assert code_of(write_picture, tmp_path / "a.jpg", Picture(pixels))[0] == "BAD_PARAM"
    pixels[..., 3] = 255
    write_picture(tmp_path / "a.jpg", Picture(pixels))
    assert read_picture(tmp_path / "a.jpg").pixels.shape == (4, 4, 3)


def png_header(width, height, depth=8, colour=2):
    """A PNG that claims a size and holds nothing."""
    return png_file(width, height, depth, colour, bytes(100))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "BAD_PARAM"),
        (b"<!DOCTYPE html><html>", "BAD_PARAM"),
        (b"II*\x00\xff\xff\xff\x7f", "BAD_PARAM"),
        (b"MM\x00*", "BAD_PARAM"),
        (b"\x89PNG\r\n\x1a\n", "BAD_PARAM"),
        (b"\xff\xd8\xff\xe0garbage", "BAD_PARAM"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "BAD_PARAM"),
        (b"GIF89a", "BAD_PARAM"),
        (os.urandom(5000), "BAD_PARAM"),
        (png_header(0, 10), "BAD_PARAM"),
        (png_header(70_000, 10), "TOO_MANY_PIXELS"),
        (png_header(60_000, 60_000), "TOO_MANY_PIXELS"),
        (png_header(60_000, 60_000, 16), "TOO_MANY_PIXELS"),
        (png_header(100, 100), "BAD_PARAM"),
        (png_header(100, 100, 16), "BAD_PARAM"),
    ],
)
def test_what_is_no_picture_gets_a_sentence(tmp_path, content, code):
    """Empty, foreign, damaged and oversized files are refused with their name and one sentence."""
    path = tmp_path / "thing.png"
    path.write_bytes(content)
    got, text = code_of(read_picture, path)
    assert got in (code, "ZERO_SIZE")
    assert text.startswith("thing.png: ")


@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
@pytest.mark.parametrize(
    ("ending", "dtype"), [("png", "u1"), ("png", "u2"), ("jpg", "u1"), ("webp", "u1"), ("tif", "u2")]
)
def test_truncated_files_are_refused(tmp_path, ending, dtype, share):
    """A file that was cut off never becomes a picture that is partly gray."""
    path = tmp_path / f"a.{ending}"
    write_picture(path, Picture(noise(64, 64, 3, dtype)))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert code_of(read_picture, path)[0] == "BAD_PARAM"


def test_files_that_cannot_be_opened(tmp_path):
    """A missing file and a folder are named as such."""
    assert "no such file" in code_of(read_picture, tmp_path / "absent.png")[1]
    assert "folder" in code_of(read_picture, tmp_path)[1]


def test_other_endings_are_refused(tmp_path):
    """An ending that cannot be written is refused before anything is."""
    assert code_of(write_picture, tmp_path / "a.xcf", Picture(noise(2, 2, 3)))[0] == "BAD_PARAM"
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_a_sentence(tmp_path):
    """A folder that is not there is no traceback."""
    assert code_of(write_picture, tmp_path / "absent" / "a.png", Picture(noise(2, 2, 3)))[0] == "BAD_PARAM"


def test_formats_have_their_own_bounds(tmp_path):
    """A side that WebP cannot hold is refused with the way out."""
    code, text = code_of(write_picture, tmp_path / "a.webp", Picture(np.zeros((1, 17_000, 3), np.uint8)))
    assert code == "TOO_MANY_PIXELS"
    assert ".png" in text


@pytest.mark.parametrize("ending", ["png", "tif", "jpg", "webp"])
def test_a_full_disk_leaves_the_old_file(tmp_path, ending):
    """When the disk is full the file that was there stays, and no part of a new one."""
    import resource

    path = tmp_path / f"a.{ending}"
    path.write_bytes(b"old")
    picture = Picture(noise(200, 200, 3))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        code, _ = code_of(write_picture, path, picture)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert code == "DISK_FULL"
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_pillows_own_limit_is_left_as_it_was(tmp_path):
    """Reading does not change what the rest of the process allows."""
    before = Image.MAX_IMAGE_PIXELS
    write_picture(tmp_path / "a.png", Picture(noise(2, 2, 3)))
    read_picture(tmp_path / "a.png")
    assert before == Image.MAX_IMAGE_PIXELS
