"""`gimp-bsrgan upscale` through a real daemon with a tiny network."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from bsrgan_backend.imaging.pictures import read_picture
from support.cli_pictures import picture


def names(folder: Path) -> set[str]:
    """What is in a folder, hidden files included."""
    return {path.name for path in folder.iterdir()}


def test_a_picture_becomes_four_times_as_large(installation, photo, tmp_path):
    """Without --scale the model's own scale counts; nothing is printed where no terminal is."""
    done = installation("upscale", photo, "-o", tmp_path / "out.png")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert read_picture(tmp_path / "out.png").pixels.shape == (36, 48, 3)


@pytest.mark.parametrize(
    ("scale", "size"), [(1, (9, 12)), (2, (18, 24)), (0.5, (5, 6)), (2.75, (25, 33)), (16, (144, 192))]
)
def test_scale_says_the_size(installation, photo, tmp_path, scale, size):
    """--scale gives exactly that many times the size, whatever the model's own scale."""
    assert installation("upscale", photo, "-o", tmp_path / "out.png", "--scale", str(scale)).returncode == 0
    assert read_picture(tmp_path / "out.png").pixels.shape[:2] == size


@pytest.mark.parametrize(
    ("wanted", "size"), [("30x20", (20, 30)), ("30x", (23, 30)), ("x30", (30, 40)), ("190x9", (9, 190))]
)
def test_size_says_the_size(installation, photo, tmp_path, wanted, size):
    """--size gives that width and height; one alone keeps the proportions."""
    assert installation("upscale", photo, "-o", tmp_path / "out.png", "--size", wanted).returncode == 0
    assert read_picture(tmp_path / "out.png").pixels.shape[:2] == size


def test_a_size_out_of_range_is_one_sentence(installation, photo, tmp_path):
    """More than 16 times or less than a quarter of a side is refused with the range."""
    done = installation("upscale", photo, "-o", tmp_path / "out.png", "--size", "400x9")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "0.25 to 16" in line


def test_options_reach_the_job(installation, tmp_path):
    """Strength and alpha change the result as they say; texture of noise and the engine's options do not."""
    source = picture(tmp_path / "a.png", height=40, width=40, channels=4)

    def result(*options):
        done = installation("upscale", source, "-o", tmp_path / "out.png", "--scale", "2", *options)
        assert (done.returncode, done.stderr) == (0, "")
        return read_picture(tmp_path / "out.png").pixels

    usual = result()
    plain, half = result("--strength", "0"), result("--strength", "50")
    mean = 0.5 * plain[..., :3] + 0.5 * usual[..., :3]
    inside = (plain[..., :3] % 255 > 0) & (usual[..., :3] % 255 > 0)
    assert np.abs(half[..., :3] - mean)[inside].max() <= 1
    assert np.abs(plain[..., :3] - mean)[inside].max() > 5
    # The picture is noise, which is no texture.
    np.testing.assert_array_equal(result("--keep-texture", "100"), usual)
    kernel = result("--alpha", "kernel")
    assert (kernel[..., 3] != usual[..., 3]).any()
    np.testing.assert_array_equal(kernel[..., :3], usual[..., :3])
    exact = result("--precision", "exact")
    np.testing.assert_array_equal(result("--precision", "exact", "--tile", "32", "--memory", "2G"), exact)


