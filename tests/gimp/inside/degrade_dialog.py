"""Runs of the degradation's dialog in a GIMP on a screen; the test outside is the person."""

from __future__ import annotations

from typing import Any

from support.gimp_inside import bytes_of, degrade, fingerprint, new_image

WIDTH, HEIGHT = 300, 200
LARGER = 4
"""A picture so many times as large keeps the network long enough to be cancelled."""


def opened(times: int = 1, **arguments: Any) -> dict[str, Any]:
    """Run the filter with its dialog; what it made, and whether the picture is as it was."""
    from gi.repository import Gimp

    image, layer = new_image(WIDTH * times, HEIGHT * times, "RGB", 1)
    display = Gimp.Display.new(image)
    before, original = fingerprint(image), bytes_of(layer)
    ended = degrade(image, layer, run_mode=Gimp.RunMode.INTERACTIVE, **arguments)
    same = fingerprint(image) == before
    told = {"status": ended.status, "text": ended.text, "same": same, "original": original.hex()}
    if ended.status == "SUCCESS":
        told |= {
            "degraded": bytes_of(ended.layer).hex(),
            "recipe": ended.more[1],
            "restored": ended.more[0] is not None,
        }
        told["layers"] = len(image.get_layers())
    display.delete()
    return told


def check_cancelled(options: dict[str, Any]) -> dict[str, Any]:
    """The person ends the run while the network works."""
    return opened(LARGER, model="slow")


def check_restored(options: dict[str, Any]) -> dict[str, Any]:
    """The person lets it restore what was degraded."""
    return opened()
