"""Results in both GIMPs: pixels of every type and precision, places and sizes, profiles, selections, masks."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from support import gimp_daemon
from support.gimp_checks import cases

INSIDE = "upscale_layers"


@pytest.mark.parametrize("check", cases(INSIDE, "check_pixels"))
def test_pixels(outcome, check):
    """A layer of any type and precision becomes one of the same kind with the daemon's pixels."""
    # Babl chooses among its conversions by speed, so another process may round the last digit differently.
    component = check.split("-")[1].split("_")[0]
    assert outcome.unwrap() <= {"U8": 0, "U16": 1 / 65535, "HALF": 1e-3}.get(component, 1e-6)


@pytest.mark.parametrize("check", cases(INSIDE, "check_for_comparison"))
def test_same_as_command_line(outcome, check, daemon_root, tmp_path):
    """The new layer holds the bytes that the command line writes for the same pixels."""
    told = outcome.unwrap()
    kind, bits = check.split("[")[1].rstrip("]").split("-")
    channels = {"RGB": 3, "RGBA": 4, "GRAY": 1}[kind]
    dtype = np.dtype("<u2" if bits == "16" else "u1")
    source = np.frombuffer(bytes.fromhex(told["source"]), dtype).reshape(23, 37, channels)
    given, written = tmp_path / "given.png", tmp_path / "written.png"
    assert cv2.imwrite(str(given), _reversed_colours(source))
    command = ["upscale", str(given), "-o", str(written), "--scale", "3"]
    gimp_daemon.command_line(daemon_root, command)
    found = _reversed_colours(cv2.imread(str(written), cv2.IMREAD_UNCHANGED)).reshape(69, 111, channels)
    result = np.frombuffer(bytes.fromhex(told["result"]), dtype).reshape(69, 111, channels)
    # GIMP's own conversion rounds 16 bit; 8 bit travel as they are.
    assert np.abs(found.astype(int) - result).max() <= (1 if bits == "16" else 0)


def _reversed_colours(picture):
    """RGB to what OpenCV means by it, and back; gray stays."""
    if picture.ndim == 2 or picture.shape[2] == 1:
        return picture
    return np.ascontiguousarray(picture[..., [2, 1, 0, 3][: picture.shape[2]]])


@pytest.mark.parametrize("check", cases(INSIDE, "check_output"))
def test_outputs(outcome, check):
    """Each output puts the result at its place, in its size, above its source, and names it."""
    name = outcome.unwrap()["name"]
    assert name.startswith("photo #1 (BSRGAN")
    assert name.endswith(")" if "same-size" in check else f"{check[-2]})")


@pytest.mark.parametrize("check", cases(INSIDE, "check_selection"))
def test_selection(outcome):
    """A rectangular selection limits the area and stays where it is in the picture."""
    outcome.unwrap()


@pytest.mark.parametrize("check", cases(INSIDE, "check_shape"))
def test_shapes(outcome):
    """The smallest and thinnest pictures are enlarged like others."""
    outcome.unwrap()


@pytest.mark.parametrize("check", cases(INSIDE, "check_profile"))
def test_profile(outcome):
    """A colour profile is kept, and nothing is converted on the way."""
    outcome.unwrap()


@pytest.mark.parametrize(
    "check",
    [
        "check_round_selection",
        "check_linear_values",
        "check_in_group",
        "check_mask",
        "check_live_filter",
        "check_indexed",
        "check_long_thin",
        "check_last_values",
    ],
)
def test_special_layers(outcome):
    """Round selections, linear values, groups, masks, filters, palettes and thin strips come out right."""
    outcome.unwrap()
