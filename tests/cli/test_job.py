"""What the command line asks of the daemon."""

from __future__ import annotations

import numpy as np
import pytest

from bsrgan_backend.cli import upscale
from bsrgan_backend.cli.batch import Item
from bsrgan_backend.cli.commands import parser
from bsrgan_backend.cli.job import Wanted, check_size, prepare
from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging.pictures import Picture, write_picture
from support.cli_pictures import picture


@pytest.mark.parametrize(
    ("wanted", "size"),
    [
        (Wanted(2.0), (200, 100)),
        (Wanted(0.25), (25, 13)),
        (Wanted(width=75), (150, 75)),
        (Wanted(height=33), (33, 17)),
        (Wanted(width=10, height=99), (99, 10)),
        (Wanted(height=1), (1, 1)),
    ],
)
def test_sizes_follow_what_was_asked(wanted, size):
    """A scale, a side or both become a size; halves round up and nothing becomes 0."""
    assert wanted.size_of(100, 50, "any") == size


@pytest.mark.parametrize(
    ("out_size", "code"), [((70000, 5), "TOO_MANY_PIXELS"), ((1700, 50), "BAD_PARAM"), ((100, 10), "BAD_PARAM")]
)
def test_impossible_sizes_are_refused_before_anything_is_sent(out_size, code):
    """Too large and out of the range of factors have their codes."""
    with pytest.raises(BackendError) as caught:
        check_size((100, 50), out_size)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("name", "scale", "code", "words"),
    [
        ("x.webp", 16.0, "TOO_MANY_PIXELS", "16383"),
        ("x.jpg", 16.0, "BAD_PARAM", "transparency"),
        ("folder.png", 2.0, "BAD_PARAM", "cannot be written"),
        (f"{'x' * 250}.png", 2.0, "BAD_PARAM", "cannot be written"),
    ],
)
def test_a_result_that_cannot_be_written_is_refused_before_anything_is_sent(tmp_path, name, scale, code, words):
    """What the format cannot hold and a place that cannot be written are told while the picture is prepared."""
    source = picture(tmp_path / "a.png", 1, 1100, 4)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(BackendError, match=words) as caught:
        prepare(Item(source, tmp_path / name, is_named=True), "", scale, "auto")
    assert caught.value.code == code
    assert caught.value.text.startswith(f"{name}: ")
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "folder.png"}


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_alpha_without_transparency_may_become_a_jpeg(tmp_path, dtype):
    """Only what would be lost is refused: alpha that is opaque in 8 bits is none, and the old result stays."""
    pixels = np.ones((3, 4, 4), np.float32)
    pixels[..., 3] = 0.9999
    if dtype != "float32":
        pixels = np.rint(pixels * np.iinfo(dtype).max).astype(dtype)
    write_picture(tmp_path / "a.tif", Picture(pixels))
    (tmp_path / "x.jpg").write_bytes(b"old")
    prepare(Item(tmp_path / "a.tif", tmp_path / "x.jpg", is_named=True), "", 2.0, "auto")
    assert (tmp_path / "x.jpg").read_bytes() == b"old"


@pytest.mark.parametrize("command", ["upscale", "degrade"])
def test_damaged_tiffs_are_one_sentence(bare, tmp_path, command):
    """What the reader of TIFF logs is not shown beside the sentence."""
    (tmp_path / "a.tif").write_bytes(b"II*\x00" + bytes(8))
    done = bare(command, tmp_path / "a.tif", "-d", tmp_path / "out")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def params(*options):
    """The params of a command line."""
    return upscale._params(parser().parse_args(["upscale", "a.png", "-o", "b.png", *options]))


def test_only_what_was_given_is_sent():
    """Without options nothing is sent, so the daemon's settings count; with them their values are."""
    assert params() == {}
    given = params("--strength", "30", "--keep-texture", "12.5", "--alpha", "kernel", "--tile", "0")
    assert given == {"strength": 30, "texture": 12.5, "alpha": "kernel", "tile": 0}


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("4G", 4 << 30),
        ("1.5g", 3 << 29),
        ("800M", 800 << 20),
        ("1024k", 1 << 20),
        ("0", 0),
        ("0G", 0),
    ],
)
def test_memory_takes_units(text, amount):
    """Memory is given with a unit of 1024."""
    assert params("--memory", text, "--precision", "fast") == {"memory": amount, "precision": "fast"}


@pytest.mark.parametrize("text", ["0.5", "1", "4", "0.001K", "5000", "1023.999K", "0.999M"])
def test_amounts_without_their_unit_are_refused(capsys, text):
    """Less than any picture takes is wrong usage, and what rounds to 0 bytes is not taken for no limit."""
    with pytest.raises(SystemExit) as ended:
        params("--memory", text)
    assert ended.value.code == 2
    assert f"'{text}' is less than 1M; write an amount such as 800M or 4G" in capsys.readouterr().err
