"""Pictures run by rows."""

from __future__ import annotations

import itertools

import numpy as np

from bsrgan_backend.engine.engine import unshuffled
from bsrgan_backend.engine.winograd import run


def noise(height, width, channels=3):
    """A picture of random values."""
    return np.random.default_rng(height * 1000 + width).random((height, width, channels), np.float32)


def planned(kernels, image, threads=2, can_spool=False):
    """The fastest plan with exactly so many threads."""
    factor = kernels.architecture.unshuffle
    size = (-(-image.shape[0] // factor), -(-image.shape[1] // factor))
    plans = run.plans(size, kernels.architecture, threads, kernels.scheme, can_spool=can_spool)
    return next(plan for plan in plans if plan.threads == threads and plan.spooled == can_spool)


def upscaled(kernels, image, plan, runner=None, spool=None, should_stop=lambda: False, on_progress=lambda *_: None):
    """The whole result; strips must come in order."""
    strips = []
    following = itertools.count()

    def take(first, strip):
        assert first == sum(len(each) for each in strips)
        assert strip.flags.c_contiguous
        next(following)
        strips.append(strip)

    values = unshuffled(image, kernels.architecture.unshuffle)
    (runner or run.Runner(kernels)).run(plan, values, image.shape[:2], take, on_progress, should_stop, spool)
    return np.concatenate(strips)


def preview_within(kernels, runner):
    """Let small pictures in while a large one runs; each must give what it gives alone."""
    image, part = noise(260, 300), noise(40, 50)
    alone = upscaled(kernels, part, planned(kernels, part))
    whole = upscaled(kernels, image, planned(kernels, image))
    found = []

    def should_stop():
        if len(found) < 2:
            found.append(upscaled(kernels, part, planned(kernels, part), runner))
        return False

    assert np.array_equal(upscaled(kernels, image, planned(kernels, image), runner, should_stop=should_stop), whole)
    assert len(found) == 2
    assert all(np.array_equal(each, alone) for each in found)
