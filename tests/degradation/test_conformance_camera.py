"""T17: the camera, by what is known about each of its parts and about the whole."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bsrgan_backend.degradation import camera, mosaic, tones
from bsrgan_backend.degradation.drawing import draw_camera, read_noise
from bsrgan_backend.degradation.profiles import PROFILES
from bsrgan_backend.degradation.steps import Camera, Canvas
from bsrgan_backend.degradation.streams import Streams
from bsrgan_backend.degradation.tones import ToneCurve
from support.degradation_pictures import REFERENCE, flat, picture, psnr
from support.degradation_statistics import uniform_p

UPI = ToneCurve(2.2, 1.0)
CURVES = [UPI, ToneCurve(1.6, 0.0), ToneCurve(2.6, 0.0), ToneCurve(1.6, 1.0), ToneCurve(2.6, 0.5), ToneCurve(2.0, 1e-3)]
CANVAS = Canvas((48, 48), 1)


def sensor(step):
    """The sensor of a step."""
    return camera.Sensor(
        step.mix, step.illuminant, step.gain, step.red_gain, step.blue_gain, step.pattern, step.shot, step.read
    )


def drawn(count, profile="official"):
    """Many cameras."""
    return [draw_camera(Streams(seed).step(6), PROFILES[profile]) for seed in range(count)]


@pytest.mark.parametrize("curve", CURVES, ids=str)
def test_t17_tone_curves_have_exact_inverses(curve):
    """Encoding and decoding cancel to 1e-12, both ways, and keep black and white."""
    values = np.linspace(0, 1, 10001)
    np.testing.assert_allclose(curve.encode(curve.decode(values)), values, atol=1e-12)
    np.testing.assert_allclose(curve.decode(curve.encode(values)), values, atol=1e-12)
    assert np.all(np.diff(curve.encode(values)) > 0)


def test_t17_the_default_curve_is_gamma_and_smoothstep():
    """Gamma 2.2 with full weight is 3q² - 2q³ of q = x^(1/2.2), undone by 1/2 - sin(asin(1 - 2y)/3)."""
    x = np.linspace(0, 1, 999)
    q = x ** (1 / 2.2)
    np.testing.assert_allclose(UPI.encode(x), 3 * q**2 - 2 * q**3, atol=1e-15)
    inverse = (0.5 - np.sin(np.arcsin(1 - 2 * x) / 3)) ** 2.2
    np.testing.assert_allclose(UPI.decode(x), inverse, atol=1e-12)


@pytest.mark.parametrize("curve", CURVES, ids=str)
def test_t17_tables_are_the_curves(curve):
    """Tables for pictures give the curves within a tenth of an 8-bit level of the encoded value, and cancel."""
    values = np.random.default_rng(0).random(200000, dtype=np.float32) ** 2
    exact = curve.encode(values.astype(np.float64))
    assert np.abs(tones.encoded(values, curve) - exact).max() < 0.1 / 255
    there = tones.decoded(values, curve)
    # Near white the inverse is infinitely steep, so the linear value is bounded by those half a knot away.
    below, above = (curve.decode(np.clip(values.astype(np.float64) + side / 131000, 0, 1)) for side in (-1, 1))
    assert np.all((there >= below - 1e-7) & (there <= above + 1e-7))
    assert np.abs(tones.encoded(there, curve) - values).max() < 0.1 / 255


@pytest.mark.parametrize(("gamma", "levels"), [(1.0, 0.03), (1.6, 0.03), (2.2, 0.03), (2.6, 0.03), (3.0, 0.1)])
@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_t17_tables_are_as_exact_as_stated(gamma, weight, levels):
    """Near black, where curves are steepest, a table stays within 0.03 of a level, and 0.1 for the largest gamma."""
    curve = ToneCurve(gamma, weight)
    values = np.linspace(0.0, 1.0, 200001, dtype=np.float32) ** 4
    assert np.abs(tones.encoded(values, curve) - curve.encode(values.astype(np.float64))).max() < levels / 255


@pytest.mark.parametrize("illuminant", camera.ILLUMINANTS)
def test_t17_colour_matrices_keep_neutral(illuminant):
    """Every row of every drawn matrix sums to 1, and the matrix can be inverted well."""
    for step in drawn(50):
        matrix = camera.colour_matrix(step.mix, illuminant)
        np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)
        assert np.linalg.cond(matrix) < 50


@pytest.mark.parametrize("pattern", mosaic.PATTERNS)
@pytest.mark.parametrize("size", [(2, 2), (5, 7), (8, 8), (3, 2)])
def test_t17_constant_mosaics_come_back_constant(pattern, size):
    """A picture of one colour survives mosaic and demosaicing at every size and phase, borders included."""
    image = np.broadcast_to(np.float32([0.2, 0.5, 0.8]), (*size, 3))
    seen = mosaic.mosaic(image, pattern)
    red = mosaic.RED_SITES[pattern]
    assert seen[red] == np.float32(0.2)
    assert seen[1 - red[0], 1 - red[1]] == np.float32(0.8)
    assert seen[red[0], 1 - red[1]] == np.float32(0.5)
    np.testing.assert_allclose(mosaic.demosaic(seen, pattern), image, atol=1e-6)


def test_t17_demosaicing_keeps_what_was_seen_and_averages_the_rest():
    """Each pixel keeps its own colour, and a linear ramp comes back in the interior."""
    y, x = np.mgrid[0:20, 0:24].astype(np.float32)
    image = np.stack([0.01 * x, 0.02 * y, 0.01 * (x + y)], axis=-1)
    for pattern in mosaic.PATTERNS:
        full = mosaic.demosaic(mosaic.mosaic(image, pattern), pattern)
        np.testing.assert_allclose(full[1:-1, 1:-1], image[1:-1, 1:-1], atol=1e-6)


@pytest.mark.parametrize(("shot", "read"), [(1e-4, 1e-6), (0.012, 2e-4), (0.003, 1e-5)])
@pytest.mark.parametrize("value", [0.1, 0.5, 0.9])
def test_t17_raw_noise_has_its_variance(shot, read, value):
    """The variance on the mosaic is shot x signal + read within 3 %."""
    raw = np.full((300, 300), value, np.float32)
    noisy = camera.add_sensor_noise(raw, shot, read, np.random.default_rng(3))
    assert abs((noisy - raw).astype(np.float64).var() / (shot * value + read) - 1) < 0.03
    assert abs(float((noisy - raw).mean())) < 5 * np.sqrt(shot * value + read) / 300


def smooth_ramp():
    """A wide ramp of three colours without highlights."""
    y, x = np.mgrid[0:256, 0:256] / 255
    return np.stack([0.15 + 0.55 * x, 0.2 + 0.5 * y, 0.15 + 0.3 * x + 0.25 * y], axis=-1).astype(np.float32)


@pytest.mark.parametrize("pattern", mosaic.PATTERNS)
def test_t17_a_smooth_ramp_survives_without_noise(pattern):
    """Reverse and forward processing cancel: more than 80 dB on a ramp, in the interior."""
    image = smooth_ramp()
    for step in drawn(5):
        one = camera.Sensor(step.mix, "D65", step.gain, step.red_gain, step.blue_gain, pattern, 0, 0)
        found = camera.shoot(image, one, UPI, UPI, None)
        assert psnr(found[2:-2, 2:-2], image[2:-2, 2:-2]) > 80


def test_t17_a_photo_loses_what_demosaicing_takes():
    """A detailed photo comes back with the 24 to 25 dB that bilinear demosaicing leaves of it."""
    image = picture("skimage_astronaut_area256")
    found = [psnr(camera.shoot(image, sensor(step), UPI, UPI, None), image) for step in drawn(8)]
    assert 23.5 < min(found) < max(found) < 25.8


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_t17_flat_fields_are_as_noisy_as_the_reference(level):
    """The deviation of a flat patch has the quantiles of an independent implementation, within 20 %."""
    if not REFERENCE.is_file():
        pytest.skip(f"the reference statistics are not there: {REFERENCE.name} is missing")
    wanted = json.loads(REFERENCE.read_text(encoding="utf-8"))["isp_reference"][
        "srgb_noise_std255_p5_25_50_75_95_at_level"
    ]
    found = []
    for step in drawn(600):
        pixels = 255 * step.apply(flat(level, 48), CANVAS)[4:-4, 4:-4].astype(np.float64).reshape(-1, 3)
        found.append(pixels.std(axis=0).mean())
    quantiles = np.percentile(found, [5, 25, 50, 75, 95])
    np.testing.assert_allclose(quantiles, wanted[str(level)], rtol=0.2)


@pytest.mark.parametrize("end", [0.0, 1.0])
def test_t17_a_sensor_clips_before_demosaicing(end):
    """Of black and of white a third of the values is left: noise beyond an end is gone before neighbours are mixed."""
    # Clipped only after that, it would be half of them, as noise is as often above as below.
    one = camera.Sensor((0.5,) * 4, "D65", gain=1.0, red_gain=1.0, blue_gain=1.0, pattern="RGGB", shot=0.0, read=1e-2)
    straight = ToneCurve(1.0, 0.0)
    found = camera.shoot(flat(end, 200), one, straight, straight, np.random.default_rng(0))
    assert abs(float((found == end).mean()) - 0.35) < 0.03


def test_t17_bright_colours_are_unchanged():
    """Without noise (.97, .95, .96) comes back within 1e-3: gains do not tint highlights."""
    image = np.broadcast_to(np.float32([0.97, 0.95, 0.96]), (16, 16, 3))
    for step in drawn(60):
        quiet = camera.Sensor(step.mix, "D65", step.gain, step.red_gain, step.blue_gain, step.pattern, 0, 0)
        np.testing.assert_allclose(camera.shoot(image, quiet, UPI, UPI, None), image, atol=1e-3)


def test_cameras_are_drawn_as_stated():
    """Shot noise is uniform in its logarithm, read noise lies on its line, gains are in their ranges."""
    steps = drawn(1500)
    shots = np.log([step.shot for step in steps])
    assert uniform_p(shots, np.log(1e-4), np.log(0.012)) > 1e-3
    off = np.log([step.read for step in steps]) - (2.18 * shots + 1.20)
    assert abs(off.mean()) < 0.03
    assert abs(off.std() - 0.26) < 0.02
    assert uniform_p([step.red_gain for step in steps], 1.9, 2.4) > 1e-3
    assert uniform_p([step.blue_gain for step in steps], 1.5, 1.9) > 1e-3
    inverse = 1 / np.array([step.gain for step in steps])
    assert abs(inverse.mean() - 0.8) < 0.01
    assert inverse.min() > 0.5
    assert {step.pattern for step in steps} == set(mosaic.PATTERNS)
    assert all((step.gamma_before, step.curve_before) == (step.gamma_after, step.curve_after) for step in steps)
    assert read_noise(0.01) == pytest.approx(np.exp(2.18 * np.log(0.01) + 1.2))


def test_the_paper_puts_other_tones_on():
    """Under the paper's profile the curve that is put on is not the one that is taken off."""
    steps = drawn(50, "paper")
    assert all(step.curves()[0] != step.curves()[1] for step in steps)
    assert {step.illuminant for step in steps} == {"D50"}