def test_another_model_brings_its_own_scale(installation, photo, tmp_path):
    """--model takes an installed model, whose scale is the default then."""
    assert installation("upscale", photo, "-o", tmp_path / "out.png", "--model", "tiny-x2").returncode == 0
    assert read_picture(tmp_path / "out.png").pixels.shape[:2] == (18, 24)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("name", "dtype", "result"),
    [
        ("a.png", "uint8", "a_BSRGAN.png"),
        ("a.png", "uint16", "a_BSRGAN.png"),
        ("a.tif", "uint16", "a_BSRGAN.png"),
        ("a.tif", "float32", "a_BSRGAN.tif"),
    ],
)
def test_depth_and_channels_stay(installation, tmp_path, channels, name, dtype, result):
    """8, 16 and 32 bit, gray and colour, with and without alpha come out as they went in."""
    source = picture(tmp_path / name, channels=channels, dtype=dtype)
    done = installation("upscale", source, "-d", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert names(tmp_path / "out") == {result}
    pixels = read_picture(tmp_path / "out" / result).pixels
    assert pixels.shape == (36, 48, channels)
    assert pixels.dtype == dtype


def test_profile_exif_and_orientation_are_kept(installation, tmp_path):
    """A turned JPEG comes out upright, with its colour profile, Exif and size on paper."""
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Camera"
    pixels = np.full((8, 16, 3), 99, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.jpg", icc_profile=icc, exif=exif, dpi=(300, 300))
    assert installation("upscale", tmp_path / "a.jpg", "-o", tmp_path / "b.png").returncode == 0
    with Image.open(tmp_path / "b.png") as result:
        assert result.size == (32, 64)
        assert result.info["icc_profile"] == icc
        assert result.getexif()[0x010F] == "Camera"
        assert result.info["dpi"] == pytest.approx((1200, 1200), rel=1e-4)
        assert result.getexif().get(0x0112, 1) == 1


def test_a_folder_with_a_bad_file_is_finished(installation, tmp_path):
    """Of a folder every good picture is done, each bad one is one sentence, and the status is 1."""
    folder = tmp_path / "in"
    folder.mkdir()
    picture(folder / "a.png")
    (folder / "b.png").write_bytes(b"<html>no picture</html>")
    (folder / "c.jpg").write_bytes(b"")
    picture(folder / "d.tif", dtype="uint16")
    done = installation("upscale", folder, "-d", tmp_path / "out")
    assert done.returncode == 1
    assert names(tmp_path / "out") == {"a_BSRGAN.png", "d_BSRGAN.png"}
    first, second = done.stderr.splitlines()
    assert first.startswith("b.png: ")
    assert second.startswith("c.jpg: ")


def test_files_and_folders_may_be_mixed(installation, tmp_path, photo):
    """Several inputs, files and folders, go into one folder."""
    folder = tmp_path / "in"
    folder.mkdir()
    picture(folder / "x.png")
    assert installation("upscale", photo, folder, "-d", tmp_path / "new/out").returncode == 0
    assert names(tmp_path / "new/out") == {"photo_BSRGAN.png", "x_BSRGAN.png"}


def test_a_missing_file_is_one_sentence(installation, tmp_path):
    """A file that is not there is named in one sentence."""
    done = installation("upscale", tmp_path / "nowhere.png", "-o", tmp_path / "x.png")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "nowhere.png" in line
    assert not (tmp_path / "x.png").exists()


def test_a_model_that_is_not_installed_ends_the_batch(installation, tmp_path, photo):
    """What every picture would meet is told once, with what to do."""
    sentence = installation.fails(
        "upscale", photo, picture(tmp_path / "b.png"), "-d", tmp_path / "out", "--model", "none"
    )
    assert "none" in sentence
    assert "not installed" in sentence


def test_an_unwritable_ending_is_one_sentence(installation, tmp_path, photo):
    """An ending that cannot be written is said, and nothing is left behind."""
    done = installation("upscale", photo, "-o", tmp_path / "out.xyz")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert names(tmp_path) == {"photo.png"}


def test_a_missing_folder_is_told_before_work(installation, tmp_path, photo):
    """With -o the folder must exist; this is said at once."""
    assert "does not exist" in installation.fails("upscale", photo, "-o", tmp_path / "no/x.png")


@pytest.mark.parametrize(
    "arguments",
    [
        ["upscale"],
        ["upscale", "a.png"],
        ["upscale", "a.png", "-o", "b.png", "-d", "c"],
        ["upscale", "a.png", "b.png", "-o", "c.png"],
        ["upscale", "a.png", "-o", "b.png", "--scale", "17"],
        ["upscale", "a.png", "-o", "b.png", "--scale", "0.2"],
        ["upscale", "a.png", "-o", "b.png", "--scale", "nan"],
        ["upscale", "a.png", "-o", "b.png", "--scale", "2", "--size", "10x10"],
        ["upscale", "a.png", "-o", "b.png", "--size", "x"],
        ["upscale", "a.png", "-o", "b.png", "--size", "0x10"],
        ["upscale", "a.png", "-o", "b.png", "--strength", "101"],
        ["upscale", "a.png", "-o", "b.png", "--keep-texture", "-1"],
        ["upscale", "a.png", "-o", "b.png", "--alpha", "magic"],
        ["upscale", "a.png", "-o", "b.png", "--precision", "double"],
        ["upscale", "a.png", "-o", "b.png", "--tile", "1.5"],
        ["upscale", "a.png", "-o", "b.png", "--memory", "much"],
        ["upscale", "a.png", "-o", "b.png", "--scale", "two"],
        ["upscale", "a.png", "-o", "b.png", "--device", "tpu"],
        ["upscale", "a.png", "-o", "b.png", "--frob"],
        ["frobnicate"],
        [],
    ],
)
def test_wrong_usage_is_status_2(bare, arguments):
    """Arguments that make no sense are status 2, say so on stderr, and start no daemon."""
    done = bare(*arguments)
    assert done.returncode == 2
    assert done.stderr
    assert "Traceback" not in done.stderr
    assert not (bare.root / "state").exists()


def test_a_full_disk_leaves_nothing_behind(installation, tmp_path, photo):
    """When the result does not fit, one sentence says so and no part of a file stays."""
    # The limit on file sizes stands in for a full disk; the daemon runs already, outside of it.
    assert installation("upscale", photo, "-o", tmp_path / "first.png").returncode == 0
    command = installation.start("upscale", picture(tmp_path / "big.png", 64, 64), "-o", tmp_path / "x.png")
    resource.prlimit(command.pid, resource.RLIMIT_FSIZE, (1000, 1000))
    out, err = command.communicate(timeout=120)
    assert (command.returncode, out) == (1, "")
    (line,) = err.splitlines()
    assert "full" in line
    assert names(tmp_path) == {"photo.png", "first.png", "big.png"}


def test_ctrl_c_cancels_the_job(installation, tmp_path):
    """Ctrl-C ends the command soon and quietly, the daemon drops the job, and nothing is written."""
    big = picture(tmp_path / "big.png", 1500, 1500)
    command = installation.start("upscale", big, "-o", tmp_path / "out.png")
    for _ in range(600):
        if '"running": 1' in installation("status", "--json").stdout:
            break
        assert command.poll() is None, command.communicate()
        time.sleep(0.05)
    os.killpg(command.pid, signal.SIGINT)
    out, err = command.communicate(timeout=60)
    assert (command.returncode, out, err.strip()) == (130, "", "gimp-bsrgan: Stopped.")
    assert names(tmp_path) == {"big.png"}
    for _ in range(100):
        told = installation("status", "--json").stdout
        if '"running": 0' in told and '"queue": 0' in told:
            return
        time.sleep(0.1)
    pytest.fail(told)


def test_two_commands_share_one_daemon(installation, tmp_path):
    """Commands that start at once use the same daemon and both succeed."""
    pictures = [picture(tmp_path / "a.png"), picture(tmp_path / "b.png")]
    started = [installation.start("upscale", source, "-d", tmp_path / "out") for source in pictures]
    for command in started:
        _, err = command.communicate(timeout=240)
        assert command.returncode == 0, err
    assert names(tmp_path / "out") == {"a_BSRGAN.png", "b_BSRGAN.png"}
