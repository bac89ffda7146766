"""Strength, presets and the paper's profile."""

from __future__ import annotations

import numpy as np
import pytest

from bsrgan_backend.degradation import Request, degrade, plan, reference
from bsrgan_backend.degradation.drawing import draw_blur, draw_normal, read_noise
from bsrgan_backend.degradation.presets import PRESETS
from bsrgan_backend.degradation.profiles import PROFILES
from bsrgan_backend.degradation.resizing import resize
from bsrgan_backend.degradation.steps import (
    RATIO,
    TARGET,
    Blur,
    Camera,
    Canvas,
    Classical,
    Gaussian,
    Jpeg,
    Poisson,
    Resize,
    Sharpen,
)
from bsrgan_backend.degradation.streams import Streams
from support.degradation_pictures import flat, picture, psnr
from support.degradation_statistics import chi_squared_p, share_p, uniform_p

LEAST_P = 1e-3


def test_strength_zero_is_a_plain_change_of_size():
    """At 0 nothing is left but the drawn way to the final size: classical sampling without blur, or one resize."""
    image = picture("synthetic256")[:64, :80]
    for seed in range(30):
        run = degrade(image, Request(seed=seed, strength=0.0, scale=4))
        assert all(step.family == "resize" for step in run.recipe.steps)
        if len(run.recipe.steps) == 1:
            wanted = resize(image, (16, 20), run.recipe.steps[0].interpolation)
            np.testing.assert_array_equal(run.image, wanted)
        else:
            assert isinstance(run.recipe.steps[0], Classical)
            assert run.recipe.steps[0].sigma == 0


def test_strength_one_is_as_drawn():
    """At 1 every number is the drawn one."""
    for seed in range(20):
        assert plan(Request(seed=seed, strength=1.0), (64, 64)) == plan(Request(seed=seed), (64, 64))


@pytest.mark.parametrize("strength", [0.25, 0.5, 1.0])
def test_strength_scales_each_number_towards_neutral(strength):
    """Deviations, levels, weights and amounts are multiplied; photons, quality and ratio go by their own rules."""
    t = strength
    assert Blur(4.0, 1.0, 0.3, 9).weakened(t) == Blur(4.0 * t**2, t**2, 0.3, 9)
    assert Resize(RATIO, 3.0).weakened(t) == Resize(RATIO, 1 + 2 * t)
    assert Resize(RATIO, 0.5).weakened(t) == Resize(RATIO, 1 - 0.5 * t)
    assert Resize(TARGET).weakened(t) == Resize(TARGET)
    assert Classical(2, 1.0).weakened(t) == Classical(2, t)
    assert Gaussian(level=10.0, covariance=(9.0,) * 9, seed=4).weakened(t) == Gaussian(
        level=10 * t, covariance=(9.0 * t**2,) * 9, seed=4
    )
    assert Poisson(peak=100.0).weakened(t) == Poisson(peak=100.0 / t**2)
    assert Jpeg(60).weakened(t) == Jpeg(100 - round(40 * t))
    assert Jpeg(60).weakened(t / 16) == Jpeg(100 - round(2.5 * t), t / 16 / 0.1)
    assert Camera().weakened(t) == Camera(amount=t)
    assert Sharpen(0.5).weakened(t) == Sharpen(0.5 * t)


def test_noise_weakens_in_proportion():
    """At half the strength each kind of noise has half the deviation."""
    canvas, image = Canvas((96, 96), 1), flat(0.5, 96)
    for step in (Gaussian(level=12.0, seed=1), Poisson(peak=400.0, seed=1), Camera(shot=0.002, read=1e-5, seed=1)):
        whole, half = (one.apply(image, canvas).std() for one in (step, step.weakened(0.5)))
        assert abs(half / whole - 0.5) < 0.03


