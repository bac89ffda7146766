"""T9 to T12: noise on flat pictures, whose statistics are known."""

from __future__ import annotations

import functools
import json
import math
from collections import Counter

import numpy as np
import pytest

from bsrgan_backend.degradation import noise
from bsrgan_backend.degradation.drawing import draw_normal, draw_poisson
from bsrgan_backend.degradation.profiles import PROFILES
from bsrgan_backend.degradation.steps import Canvas, Gaussian, Poisson, Speckle
from bsrgan_backend.degradation.streams import Streams
from support.degradation_pictures import REFERENCE, flat, picture
from support.degradation_statistics import chi_squared_p, share_p, two_sample_p, uniform_p

DRAWS = 600
LEAST_P = 1e-3
CANVAS = Canvas((64, 64), 1)
SHARES = {noise.INDEPENDENT: 0.4, noise.GRAY: 0.4, noise.CORRELATED: 0.2}


@functools.cache
def drawn(kind):
    """Many Gaussian or speckle steps."""
    return [draw_normal(Streams(seed).step(4), kind, PROFILES["official"]) for seed in range(DRAWS)]


@functools.cache
def fields(kind, level):
    """What each of them adds to a flat picture, in 8-bit levels."""
    image = flat(level)
    return [255.0 * (step.apply(image, CANVAS).astype(np.float64) - level) for step in drawn(kind)]


def reference_block(name):
    """Statistics of a block of the released code; skips where the file is not there."""
    if not REFERENCE.is_file():
        pytest.skip(f"the reference statistics are not there: {REFERENCE.name} is missing")
    return json.loads(REFERENCE.read_text(encoding="utf-8"))["blocks"][name]


@pytest.mark.parametrize("kind", [Gaussian, Speckle])
def test_t09_t11_branches_and_levels_are_drawn_as_stated(kind):
    """Independent 0.4, gray 0.4, correlated 0.2; whole levels 2..25, equally likely."""
    steps = drawn(kind)
    counts = Counter(step.kind for step in steps)
    assert chi_squared_p([counts[name] for name in SHARES], list(SHARES.values())) > LEAST_P
    levels = Counter(step.level for step in steps)
    assert sorted(levels) == list(range(2, 26))
    assert chi_squared_p(list(levels.values())) > LEAST_P


def test_t09_noise_has_the_drawn_deviation():
    """On flat gray each channel deviates by the level: one field for gray noise, three for the independent kind."""
    for step, field in zip(drawn(Gaussian), fields(Gaussian, 0.5), strict=True):
        pixels = field.reshape(-1, 3)
        if step.kind == noise.CORRELATED:
            continue
        np.testing.assert_allclose(pixels.std(axis=0), step.level, rtol=0.06)
        assert np.abs(pixels.mean(axis=0)).max() < 5 * step.level / 64
        if step.kind == noise.GRAY:
            # Float rounding of 0.5 + n is the only difference between channels.
            assert np.ptp(pixels, axis=1).max() == 0
        else:
            assert np.abs(np.corrcoef(pixels.T)[np.triu_indices(3, 1)]).max() < 0.08


def test_t09_correlated_noise_has_its_covariance():
    """On a flat picture the channels vary together as the recorded covariance says."""
    steps = [(step, field) for step, field in zip(drawn(Gaussian), fields(Gaussian, 0.5), strict=True)]
    for step, field in steps:
        if step.kind == noise.CORRELATED:
            wanted = np.array(step.covariance).reshape(3, 3)
            np.testing.assert_allclose(np.cov(field.reshape(-1, 3).T), wanted, atol=0.08 * wanted.max())


def test_t09_covariances_are_drawn_as_stated():
    """Variances have the mean 25²/2 and the released code's spread; no correlation and no eigenvalue is negative."""
    rng = np.random.default_rng(0)
    found = np.array([noise.covariance(rng.random(3), rng.random((3, 3)), 25.0) for _ in range(4000)])
    deviations = np.sqrt(np.diagonal(found, axis1=1, axis2=2))
    np.testing.assert_allclose((deviations**2).mean(axis=0), 312.5, rtol=0.03)
    np.testing.assert_allclose(np.percentile(deviations[:, 0], [5, 50, 95]), [10.9, 17.7, 22.5], rtol=0.04)
    for first, second, middle in ((0, 1, 0.24), (0, 2, 0.23), (1, 2, 0.18)):
        correlation = found[:, first, second] / (deviations[:, first] * deviations[:, second])
        assert abs(np.median(correlation) - middle) < 0.03
        assert correlation.min() >= 0
    assert np.linalg.eigvalsh(found).min() > -1e-12
    np.testing.assert_array_equal(found, found.transpose(0, 2, 1))


