"""A network that only repeats pixels, with jobs for it: everything around a network without its arithmetic."""

from __future__ import annotations

import numpy as np

from bsrgan_backend.engine.engine import Stopped
from bsrgan_backend.models.weights import Architecture
from support.worker_process import NAMES

JOB = "b" * 32


class Repeater:
    """A network that enlarges by repeating pixels and gives its result in uneven strips."""

    def __init__(self, scale=4, channels=3, strips=(1, 7, 2)):
        self.architecture = Architecture(8, 1, 4, channels, channels, scale)
        self.strips = strips
        self.images = []

    def upscale(self, image, sink, *, on_progress, should_stop):
        """As the engine's."""
        self.images.append(image)
        scale = self.architecture.scale
        large = image.repeat(scale, 0).repeat(scale, 1)
        row, index = 0, 0
        while row < large.shape[0]:
            if should_stop():
                raise Stopped
            rows = self.strips[index % len(self.strips)]
            sink(row, large[row : row + rows])
            row, index = row + rows, index + 1
            on_progress(min(row, large.shape[0]), large.shape[0])


def message(block, out_size, **changes):
    """A `run` message for a block of pixels."""
    return {
        "job": JOB,
        "task": "upscale",
        "height": block.shape[0],
        "width": block.shape[1],
        "channels": block.shape[2],
        "dtype": NAMES[block.dtype.name],
        "out_height": out_size[0],
        "out_width": out_size[1],
        "model": "",
        **changes,
    }


def noise(height, width, channels, dtype="u1", seed=0):
    """Random pixels of a type; with alpha, a clear and an opaque stripe."""
    rng = np.random.default_rng(seed)
    top = 1 if dtype[0] == "f" else np.iinfo(dtype).max
    block = (rng.random((height, width, channels)) * top).astype(dtype)
    if channels in (2, 4):
        block[: height // 3, :, -1] = 0
        block[height // 2 :, :, -1] = top
    return block