def test_less_strength_is_less_damage():
    """A weaker run is nearer to the source, for whole runs as seen at the source's size."""
    image = picture("skimage_astronaut_area256")[:128, :128]
    for seed in range(5):
        losses = [
            psnr(degrade(image, Request(seed=seed, strength=t, off=("resize",))).image, image) for t in (1.0, 0.5, 0.1)
        ]
        assert losses == sorted(losses)


def difference(image, strength, other, **options):
    """Root mean square of what two strengths differ by, in 8-bit levels."""
    one, two = (degrade(image, Request(strength=t, **options)).image for t in (strength, other))
    return 255 * float(np.sqrt(np.square(one - two).mean()))


@pytest.mark.parametrize("mode", ["bsrgan", "bsrgan-plus"])
@pytest.mark.parametrize("profile", ["official", "paper"])
def test_the_slider_does_not_jump_at_zero(mode, profile):
    """Next to strength 0 a run is what it is at 0: neither JPEG nor a resampling comes in all at once."""
    image = picture("skimage_astronaut_area256")[:128, :128]
    for seed in range(12):
        assert difference(image, 1e-4, 0.0, mode=mode, profile=profile, seed=seed, scale=2) < 0.05


@pytest.mark.parametrize("steps", [(Jpeg(40),), (Jpeg(90),), (Jpeg(40), Jpeg(90))])
def test_jpeg_fades_in_without_a_jump(steps):
    """From 0 to where JPEG is whole it takes small steps that are alike: chroma is halved little by little."""
    image = picture("skimage_astronaut_area256")[:128, :128]
    found = [difference(image, t, 0.0, mode="manual", steps=steps) for t in np.linspace(0.0, 0.1, 11)]
    assert found[10] > 2
    assert np.diff(found).min() > 0.05 * found[10]
    assert np.diff(found).max() < 0.2 * found[10]


def test_a_ratio_of_less_than_a_pixel_is_left_out():
    """A weakened change of size that moves no side by a whole pixel resamples nothing; the drawn one does."""
    step = Resize(RATIO, 1.1, "cubic")
    sizes = {t: plan(Request(mode="manual", steps=(step,), strength=t), (60, 100)).sizes for t in (0.05, 0.11, 1.0)}
    assert sizes == {0.05: (), 0.11: ((59, 98),), 1.0: ((54, 90),)}
    near_one = Request(mode="manual", steps=(Resize(RATIO, 1.0001),))
    assert plan(near_one, (60, 100)).sizes == ((59, 99),)


def test_the_smallest_strength_is_no_error():
    """Strengths whose square is nothing run as well."""
    for strength in (5e-324, 1e-160, 1e-9):
        for seed in range(6):
            degrade(flat(0.5, 16), Request(mode="bsrgan-plus", seed=seed, strength=strength, shuffle=1.0))


def fixed(name):
    """The steps of a preset without variation, sizes of a 96 x 128 picture."""
    return plan(Request(mode="preset", preset=name, variation=0.0), (96, 128))


