"""Runs of the upscale dialog in a GIMP on a screen; the test outside is the person."""

from __future__ import annotations

import time
from typing import Any

from support.gimp_inside import ask, bytes_of, fingerprint, new_image, upscale

WIDTH, HEIGHT = 300, 200


def check_closed(options: dict[str, Any]) -> dict[str, Any]:
    """The person goes away while the preview is being made."""
    return _stopped(run_mode="INTERACTIVE")


def check_cancelled(options: dict[str, Any]) -> dict[str, Any]:
    """The person runs the filter and presses Cancel in the run's own window."""
    return _stopped(run_mode="INTERACTIVE")


def check_killed(options: dict[str, Any]) -> dict[str, Any]:
    """The person presses Cancel at GIMP's own progress of a script's run, which ends the plug-in's process."""
    return _stopped(run_mode="NONINTERACTIVE")


def _stopped(run_mode: str) -> dict[str, Any]:
    """Run the slow model until the person stops it; how that ended, and whether the picture is as it was."""
    from gi.repository import Gimp

    image, layer = new_image(WIDTH, HEIGHT, "RGB", 1)
    display = Gimp.Display.new(image)
    before = fingerprint(image)
    ended = upscale(image, layer, run_mode=getattr(Gimp.RunMode, run_mode), model="slow")
    same = fingerprint(image) == before
    display.delete()
    return {"status": ended.status, "same": same}


def check_previewed(options: dict[str, Any]) -> dict[str, Any]:
    """The person looks around, runs the filter and takes it back."""
    from gi.repository import Gimp

    image, layer = new_image(WIDTH, HEIGHT, "RGB", 1)
    display = Gimp.Display.new(image)
    before = fingerprint(image)
    ended = upscale(image, layer, run_mode=Gimp.RunMode.INTERACTIVE)
    told: dict[str, Any] = {"status": ended.status, "text": ended.text}
    if ended.status == "SUCCESS":
        told["size"] = [ended.layer.get_width(), ended.layer.get_height()]
        told["pixels"] = bytes_of(ended.layer).hex()
        ask(options, "undo")
        told["same"] = _becomes(image, before)
    display.delete()
    return told


def _becomes(image: Any, wanted: dict[str, Any]) -> bool:
    """Whether a picture is soon as wanted: GIMP works on the key while this process goes on."""
    end = time.monotonic() + 15
    while fingerprint(image) != wanted:
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True
