"""A person at the screen with the upscale dialog: pick a spot, drag the divider, move a slider, run, undo, cancel.

GIMP_BSRGAN_SCREENSHOTS=folder python3 tests/run.py tests/gimp/test_upscale_screen.py
"""

from __future__ import annotations

import cv2
import numpy as np

from support import gimp_checks, gimp_daemon
from support.gimp_screen import full_gimp

TITLE = "^BSRGAN Upscale$"
DONE = "shows what the run"
SIDE_PX = 480
"""Of the view, as long as nobody enlarges the dialog; it may be higher where the column beside it is."""
FRAME_PX = 4
"""The frame of a view that has the focus is no thicker."""
WIDTH, HEIGHT = 1200, 800
"""Of the result; the view shows a part of it at its own size."""
THUMBNAIL = (32, 45)
"""A place near the thumbnail's upper left corner, from the view's upper right one, px."""
GIMPS_CANCEL = (1000, 873)
"""A place on the button in the status bar of GIMP's window, while it shows a progress."""
RING_PX = 4
"""Width of what shows that the view has the keys, along its edges."""
LEFT_PX, TOP_PX = 120, 0
"""The view's first pixel after a click there and one step to the right."""


CHECKS = ["check_closed", "check_cancelled", "check_killed", "check_previewed"]


def shown(path):
    """The screen in a file as (H, W, 3) int16 RGB."""
    return np.ascontiguousarray(cv2.imread(str(path))[..., ::-1]).astype(np.int16)


def view_of(screen):
    """Where the view is, found by its divider: x, y of the view's upper left corner when the divider is half way."""
    white = (screen == 255).all(2)
    x = int(white.sum(0).argmax())
    rows = np.flatnonzero(white[:, x])
    ends = np.flatnonzero(np.diff(rows, append=rows[-1] + 2) > 1)
    lengths = np.diff(ends, prepend=-1)
    longest = int(lengths.argmax())
    assert lengths[longest] >= SIDE_PX
    return x + 1 - SIDE_PX // 2, int(rows[ends[longest]]) + 1 - int(lengths[longest])


def is_idle(root):
    """Whether the daemon has nothing to do."""
    told = gimp_daemon.status(root)
    return not told["running"] and not told["queue"]


def wait_network(screen, root):
    """Wait until the slow network runs: it is loaded when its name is told."""

    def runs():
        told = gimp_daemon.status(root)
        return told["model"] == gimp_daemon.SLOW and told["running"] and not told["queue"]

    screen.wait(runs, "the network")


def wait_idle(screen, root):
    """Wait until the daemon has stopped what was cancelled."""
    screen.wait(lambda: is_idle(root), "the end of the job")


def test_dialog(cancellable_gimp, cancellable, tmp_path):
    """Whoever cancels, and how, finds the picture as it was; else the result is what the preview showed; one undo."""
    batch = cancellable_gimp.batch(gimp_checks.path("upscale_dialog"), CHECKS)
    with full_gimp(cancellable_gimp, shots=tmp_path, batch=batch) as screen:
        log_file = cancellable_gimp.base / "screen.log"
        dialog = screen.wait_window(TITLE)
        wait_network(screen, cancellable)
        screen.keys("Escape")
        screen.wait_gone(dialog)
        # The run's network works only after that of the preview has been stopped.
        dialog = screen.wait_window(TITLE)
        screen.keys("alt+u")
        screen.wait_gone(dialog)
        screen.wait_text(TITLE, "Upscaling")
        screen.keys("alt+c")
        screen.wait(lambda: batch.outcomes(log_file)["check_cancelled"].state == "passed", "the end of the run")
        wait_network(screen, cancellable)
        screen.shot("u0-gimps-progress")
        screen.click(*GIMPS_CANCEL)
        wait_idle(screen, cancellable)
        dialog = screen.wait_window(TITLE)
        screen.wait(lambda: DONE in screen.read(dialog), "the preview")
        screen.park_pointer()
        left, top = view_of(shown(screen.shot("u1-dialog")))
        screen.click(left + SIDE_PX + THUMBNAIL[0], top + THUMBNAIL[1])
        screen.keys("Right")
        screen.wait(lambda: DONE in screen.read(dialog) and is_idle(cancellable), "the preview of the corner")
        done = gimp_daemon.status(cancellable)["jobs_done"]
        screen.keys("alt+g", "ctrl+a")
        screen.type("60\t")
        screen.drag((left + SIDE_PX // 2, top + 300), (left + 100, top + 310))
        screen.park_pointer()
        corner = shown(screen.shot("u2-corner"))
        assert gimp_daemon.status(cancellable)["jobs_done"] == done
        screen.activate(dialog)
        screen.keys("alt+u")
        outcomes = screen.finish(batch, {"undo": ["ctrl+z"]}, deadline_s=60)
        log = screen.log()
    for name in ("check_closed", "check_cancelled"):
        assert outcomes[name].unwrap() == {"status": "CANCEL", "same": True}
    killed = outcomes["check_killed"].unwrap()
    assert (killed["status"] != "SUCCESS", killed["same"]) == (True, True)
    told = outcomes["check_previewed"].unwrap()
    assert (told["status"], told["size"], told["same"]) == ("SUCCESS", [WIDTH, HEIGHT], True), told["text"]
    assert "Traceback" not in log
    assert "bsrgan" not in log.lower()
    result = np.frombuffer(bytes.fromhex(told["pixels"]), np.uint8).reshape(HEIGHT, WIDTH, 3).astype(np.int16)
    inside = slice(FRAME_PX, SIDE_PX - FRAME_PX), slice(103, SIDE_PX - FRAME_PX)
    seen = corner[top : top + SIDE_PX, left : left + SIDE_PX][inside]
    wanted = result[TOP_PX : TOP_PX + SIDE_PX, LEFT_PX : LEFT_PX + SIDE_PX][inside]
    assert np.abs(seen - wanted).max() <= 1