def test_presets_have_the_numbers_of_the_specification():
    """Without variation each preset is its list of fixed steps."""
    assert len(PRESETS) == 10
    phone = fixed("old-phone-camera").steps
    assert [step.name for step in phone] == ["blur", "resize", "camera", "jpeg", "sharpen", "jpeg"]
    assert (phone[0].along, phone[0].across) == (1.0, 1.0)
    assert (phone[2].shot, phone[2].read) == (0.006, read_noise(0.006))
    assert (phone[3].quality, phone[4].weight, phone[5].quality) == (70, 0.5, 60)
    assert fixed("web-jpeg").steps == (Resize(RATIO, 2.0, "cubic"), Jpeg(45))
    shared = fixed("re-shared-image")
    assert [step.quality for step in shared.steps[1::2]] == [75, 55, 40]
    assert shared.sizes == ((72, 96), (72, 96), (57, 76), (57, 76), (71, 95), (71, 95))
    printed = fixed("scanned-print").steps
    assert (printed[0].along, printed[0].across, printed[1].kind, printed[1].level) == (2.5, 1.2, "gray", 8.0)
    assert printed[3] == Jpeg(85)
    dark = fixed("low-light").steps
    assert (dark[0].shot, dark[1].level, dark[2].quality) == (0.012, 10.0, 80)
    disc = fixed("old-dvd-frame").steps
    assert (disc[0].along, disc[0].across, disc[0].theta, disc[1].interpolation) == (6.0, 0.5, 0.0, "linear")
    assert fixed("clean-bicubic").steps == (Resize(TARGET, 1.0, "antialiased"),)
    thumbnail = fixed("thumbnail-enlarged")
    assert thumbnail.sizes == ((24, 32), (24, 32), (96, 128))
    results = {name: fixed(name).result for name in PRESETS}
    assert results["bsrgan-x4"] == results["clean-bicubic"] == (24, 32)
    assert results["bsrgan-x2"] == results["old-phone-camera"] == results["scanned-print"] == (48, 64)
    assert results["low-light"] == results["thumbnail-enlarged"] == (96, 128)


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if not preset.is_random])
def test_seeds_vary_presets_by_a_fifth(name):
    """Strengths move by up to 20 % either way, kinds and order stay, and isotropic blurs stay isotropic."""
    wanted = fixed(name).steps
    factors = []
    for seed in range(60):
        found = plan(Request(mode="preset", preset=name, seed=seed), (96, 128)).steps
        assert [step.name for step in found] == [step.name for step in wanted]
        for one, other in zip(found, wanted, strict=True):
            if isinstance(one, Blur):
                factors.append(one.along / other.along)
                assert (one.along == one.across) == (other.along == other.across)
            if isinstance(one, Jpeg):
                assert abs(one.quality - other.quality) <= 0.2 * other.quality + 0.5
                factors.append(min(one.quality / other.quality, 1.2))
            if isinstance(one, Gaussian):
                factors.append(one.level / other.level)
            if isinstance(one, Resize):
                assert (one.ratio == 1.0) == (one.to != RATIO)
    if name != "clean-bicubic":
        assert min(factors) < 0.85
        assert max(factors) > 1.15
        assert min(factors) > 0.78
        assert max(factors) < 1.22


def test_random_presets_are_the_mode():
    """The two random presets draw what the mode draws at their scale."""
    for name, scale in (("bsrgan-x4", 4), ("bsrgan-x2", 2)):
        preset = plan(Request(mode="preset", preset=name, seed=5), (64, 64))
        assert preset.steps == plan(Request(scale=scale, seed=5), (64, 64)).steps


def test_a_preset_takes_another_scale():
    """A scale that is asked for replaces the preset's own."""
    assert plan(Request(mode="preset", preset="clean-bicubic", scale=3), (96, 128)).result == (32, 43)


def test_paper_blurs_are_one_of_each_kind_in_the_papers_ranges():
    """Sizes 7..21; one isotropic blur from 0.1 px, one anisotropic from 0.5 px²."""
    paper = PROFILES["paper"]
    blurs = [step for seed in range(400) for step in plan(Request(seed=seed, profile="paper"), (64, 64)).steps]
    sizes = {step.size for step in blurs if isinstance(step, Blur)}
    assert sizes == set(range(7, 22, 2))
    for seed in range(100):
        found = [s for s in plan(Request(seed=seed, profile="paper"), (64, 64)).steps if isinstance(s, Blur)]
        assert sorted(step.along == step.across for step in found) == [False, True]
    round_ = [draw_blur(Streams(seed).step(0), 2, paper, "isotropic") for seed in range(1000)]
    long = [draw_blur(Streams(seed).step(0), 4, paper, "anisotropic") for seed in range(1000)]
    assert uniform_p(np.sqrt([step.along for step in round_]), 0.1, 2.4) > LEAST_P
    assert uniform_p([step.across for step in long], 0.5, 8.0) > LEAST_P


