"""T8: the JPEG steps."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from bsrgan_backend.degradation import Request, degrade, jpeg, plan
from bsrgan_backend.degradation.steps import Jpeg
from support.degradation_pictures import REFERENCE, picture, psnr
from support.degradation_statistics import chi_squared_p, share_p

LEAST_P = 1e-3
RUNS = 1500


def qualities(recipe):
    """Qualities of a recipe, the final one last."""
    return [step.quality for step in recipe.steps if isinstance(step, Jpeg)]


def test_t08_one_jpeg_always_and_a_second_with_nine_in_ten():
    """Qualities are uniform over 30..95 with both ends; every run ends with JPEG, 0.9 have one before."""
    recipes = [plan(Request(scale=4, seed=seed), (64, 64)) for seed in range(RUNS)]
    assert all(isinstance(recipe.steps[-1], Jpeg) for recipe in recipes)
    assert {len(qualities(recipe)) for recipe in recipes} == {1, 2}
    assert share_p(sum(len(qualities(recipe)) == 2 for recipe in recipes), RUNS, 0.9) > LEAST_P
    for place in (0, -1):
        values = [qualities(recipe)[place] for recipe in recipes if place == -1 or len(qualities(recipe)) == 2]
        assert (min(values), max(values)) == (30, 95)
        assert chi_squared_p([Counter(values)[quality] for quality in range(30, 96)]) > LEAST_P
        assert abs(np.mean(values) - 62.5) < 3 * 19.05 / np.sqrt(len(values))


def test_t08_results_are_whole_levels():
    """A run ends on the grid of 8 bit."""
    for seed in range(10):
        levels = degrade(picture("synthetic256"), Request(seed=seed)).image.astype(np.float64) * 255
        assert np.abs(levels - np.rint(levels)).max() < 1e-4


def sampling(data):
    """(horizontal, vertical) sampling factors of each component, from the frame header."""
    at = 2
    while data[at + 1] not in (0xC0, 0xC1, 0xC2):
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    count = data[at + 9]
    return [divmod(data[at + 11 + 3 * part], 16) for part in range(count)]


@pytest.mark.parametrize("quality", [30, 62, 95])
def test_t08_chroma_is_halved_at_every_quality(quality):
    """The frame header says 4:2:0, and one component for gray."""
    image = picture("synthetic256")[:64, :64]
    assert sampling(jpeg.encoded(image, quality)) == [(2, 2), (1, 1), (1, 1)]
    assert len(sampling(jpeg.encoded(image[..., :1], quality))) == 1


@pytest.mark.parametrize(("quality", "decibels"), [(30, 28.38), (50, 29.89), (70, 31.37), (90, 34.88), (95, 36.68)])
def test_t08_the_loss_is_that_of_the_released_code(quality, decibels):
    """A photo comes back with the PSNR measured on the released code, within 0.15 dB."""
    image = picture("skimage_astronaut_area256")
    assert abs(psnr(jpeg.compress(image, quality), image) - decibels) < 0.15


def test_t08_files_are_as_large_as_those_of_the_released_code():
    """The encoded photo has the size of the released code's within 2 % at each quality."""
    if not REFERENCE.is_file():
        pytest.skip(f"the reference statistics are not there: {REFERENCE.name} is missing")
    image = picture("skimage_astronaut_area256")
    for wanted in json.loads(REFERENCE.read_text(encoding="utf-8"))["blocks"]["jpeg_astronaut256"]:
        assert abs(len(jpeg.encoded(image, wanted["q"])) / wanted["bytes"] - 1) < 0.02


def test_t08_blue_loses_more_than_red():
    """Texture in blue alone has less luma than texture in red, so more of it is lost: the channels are in order."""
    texture = np.random.default_rng(0).random((128, 128), dtype=np.float32)
    losses = []
    for channel in (0, 2):
        image = np.full((128, 128, 3), 0.5, np.float32)
        image[..., channel] = texture
        losses.append(psnr(jpeg.compress(image, 60)[..., channel], texture))
    assert losses[0] > losses[1] + 0.5


def test_values_are_rounded_half_to_even():
    """0.5 and 1.5 levels become 0 and 2 before compression."""
    flat = np.full((16, 16, 1), np.float32(0.5 / 255), np.float32)
    assert not jpeg.compress(flat, 100).any()
    np.testing.assert_allclose(jpeg.compress(3 * flat, 100), 2 / 255, atol=1e-7)
