"""Degradations in both GIMPs: pixels as from the command line, types, places, recipes, the round trip."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from support import gimp_daemon
from support.gimp_checks import cases

INSIDE = "degrade"
ARGUMENTS = {
    "bsrgan": ["--mode", "bsrgan", "--seed", "7"],
    "plus": ["--mode", "bsrgan-plus", "--seed", "3", "--scale", "2", "--strength", "0.5"],
    "preset": ["--preset", "old-dvd-frame", "--seed", "5", "--off", "noise"],
}


@pytest.mark.parametrize("check", cases(INSIDE, "check_type"))
def test_types(outcome):
    """Layers of any type and precision become one of the same kind and size, the same for the same seed."""
    outcome.unwrap()


@pytest.mark.parametrize("check", cases(INSIDE, "check_for_comparison"))
@pytest.mark.parametrize("output", ["same", "small"])
def test_same_as_command_line(outcome, check, output, daemon_root, tmp_path):
    """For the same seed the layer holds the bytes that the command line writes."""
    told = outcome.unwrap()
    source = np.frombuffer(bytes.fromhex(told["source"]), np.uint8).reshape(41, 53, 3)
    given = tmp_path / "given.png"
    assert cv2.imwrite(str(given), source[..., ::-1])
    way_back = ["--same-size", "nearest"] if output == "same" else []
    arguments = ARGUMENTS[check.split("[")[1].rstrip("]")]
    gimp_daemon.command_line(daemon_root, ["degrade", str(given), "-d", str(tmp_path / "made"), *arguments, *way_back])
    written = [cv2.imread(str(path)) for path in (tmp_path / "made").glob("*.png")]
    assert len(written) == 1
    assert written[0][..., ::-1].tobytes() == bytes.fromhex(told[output])
    if output == "small":
        assert list(written[0].shape[1::-1]) == told["size"]


@pytest.mark.parametrize(
    "check",
    [
        "check_new_image",
        "check_replay",
        "check_manual",
        "check_switches",
        "check_selection",
        "check_indexed",
        "check_last_values",
    ],
)
def test_degradations(outcome):
    """New pictures, recipes used again, own steps, switches, selections, palettes come out right."""
    outcome.unwrap()


@pytest.mark.parametrize("check", ["check_round_trip"])
def test_round_trip(outcome):
    """Degrading and restoring makes two layers, and the PSNR that GIMP works out is that of the bytes."""
    told = outcome.unwrap()
    original, degraded = (np.frombuffer(bytes.fromhex(told[name]), np.uint8) for name in ("original", "degraded"))
    error = np.mean((original.astype(float) - degraded) ** 2)
    assert told["psnr"][0] == pytest.approx(10 * np.log10(255**2 / error), abs=0.02)
    assert told["psnr"][1] == 999.0


@pytest.mark.parametrize(
    ("check", "status", "word"),
    [
        ("check_refused[mode]", "EXECUTION_ERROR", "bsrgan-plus"),
        ("check_refused[no-json]", "CALLING_ERROR", "JSON"),
        ("check_refused[no-recipe]", "CALLING_ERROR", "recipe"),
        ("check_refused[no-steps]", "EXECUTION_ERROR", "steps"),
        ("check_refused[restored-elsewhere]", "CALLING_ERROR", "same size"),
        ("check_refused[no-model]", "EXECUTION_ERROR", "model"),
    ],
)
def test_refused(outcome, status, word):
    """Wrong arguments end in one sentence and change nothing."""
    ended = outcome.unwrap()
    assert ended["status"] == status, ended["text"]
    assert word in ended["text"]
    assert ended["text"].endswith(".")
    assert "\n" not in ended["text"]
    assert "Traceback" not in outcome.log