def test_paper_noise_starts_at_one_level_and_the_middle_jpeg_has_three_quarters():
    """Levels 1..25; the JPEG among the shuffled steps has probability 0.75."""
    levels = {draw_normal(Streams(seed).step(4), Gaussian, PROFILES["paper"]).level for seed in range(1000)}
    assert levels == set(range(1, 26))
    recipes = [plan(Request(seed=seed, profile="paper"), (64, 64)) for seed in range(1500)]
    twice = sum(sum(isinstance(step, Jpeg) for step in recipe.steps) == 2 for recipe in recipes)
    assert share_p(twice, 1500, 0.75) > LEAST_P


def test_paper_reductions_are_four_kinds_at_one_place():
    """Linear, cubic, classical and down-up come in a quarter each, with nothing between both halves of a down-up."""
    counts = dict.fromkeys(("linear", "cubic", "classical", "down-up"), 0)
    ratios = []
    for seed in range(1500):
        steps = plan(Request(seed=seed, profile="paper", scale=2), (64, 64)).steps
        places = [n for n, step in enumerate(steps) if step.family == "resize"]
        assert places == list(range(places[0], places[-1] + 1))
        first = steps[places[0]]
        if isinstance(first, Classical):
            counts["classical"] += 1
        elif first.to == RATIO:
            counts["down-up"] += 1
            ratios.append(first.ratio)
        else:
            counts[first.interpolation] += 1
    assert chi_squared_p(list(counts.values())) > LEAST_P
    assert uniform_p(ratios, 0.5, 2) > LEAST_P


def test_references_are_retoned_as_far_as_the_camera_counts():
    """At half the strength half of the other tones is put on, in the reference as in the degraded picture."""
    image = picture("synthetic256")[:64, :64]
    steps = (Camera(shot=0.0, read=0.0, gamma_after=1.7, curve_after=0.2),)
    whole, half, none = (
        reference(image, plan(Request(mode="manual", steps=steps, strength=t), (64, 64))) for t in (1.0, 0.5, 0.0)
    )
    np.testing.assert_array_equal(none, image)
    assert np.abs(whole - image).max() > 0.1
    np.testing.assert_allclose(half, image + 0.5 * (whole - image), atol=1e-6)


def test_references_follow_sharpening_and_tones():
    """The reference is the source, sharpened for the plus variant and retoned by a camera with curves of its own."""
    image = picture("synthetic256")[:64, :64]
    np.testing.assert_array_equal(reference(image, plan(Request(seed=1), (64, 64))), image)
    plus = plan(Request(mode="bsrgan-plus", seed=1), (64, 64))
    np.testing.assert_array_equal(reference(image, plus), plus.steps[0].apply(image, plus.canvas))
    steps = ({"step": "camera", "gamma_after": 1.7, "curve_after": 0.2, "shot": 0, "read": 0},)
    toned = degrade(image, Request(mode="manual", steps=steps))
    wanted = reference(image, toned.recipe)
    assert psnr(wanted, image) < 25
    assert abs(float((toned.image - wanted).mean())) < 0.01
    unsharpened = plan(Request(mode="bsrgan-plus", seed=1, off=("sharpen", "camera")), (64, 64))
    np.testing.assert_array_equal(reference(image, unsharpened), image)


def test_sharpening_sharpens_edges_and_leaves_flat_parts():
    """An edge overshoots within 0..1, differences below the threshold stay."""
    image = flat(0.3, 96)
    image[:, 48:] = 0.6
    found = Sharpen().apply(image, Canvas((96, 96), 1))
    assert found[48, 47, 0] < 0.25
    assert found[48, 48, 0] > 0.65
    faint = flat(0.5, 96)
    faint[:, 48:] = 0.5 + 5 / 255
    np.testing.assert_allclose(Sharpen().apply(faint, Canvas((96, 96), 1)), faint, atol=1e-6)
