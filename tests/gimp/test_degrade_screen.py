"""A person at the screen with the degradation's dialog: live preview, seed, divider, run, round trip, Cancel.

GIMP_BSRGAN_SCREENSHOTS=folder python3 tests/run.py tests/gimp/test_degrade_screen.py
"""

from __future__ import annotations

import json
import random

import cv2
import numpy as np

from support import gimp_checks, gimp_daemon
from support.gimp_screen import full_gimp

TITLE = "^BSRGAN Degradation Preview$"
WIDTH, HEIGHT = 300, 200
ORIGINAL = np.frombuffer(random.Random(1).randbytes(WIDTH * HEIGHT * 3), np.uint8).reshape(HEIGHT, WIDTH, 3)
"""What `new_image` fills its layer with."""


def shown(path):
    """The screen in a file as (H, W, 3) uint8 RGB."""
    return np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])


def place_of(part, screen):
    """Where a part of a picture is on the screen to the last bit: x, y of its upper left corner."""
    found = cv2.matchTemplate(screen, part, cv2.TM_SQDIFF)
    y, x = np.unravel_index(int(found.argmin()), found.shape)
    assert np.array_equal(screen[y : y + part.shape[0], x : x + part.shape[1]], part)
    return int(x), int(y)


def test_dialog(cancellable_gimp, cancellable, tmp_path):
    """The preview shows the pixels of the result, follows seed and divider, and Cancel leaves the picture alone."""
    names = ["check_cancelled", "check_restored"]
    batch = cancellable_gimp.batch(gimp_checks.path("degrade_dialog"), names)
    with full_gimp(cancellable_gimp, shots=tmp_path, batch=batch) as screen:
        log = cancellable_gimp.base / "screen.log"
        dialog = screen.wait_window(TITLE)
        screen.wait(lambda: "Result: 1200" in screen.read(dialog), "the preview")
        screen.keys("alt+o")
        screen.wait(lambda: bool(gimp_daemon.status(cancellable)["model"]), "the network")
        screen.wait_text("^BSRGAN Degradation$", "Upscaling")
        screen.shot("d1-progress")
        screen.keys("Escape")
        screen.wait(lambda: batch.outcomes(log)[names[0]].state == "passed", "the end of the first run")
        dialog = screen.wait_window(TITLE)
        screen.wait(lambda: "Result: 300" in screen.read(dialog), "the preview")
        screen.keys("alt+e", "ctrl+a")
        screen.type("4321\t")
        screen.wait(lambda: "seed 4321" in screen.read(dialog), "the preview of the new seed")
        screen.park_pointer()
        before = shown(screen.shot("d2-dialog"))
        x, y = place_of(ORIGINAL[20:60, 20:100], before)
        left, top = x - 20, y - 20
        # From the middle of the picture to the right, which uncovers more of the original.
        screen.drag((left + WIDTH // 2, top + 50), (left + 240, top + 70))
        screen.park_pointer()
        after = shown(screen.shot("d3-divider"))
        screen.activate(dialog)
        screen.keys("alt+o")
        screen.wait(lambda: batch.outcomes(log)[names[1]].state == "passed", "the end of the second run", 90)
        outcomes = batch.outcomes(log)
        assert "Traceback" not in screen.log()
        assert "bsrgan" not in screen.log().lower()
    cancelled, done = (outcomes[name].unwrap() for name in names)
    assert (cancelled["status"], cancelled["same"]) == ("CANCEL", True)
    assert (done["status"], done["layers"], done["restored"]) == ("SUCCESS", 3, True), done["text"]
    assert json.loads(done["recipe"])["request"]["seed"] == 4321
    degraded = np.frombuffer(bytes.fromhex(done["degraded"]), np.uint8).reshape(HEIGHT, WIDTH, 3)
    seen = before[top : top + HEIGHT, left : left + WIDTH]
    moved = after[top : top + HEIGHT, left : left + WIDTH]
    assert np.array_equal(seen[:, :147], ORIGINAL[:, :147])
    assert np.array_equal(seen[:, 153:], degraded[:, 153:])
    assert np.array_equal(moved[:, :237], ORIGINAL[:, :237])
    assert np.array_equal(moved[:, 243:], degraded[:, 243:])
