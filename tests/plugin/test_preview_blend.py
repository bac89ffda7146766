"""The sliders on a preview's three pictures: exact whatever the bytes, and the daemon's own result."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsrgan_backend.imaging import strength, texture
from bsrgan_backend.imaging.pixels import PixelFormat, join
from bsrgan_backend.worker import jobs
from bsrgan_plugin.preview_blend import mix, weights
from bsrgan_wire.preview import Place, Rectangle
from support import job_runs
from support.preview_runs import previewed
from support.repeating_network import Repeater, message

shares = st.floats(0.0, 1.0)


class Network(Repeater):
    """The repeating network as a worker holds it."""

    notes = ()


def exact(pictures, strength, keep):
    """The formula in floating point."""
    network, textured, base = (np.frombuffer(picture, np.uint8).astype(np.float64) for picture in pictures)
    return (1 - strength) * base + strength * ((1 - keep) * network + keep * textured)


@settings(deadline=None, max_examples=60)
@given(
    length=st.one_of(st.integers(1, 9), st.integers(65534, 65540)),
    seed=st.integers(0, 99),
    strength=shares,
    keep=shares,
)
def test_values_are_those_of_the_formula(length, seed, strength, keep):
    """Each byte is the mix of the three at its place, rounded once; also at the ends of the pieces."""
    values = np.random.default_rng(seed).integers(0, 256, (3, length), np.uint8)
    pictures = tuple(picture.tobytes() for picture in values)
    mixed = np.frombuffer(mix(pictures, strength, keep), np.uint8)
    assert mixed.shape == (length,)
    assert np.abs(mixed - exact(pictures, strength, keep)).max() <= 0.5 + 255 * 2 / 65536


@given(strength=shares, keep=shares)
def test_shares_are_a_whole(strength, keep):
    """Nothing gets brighter or darker: the weights add up to one, and none is negative."""
    found = weights(strength, keep)
    assert sum(found) == 65536
    assert min(found) >= 0


def test_the_ends_of_the_sliders_are_the_pictures_themselves():
    """Full strength is the network's picture, none the base, all texture the textured one."""
    pictures = (b"network.", b"textured", b"baseline")
    assert mix(pictures, 1.0, 0.0) == b"network."
    assert mix(pictures, 1.0, 1.0) == b"textured"
    assert mix(pictures, 0.0, 0.4) == b"baseline"


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 99), share=shares, keep=st.sampled_from([0.0, 1.0]))
def test_values_beyond_black_and_white_are_the_jobs(seed, share, keep):
    """Where network, texture or plain resize overshoot, the preview is still the job's rows within one level of 255."""
    dice = np.random.default_rng(seed)
    sr, base = dice.uniform(-0.3, 1.3, (2, 8, 8, 3)).astype(np.float32)
    fine = dice.uniform(-0.08, 0.08, (8, 8, 1)).astype(np.float32)
    layout = PixelFormat("u8", 3)
    pictures = tuple(join(picture, None, layout).tobytes() for picture in (sr, sr + fine, base))
    shown = np.frombuffer(mix(pictures, share, keep), np.uint8).reshape(8, 8, 3)
    job = join(strength.mix(sr, base, fine, share, keep), None, layout)
    assert np.abs(shown.astype(int) - job).max() <= 1


# Where texture goes beyond black or white, only its ends are exact: the preview's pictures hold no more.
FULL_CONTRAST = (256, 0, ((0.3, 1.0), (1.0, 0.0), (0.55, 0.0), (0.0, 1.0)))
LOW_CONTRAST = (60, 90, ((0.3, 0.7), (1.0, 0.5)))


@pytest.mark.parametrize(("span", "darkest", "positions"), [FULL_CONTRAST, LOW_CONTRAST])
def test_the_mix_is_what_the_job_gives(monkeypatch, span, darkest, positions):
    """What the plug-in shows at any position of the sliders is the daemon's whole result within one level of 255."""
    monkeypatch.setattr(texture, "_LEAST", 1e-9)
    block = (np.random.default_rng(2).random((40, 40, 3)) * span + darkest).astype(np.uint8)
    place = Place.around((40, 40), (160, 160), Rectangle(30, 20, 64, 64))
    three, _ = previewed(block, place, Network())
    pictures = tuple(picture.tobytes() for picture in three)
    for share, keep in positions:
        params = {"strength": 100 * share, "texture": 100 * keep}
        spec = jobs.JobSpec.of(message(block, (160, 160), params=params))
        _, job = job_runs.run(block, (160, 160), Network(), spec=spec)
        mixed = np.frombuffer(mix(pictures, share, keep), np.uint8).reshape(64, 64, 3)
        assert np.abs(mixed.astype(int) - job[20:84, 30:94]).max() <= 1
