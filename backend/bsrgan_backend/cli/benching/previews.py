"""What daemon and wire add to a preview: three pictures of a part, as the dialog asks for them at every change."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bsrgan_backend.cli.benching import overheads
from bsrgan_backend.cli.benching.claims import Claim
from bsrgan_backend.cli.benching.pictures import Bytes
from bsrgan_wire.client import Client
from bsrgan_wire.preview import Place, Rectangle

SIDE_PX = 128
PICTURE_PX = 512
OVERHEAD_MS = 15.0
_WARM_UP = 1
_LEAST_RUNS = 5
"""Milliseconds beside seconds of network: a few more runs, for what else the machine does in them."""

Show = Callable[[str], None]


def measure(client: Client, model: str, scale: int, picture: Bytes, runs: int, show: Show) -> list[Claim]:
    """Preview the middle of a picture: 128 x 128 pixels as the result has them, and as the picture has them.

    Args:
        client: of a daemon.
        model: id of an installed model.
        scale: of the model.
        picture: (H, W, 3), larger than the preview.
        runs: previews of each kind, after the first ones; never fewer than five.
        show: given a line of progress.
    """
    sides = {"of the result": SIDE_PX, "of the picture": SIDE_PX * scale}
    repeats = overheads.Repeats(max(runs, _LEAST_RUNS), _WARM_UP, show)
    return [_claim(client, model, _place(picture, scale, side), picture, of, repeats) for of, side in sides.items()]


def _place(picture: Bytes, scale: int, side: int) -> Place:
    """A square of the result, in its middle, and the part of the picture that it needs."""
    height, width = picture.shape[:2]
    result = width * scale, height * scale
    left, top = ((length - side) // 2 for length in result)
    return Place.around((width, height), result, Rectangle(left, top, side, side))


def _claim(client: Client, model: str, place: Place, picture: Bytes, of: str, repeats: overheads.Repeats) -> Claim:
    part = place.part
    pixels = np.ascontiguousarray(picture[part.top : part.bottom, part.left : part.right])
    name = f"preview of {SIDE_PX} x {SIDE_PX} px {of}, on top of the engine"
    claim = Claim(name, None, "ms", OVERHEAD_MS, note=f"{part.width} x {part.height} px sent; the engine")
    return overheads.on_top(claim, client, place.request(3, "u8", model=model), pixels, repeats)
