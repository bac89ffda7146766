"""Strength and texture, alpha by the network, and margins that are left out: whole jobs with exact networks."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bsrgan_backend.imaging import strength, texture, transparency
from bsrgan_backend.imaging.boxes import Box, Part
from bsrgan_backend.imaging.resampling import resize_rows
from bsrgan_backend.worker import jobs
from support.job_runs import run
from support.repeating_network import Repeater, message, noise


def asked(block, out_size, network=None, **params):
    """Do a job with params and return the result's pixels."""
    spec = jobs.JobSpec.of(message(block, out_size, params=params))
    return run(block, out_size, network, spec=spec)[1]


@pytest.mark.parametrize("params", [{"strength": 35}, {"texture": 80}, {"strength": 60, "texture": 30}])
@pytest.mark.parametrize("out_size", [(96, 88), (50, 61), (384, 352)])
def test_sliders_follow_their_formula(params, out_size):
    """The result of a job is the formula over the network's result, the resized source and its texture."""
    block = noise(24, 22, 3, "f4")
    part, whole = Part.whole(block), Box(0, 0, *out_size)
    sr = asked(block, out_size)
    wanted = strength.mix(
        sr,
        strength.base_box(part, out_size, whole),
        texture.texture_box(part, texture.noise_floor(block), out_size, whole),
        params.get("strength", 100) / 100,
        params.get("texture", 0) / 100,
    )
    # The doubles' result was clamped once already, as its own job.
    inside = (sr > 0) & (sr < 1)
    np.testing.assert_allclose(asked(block, out_size, **params)[inside], wanted.clip(0, 1)[inside], atol=1e-6)


@pytest.mark.parametrize("params", [{"strength": 35, "texture": 50}, {"strength": 0}])
def test_strips_do_not_matter_to_the_sliders(params):
    """However the network's strips are cut, the bytes of a mixed result are the same."""
    block = noise(20, 13, 4)
    first = asked(block, (70, 41), Repeater(strips=(3,)), **params)
    np.testing.assert_array_equal(first, asked(block, (70, 41), Repeater(strips=(80,)), **params))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_strength_0_is_the_resized_picture_without_the_network(channels):
    """At strength 0 the network does not run, and the result is the antialiased resize."""
    block = noise(24, 22, channels, "f4")
    network = Repeater()
    result = asked(block, (60, 50), network, strength=0, texture=70)
    assert not network.images
    if channels in (1, 3):
        np.testing.assert_allclose(result, resize_rows(block, (60, 50), 0, 60).clip(0, 1), atol=1e-6)


def test_strength_0_can_be_cancelled():
    """Also a job without the network stops when it is told to."""
    block = noise(8, 8, 3)
    answers = iter([False, True])
    spec = jobs.JobSpec.of(message(block, (32, 32), params={"strength": 0}))
    with pytest.raises(jobs.Cancelled):
        run(block, (32, 32), spec=spec, should_stop=lambda: next(answers))


def test_engine_options_reach_the_engine():
    """Precision, tile and memory are the engine's to follow, the memory less what the job itself holds."""
    heard = {}

    class Listening(Repeater):
        def upscale(self, image, sink, *, on_progress, should_stop, **options):
            heard.update(options)
            super().upscale(image, sink, on_progress=on_progress, should_stop=should_stop)

    asked(noise(8, 8, 3), (32, 32), Listening(), precision="exact", tile=64, memory=2**31)
    assert heard.pop("memory_budget_bytes") < 2**31
    assert heard == {"precision": "exact", "tile": 64}


def shape(height=200, width=300, dtype="u1"):
    """A disc of soft alpha in the middle of a wide clear margin."""
    block = noise(height, width, 4, dtype)
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(rows - height / 2, columns - width / 2)
    top = 1.0 if dtype == "f4" else np.iinfo(dtype).max
    block[..., 3] = (np.clip(20.5 - distance, 0, 1) * top).astype(block.dtype)
    return block


def test_clear_margins_do_not_go_through_the_network():
    """Only the visible part and its context enter, and what can be seen is as if everything had."""
    block, network = shape(300, 400), Repeater()
    result = asked(block, (1200, 1600), network, alpha="kernel")
    (image,) = network.images
    assert image.shape[0] * image.shape[1] < 0.35 * 300 * 400
    large = block.repeat(4, 0).repeat(4, 1)
    opaque = np.zeros(large.shape[:2], bool)
    opaque[large[..., 3] == 255] = True
    np.testing.assert_array_equal(result[opaque][:, :3], large[opaque][:, :3])
    visible = transparency.enlarge_rows(block[..., 3] / np.float32(255), (1200, 1600), 0, 1200)
    np.testing.assert_array_equal(result[..., 3], np.floor(visible * 255 + 0.5).astype(np.uint8))
    assert not result[:100].any()
    assert not result[:, -100:].any()