def test_t09_the_released_code_ignores_the_level_of_correlated_noise():
    """Under the official profile every covariance belongs to level 25; under the paper's to the drawn level."""

    def ratio(profile):
        steps = [draw_normal(Streams(seed).step(4), Gaussian, PROFILES[profile]) for seed in range(1500)]
        return [
            np.trace(np.array(step.covariance).reshape(3, 3)) / (1.5 * step.level**2)
            for step in steps
            if step.kind == noise.CORRELATED
        ]

    assert abs(np.mean(ratio("paper")) - 1) < 0.1
    assert np.mean(ratio("official")) > 3


@pytest.mark.parametrize("level", ["0.5", "0.02"])
def test_t09_t10_deviations_are_those_of_the_released_code(level):
    """Deviations on flat gray, and near black where half of the noise is clipped, follow the released code's."""
    wanted = reference_block(f"gaussian_noise_flat_{level}")["samples_sigma255"]
    ours = [field.reshape(-1, 3).std(axis=0).mean() for field in fields(Gaussian, float(level))]
    assert two_sample_p(ours, wanted) > LEAST_P


def test_t10_clipping_brightens_the_dark():
    """At level x the mean rises by s·phi(x/s) - x·Phi(-x/s), as for a clipped normal distribution."""
    x = 0.02
    for step, field in zip(drawn(Gaussian), fields(Gaussian, x), strict=True):
        if step.kind != noise.CORRELATED:
            s = step.level / 255
            density = math.exp(-0.5 * (x / s) ** 2) / math.sqrt(2 * math.pi)
            wanted = 255 * (s * density - x * 0.5 * math.erfc(x / s / math.sqrt(2)))
            assert abs(field.mean() - wanted) < 0.03 + 5 * step.level / 64 / 1.5
    assert abs(np.median([field.mean() for field in fields(Gaussian, x)]) - 3.64) < 0.6


def test_t11_speckle_is_proportional_to_the_value():
    """On a flat value the deviation is value x level, and black stays exactly black."""
    for value in (0.25, 0.5):
        for step, field in zip(drawn(Speckle), fields(Speckle, value), strict=True):
            if step.kind != noise.CORRELATED:
                np.testing.assert_allclose(field.reshape(-1, 3).std(axis=0), value * step.level, rtol=0.06)
    for step in drawn(Speckle)[:30]:
        assert not step.apply(flat(0.0), CANVAS).any()


def test_t11_speckle_is_distributed_as_in_the_released_code():
    """Deviations on flat gray follow the released code's."""
    wanted = reference_block("speckle_flat_0.5")["samples_sigma255"]
    ours = [field.reshape(-1, 3).std(axis=0).mean() for field in fields(Speckle, 0.5)]
    assert two_sample_p(ours, wanted) > LEAST_P


@functools.cache
def poissons():
    """Many Poisson steps."""
    return [draw_poisson(Streams(seed).step(3)) for seed in range(DRAWS)]


def test_t12_poisson_is_drawn_as_stated():
    """Half of it is gray, and the logarithm of the photons is uniform over 2..4."""
    assert share_p(sum(step.kind == noise.GRAY for step in poissons()), DRAWS, 0.5) > LEAST_P
    assert uniform_p(np.log10([step.peak for step in poissons()]), 2, 4) > LEAST_P