def test_the_papers_gains_are_drawn_as_stated():
    """Exposure is 2^U(-0.1, 0.3), and both white balances are uniform over 1.2..2.4."""
    steps = drawn(600, "paper")
    assert uniform_p(np.log2([step.gain for step in steps]), -0.1, 0.3) > 1e-3
    for gains in ([step.red_gain for step in steps], [step.blue_gain for step in steps]):
        assert uniform_p(gains, 1.2, 2.4) > 1e-3


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (5, 7)])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_size_can_be_photographed(size, channels):
    """Lines of single pixels and odd sizes keep their size and, without noise, their flat colour."""
    image = np.full((*size, channels), 0.4, np.float32)
    quiet = Camera(shot=0.0, read=0.0, seed=1)
    np.testing.assert_allclose(quiet.apply(image, CANVAS), image, atol=1e-3)


def test_a_gray_picture_is_seen_without_filters():
    """A gray picture keeps its detail: only the tables' rounding is left of a run without noise."""
    image = np.ascontiguousarray(picture("synthetic256")[..., :1]) * np.float32(0.8)
    assert np.abs(Camera(shot=0.0, read=0.0, seed=1).apply(image, CANVAS) - image).max() < 0.2 / 255


def test_shoot_without_noise_needs_no_generator():
    """The sensor of the default step is neutral for flat gray."""
    np.testing.assert_allclose(camera.shoot(flat(0.5), sensor(Camera()), UPI, UPI, None), 0.5, atol=1e-3)