@pytest.mark.parametrize(
    "params", [{"strength": 0}, {"strength": 40}, {"texture": 90}, {"strength": 60, "texture": 40}]
)
@pytest.mark.parametrize("out_size", [(1200, 1600), (450, 610), (300, 400), (310, 2400), (90, 100)])
def test_clear_margins_change_nothing_of_the_sliders(out_size, params, monkeypatch):
    """With margins left out, what can be seen is what the sliders make of the whole picture."""
    block = shape(300, 400)
    part = asked(block, out_size, alpha="kernel", **params)
    monkeypatch.setattr(jobs, "_WORTH_CROPPING", -1.0)
    whole = asked(block, out_size, alpha="kernel", **params)
    np.testing.assert_array_equal(part[..., 3], whole[..., 3])
    seen = whole[..., 3] > 0
    assert seen.any()
    assert np.abs(part[seen].astype(int) - whole[seen]).max() <= 1


@pytest.mark.parametrize("out_size", [(800, 1200), (450, 610), (300, 3000)])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_alpha_goes_through_the_network_where_it_varies(out_size, dtype):
    """In the box around the disc alpha is the network's, limited; outside it is exactly 0."""
    block, network = shape(200, 300, dtype), Repeater()
    result = asked(block, out_size, network)
    plane = block[..., 3].astype(np.float32) / np.float32(1 if dtype == "f4" else np.iinfo(dtype).max)
    is_gray = [bool((image[..., 0] == image[..., 2]).all()) for image in network.images]
    assert is_gray in ([False, True], [False, False, True, True])
    top = 1.0 if dtype == "f4" else float(np.iinfo(dtype).max)
    alpha = result[..., 3].astype(np.float64) / top
    rows = (np.arange(out_size[0]) * 200) // out_size[0]
    columns = (np.arange(out_size[1]) * 300) // out_size[1]
    near = plane[np.ix_(rows, columns)]
    square = np.ones((9, 9), np.uint8)
    assert (alpha <= cv2.dilate(plane, square)[np.ix_(rows, columns)] + 1e-6).all()
    assert (alpha >= cv2.erode(plane, square)[np.ix_(rows, columns)] - 1e-6).all()
    assert np.abs(alpha - near).mean() < 0.02


def test_alpha_of_a_repeating_network_is_repeated():
    """A hard edge comes from the network, which saw alpha only near it; a soft edge in the same picture does not."""
    block, network = noise(400, 400, 4), Repeater()
    block[..., 3] = 255
    block[:40, :40, 3] = 0
    block[300:, :, 3] = np.linspace(255, 0, 100).astype(np.uint8)[:, None]
    result = asked(block, (1600, 1600), network)
    _colour, alpha = network.images
    assert alpha.shape[0] * alpha.shape[1] < 0.3 * 400 * 400
    np.testing.assert_array_equal(result[:640, :640, 3], block[:160, :160, 3].repeat(4, 0).repeat(4, 1))
    kernel = asked(block, (1600, 1600), alpha="kernel")
    np.testing.assert_array_equal(result[800:], kernel[800:])


def test_soft_alpha_does_not_go_through_the_network():
    """A feather costs no network and stays the kernel's."""
    block, network = noise(90, 90, 4), Repeater()
    block[..., 3] = np.linspace(255, 0, 90).astype(np.uint8)
    np.testing.assert_array_equal(asked(block, (360, 360), network), asked(block, (360, 360), alpha="kernel"))
    assert len(network.images) == 1


def test_even_alpha_beside_a_hole_stays_exact():
    """Far from where alpha varies an even, half-transparent area keeps its value to the last bit of the type."""
    block = noise(300, 300, 4, "u2")
    block[..., 3] = 12345
    block[10, 10, 3] = 60000
    result = asked(block, (1200, 1200))
    assert (result[800:, :, 3] == 12345).all()
    assert result[42, 42, 3] == 60000


def test_kernel_alpha_is_the_kernels():
    """With alpha=kernel the network sees colour only."""
    block, network = noise(30, 30, 4), Repeater()
    result = asked(block, (120, 120), network, alpha="kernel")
    assert len(network.images) == 1
    plane = block[..., 3].astype(np.float32) / np.float32(255)
    wanted = transparency.enlarge_rows(plane, (120, 120), 0, 120)
    np.testing.assert_array_equal(result[..., 3], np.floor(wanted * np.float32(255) + 0.5).astype(np.uint8))


def test_strength_blends_alpha_as_well():
    """At half strength alpha is half the network's and half the kernel's."""
    block = shape(100, 100, "f4")
    halves = [asked(block, (400, 400), **params)[..., 3] for params in ({"alpha": "kernel"}, {}, {"strength": 50})]
    np.testing.assert_allclose(halves[2], 0.5 * (halves[0] + halves[1]), atol=1e-6)


def test_colour_rows_survive_the_alpha():
    """Writing alpha later changes no colour."""
    block = shape(120, 90)
    kernel, network = asked(block, (480, 360), alpha="kernel"), asked(block, (480, 360))
    np.testing.assert_array_equal(kernel[..., :3], network[..., :3])


@pytest.mark.parametrize("channels", [2, 4])
def test_progress_ends_whole_over_all_runs(channels):
    """Colour in two passes and alpha in two passes are one progress that never falls and ends complete."""
    told = []
    block = noise(30, 30, channels)
    spec = jobs.JobSpec.of(message(block, (240, 240)))
    run(block, (240, 240), spec=spec, send=told.append)
    shares = [message["done"] for message in told if message["t"] == "progress" and message["phase"] == "running"]
    assert shares == sorted(shares)
    assert shares[-1] == 100