@pytest.mark.parametrize("level", [26, 128, 230])
def test_t12_poisson_noise_has_the_deviation_of_photons(level):
    """The deviation is the root of value over photons, the mean is kept, and gray noise is the same in all channels."""
    value = level / 255
    for step in poissons()[::6]:
        field = step.apply(flat(value), CANVAS).astype(np.float64) - np.float32(value)
        wanted = math.sqrt(value / step.peak)
        if value + 4 * wanted < 1:
            np.testing.assert_allclose(field.reshape(-1, 3).std(axis=0), wanted, rtol=0.06)
            assert abs(field.mean()) < 5 * wanted / 64
        if step.kind == noise.GRAY:
            assert np.ptp(field, axis=2).max() < 1e-6


def test_t12_poisson_is_distributed_as_in_the_released_code():
    """Deviations on flat gray follow the released code's, from 1.79 to 18.1 levels around 5.6."""
    wanted = reference_block("poisson_flat_0.5")["samples_sigma255"]
    ours = [
        255 * step.apply(flat(0.5), CANVAS).astype(np.float64).reshape(-1, 3).std(axis=0).mean() for step in poissons()
    ]
    assert two_sample_p(ours, wanted) > LEAST_P
    assert min(ours) >= 1.75
    assert max(ours) <= 18.4
    assert 5.0 < np.median(ours) < 6.2


@pytest.mark.parametrize(("colour", "brightness"), [((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29)])
def test_t12_gray_poisson_noise_is_that_of_the_brightness(colour, brightness):
    """Gray photon noise of a colour has the deviation of its luma: red weighs 0.299, green 0.587 and blue 0.114."""
    image = np.broadcast_to(np.float32(colour) / np.float32(255), (128, 128, 3))
    found = Poisson(noise.GRAY, 300.0, 5).apply(np.ascontiguousarray(image), CANVAS)
    dark = [channel for channel, level in enumerate(colour) if level == 0]
    bright = [channel for channel, level in enumerate(colour) if level == 255]
    # Half of the noise is clipped at either end; both halves together are the field.
    field = (found[..., dark[0]] + found[..., bright[0]] - 1.0).astype(np.float64)
    np.testing.assert_allclose(field.std(), math.sqrt(brightness / 255 / 300.0), rtol=0.06)


def test_poisson_rounds_its_picture_to_eight_bit():
    """With very many photons the result is the picture in whole 8-bit levels."""
    image = np.clip(picture("synthetic256") * 0.97, 0, 1)
    for kind in noise.POISSON_KINDS:
        found = Poisson(kind, 1e12, 1).apply(image, CANVAS)
        assert np.abs(found - np.rint(image * 255) / 255).max() < 1e-5


def test_a_level_scales_the_pattern_and_does_not_change_it():
    """The same seed at twice the level is twice the same noise."""
    image = flat(0.5)
    for kind in noise.KINDS:
        covariance = (4.0, 1, 1, 1, 4, 1, 1, 1, 4)
        one = Gaussian(kind, 4.0, covariance, 9).apply(image, CANVAS) - image
        two = Gaussian(kind, 8.0, tuple(4 * item for item in covariance), 9).apply(image, CANVAS) - image
        np.testing.assert_allclose(two, 2 * one, atol=1e-6)
        assert one.any()


@pytest.mark.parametrize("kind", noise.KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_bands_of_rows_hold_the_field_of_the_whole(kind, channels, monkeypatch):
    """Noise drawn a few rows at a time is that of one go, but for the last bit of mixed channels."""
    image = np.ascontiguousarray(picture("synthetic256")[:61, :50, :channels])
    covariance = (90.0, 20, 10, 20, 80, 30, 10, 30, 70)
    steps = (
        Gaussian(kind, 9.0, covariance, 3),
        Speckle(kind, 20.0, covariance, 3),
        *(Poisson(one, 200.0, 3) for one in noise.POISSON_KINDS),
    )
    whole = [step.apply(image, CANVAS) for step in steps]
    monkeypatch.setattr(noise, "_BAND_PX", 350)
    for step, wanted in zip(steps, whole, strict=True):
        np.testing.assert_allclose(step.apply(image, CANVAS), wanted, atol=1e-7)


def test_the_root_of_a_singular_covariance_is_real():
    """A covariance of rank one has a root that squares to it."""
    matrix = np.outer([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    root = noise.root(matrix)
    np.testing.assert_allclose(root @ root, matrix, atol=1e-12)
