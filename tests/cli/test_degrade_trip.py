"""`gimp-bsrgan degrade` as a person runs it: there and back through a daemon, all cores, Ctrl-C."""

from __future__ import annotations

import json
import signal
import time

import numpy as np
import pytest

from bsrgan_backend.degradation import loads
from bsrgan_backend.imaging import metrics
from bsrgan_backend.imaging.pictures import read_picture
from support.cli_pictures import picture


def pixels(path) -> np.ndarray:
    """The pixels of a file."""
    return read_picture(path).pixels


def test_there_and_back(installation, tmp_path):
    """--then-upscale writes original, degraded and restored side by side, and measures both against the original."""
    source = picture(tmp_path / "a.png", 18, 25)
    out = tmp_path / "out"
    done = installation("degrade", source, "-d", out, "--seed", "3", "--then-upscale")
    assert (done.returncode, done.stderr) == (0, "")
    original, trip = pixels(source), pixels(out / "a_trip.png")
    assert trip.shape == (18, 75, 3)
    np.testing.assert_array_equal(trip[:, :25], original)
    lq, restored = pixels(out / "a_LQ.png"), pixels(out / "a_LQ_BSRGAN.png")
    np.testing.assert_array_equal(trip[:, 25:50], lq.repeat(4, axis=0).repeat(4, axis=1)[:18, :25])
    np.testing.assert_array_equal(trip[:, 50:], restored[:18, :25])
    first, last = (part.astype(np.float32) / np.float32(255) for part in (original, trip[:, 50:]))
    (line,) = done.stdout.splitlines()
    assert line.startswith("a  degraded: PSNR ")
    assert f"restored: PSNR {metrics.psnr(first, last):.2f} dB, SSIM {metrics.ssim(first, last):.4f}  (tiny)" in line


@pytest.mark.parametrize(
    ("options", "size"),
    [(["--same-size", "bicubic"], (20, 20)), (["--preset", "web-jpeg"], (20, 20)), (["--patch", "16"], (16, 16))],
)
def test_there_and_back_at_any_size(installation, tmp_path, options, size):
    """Whatever size a degradation makes, also of gray with alpha, the way back ends at the size of the original."""
    source = picture(tmp_path / "a.png", 20, 20, 2, "uint16")
    done = installation("degrade", source, "-d", tmp_path / "out", "--then-upscale", "--json", *options)
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)["results"]
    assert pixels(tmp_path / "out" / result["trip"]).shape == (size[0], 3 * size[1], 2)
    assert result["model"] == "tiny"
    assert 0 < result["restored"]["psnr"] < 100
    assert result["restored"]["ssim"] < 1


def test_a_model_that_is_not_there_ends_the_way_back(installation, tmp_path):
    """The degraded picture is written all the same, and the model's absence is one sentence."""
    source = picture(tmp_path / "a.png")
    done = installation("degrade", source, "-d", tmp_path / "out", "--then-upscale", "--model", "none")
    assert done.returncode == 1
    assert "not installed" in done.stderr
    assert (tmp_path / "out" / "a_LQ.png").exists()


def test_ctrl_c_leaves_whole_files(bare, tmp_path):
    """Ctrl-C ends all processes with one sentence; every file is whole, and recipes.jsonl lists what was told."""
    source = picture(tmp_path / "a.png", 200, 200)
    out = tmp_path / "out"
    process = bare.start("degrade", source, "-d", out, "--count", "3000", "--processes", "2")
    while not len(list(out.glob("*_LQ.png"))) > 20:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr) == (130, "", "gimp-bsrgan: Stopped.\n")
    written = {path.name for path in out.iterdir()}
    assert not any(name.endswith(".part") for name in written)
    for path in out.glob("*_LQ.png"):
        read_picture(path)
    lines = (out / "recipes.jsonl").read_text().splitlines()
    assert {json.loads(line)["file"] for line in lines} < written
    assert all(loads(line) for line in lines)


def test_no_daemon_is_started(bare, tmp_path):
    """Without --then-upscale no daemon is needed or started, and nothing is put below the installation's folder."""
    assert bare("degrade", picture(tmp_path / "a.png"), "-d", tmp_path / "out", "--count", "2").returncode == 0
    assert not bare.root.exists()
