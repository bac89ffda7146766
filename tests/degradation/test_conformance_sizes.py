"""T5 to T7, T15 and T16: alignment, sizes, order and how often each kind comes."""

from __future__ import annotations

import itertools
from collections import Counter
from math import factorial

import numpy as np
import pytest

from bsrgan_backend.degradation import Request, cropped_to_multiple, degrade, modes, plan, reference, resizing
from bsrgan_backend.degradation.profiles import PROFILES
from bsrgan_backend.degradation.steps import RATIO, TARGET, Blur, Classical, Jpeg, Poisson, Resize, Sharpen, Speckle
from bsrgan_backend.degradation.streams import Streams
from support.degradation_pictures import picture
from support.degradation_statistics import chi_squared_p, share_p, uniform_p

LEAST_P = 1e-3
RUNS = 2000
OFFICIAL = PROFILES["official"]


def ramp(height, width, x_slope, y_slope):
    """A plane in one channel."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    return (0.2 + x_slope * x + y_slope * y).astype(np.float32)[..., None]


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("operator", ["linear", "cubic", "area", "antialiased", "classical"])
def test_t05_reductions_are_aligned_by_centres(operator, scale):
    """Pixel i of a reduced ramp is the ramp at scale·i + (scale - 1)/2, within 1e-4 px."""
    size = 48 * scale
    for slopes in ((0.6 / size, 0.0), (0.0, 0.6 / size)):
        image = np.repeat(ramp(size, size, *slopes), 3, axis=2)
        if operator == "classical":
            small = resizing.classical(image, scale, 0.3 * scale)
        else:
            small = resizing.resize(image, (48, 48), operator)
        at = scale * np.arange(48) + (scale - 1) / 2
        wanted = 0.2 + slopes[0] * at[None, :] + slopes[1] * at[:, None]
        error_px = np.abs(small[..., 0] - wanted)[8:-8, 8:-8].max() / max(slopes)
        # A float32 of 0.8 is exact to 6e-8, which is 2e-5 px of the flattest ramp here.
        assert error_px < 1e-4


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(257, 259), (300, 301), (96, 101)])
def test_t06_cropped_sizes_are_those_of_the_released_code(size, scale):
    """A picture cropped as the released code crops gives floor(H/scale) x floor(W/scale), halved before or not."""
    image = np.zeros((*size, 3), np.float32)
    hq = cropped_to_multiple(image, scale)
    assert hq.shape[:2] == (size[0] // scale * scale, size[1] // scale * scale)
    halved = set()
    for seed in range(12):
        recipe = plan(Request(scale=scale, seed=seed), hq.shape[:2])
        assert recipe.result == (size[0] // scale, size[1] // scale)
        halved.add(recipe.steps[0] == Resize(RATIO, 2.0, recipe.steps[0].interpolation) if is_resize(recipe) else False)
    if scale == 4:
        assert halved == {True, False}


def is_resize(recipe):
    """Whether the first step changes the size."""
    return isinstance(recipe.steps[0], Resize)


@pytest.mark.parametrize("mode", ["bsrgan", "bsrgan-plus"])
@pytest.mark.parametrize("size", [(257, 259), (5, 3), (1, 1), (4, 9)])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_t06_whole_pictures_keep_their_last_rows(mode, size, scale):
    """Nothing is cropped: H x W gives ceil(H/scale) x ceil(W/scale), and the promised size is the real one."""
    image = np.random.default_rng(1).random((*size, 3), dtype=np.float32)
    run = degrade(image, Request(mode=mode, scale=scale, seed=3))
    assert run.image.shape[:2] == (-(-size[0] // scale), -(-size[1] // scale)) == run.recipe.result
    assert reference(image, run.recipe).shape == image.shape


def test_t06_odd_sizes_agree_with_the_cropped_picture():
    """Away from the last pixels a picture of odd size is reduced exactly as its cropped part is."""
    image = picture("synthetic256")[:203, :157]
    for seed in range(12):
        request = Request(scale=4, seed=seed, strength=0.0)
        whole = degrade(image, request).image
        part = degrade(cropped_to_multiple(image, 4), request).image
        assert whole.shape[:2] == (51, 40)
        np.testing.assert_allclose(whole[:48, :37], part[:48, :37], atol=1e-6)


def orders(count):
    """Many orders of the seven steps."""
    return [tuple(modes.bsrgan_order(Streams(seed))) for seed in range(count)]


def test_t07_orders_are_uniform_with_the_reduction_first():
    """D2 stands before D3 always; both have the table's positions and the others every position alike."""
    count = 10000
    found = orders(count)
    places = {step: Counter(order.index(step) for order in found) for step in range(7)}
    assert all(order.index(modes.REDUCTION) < order.index(modes.TO_TARGET) for order in found)
    reduction = [places[modes.REDUCTION][place] for place in range(6)]
    target = [places[modes.TO_TARGET][place] for place in range(1, 7)]
    assert chi_squared_p(reduction, [(6 - place) / 21 for place in range(6)]) > LEAST_P
    assert chi_squared_p(target, [place / 21 for place in range(1, 7)]) > LEAST_P
    for step in (modes.FIRST_BLUR, modes.SECOND_BLUR, modes.NOISE, modes.JPEG, modes.CAMERA):
        assert chi_squared_p([places[step][place] for place in range(7)]) > LEAST_P
    for step in (modes.FIRST_BLUR, modes.NOISE):
        between = sum(
            order.index(modes.REDUCTION) < order.index(step) < order.index(modes.TO_TARGET) for order in found
        )
        assert share_p(between, count, 1 / 3) > LEAST_P


def test_t07_every_order_can_come(monkeypatch):
    """All 2520 orders with D2 before D3 are reachable, each by two permutations."""
    found = Counter()
    for permutation in itertools.permutations(range(7)):
        monkeypatch.setattr(Streams, "child", lambda *_, fixed=permutation: Fixed(fixed))
        found[tuple(modes.bsrgan_order(Streams(0)))] += 1
    assert len(found) == factorial(7) / 2 == 2520
    assert set(found.values()) == {2}


class Fixed:
    """A generator that knows one permutation."""

    def __init__(self, order):
        self.order = order

    def permutation(self, _):
        """The one."""
        return self.order


def test_t07_five_hundred_runs_hold_about_as_many_orders_as_the_released_code():
    """500 orders out of 2520 have 465 distinct ones in the released code; chance allows 440 to 475."""
    assert 440 <= len(set(orders(500))) <= 475


@pytest.fixture(scope="module")
def recipes():
    """Many plans at scale 4."""
    return [plan(Request(scale=4, seed=seed), (256, 256)) for seed in range(RUNS)]


def halving(recipe):
    """The step that halves in advance, or None: it is the one ratio beside D2."""
    ratios = [step for step in recipe.steps if isinstance(step, (Classical, Resize)) and is_reduction(step)]
    return ratios[0] if len(ratios) == 2 else None


def is_reduction(step):
    """Whether the step is D1 or D2."""
    return isinstance(step, Classical) or step.to == RATIO


def second(recipe):
    """D2."""
    return [step for step in recipe.steps if isinstance(step, (Classical, Resize)) and is_reduction(step)][-1]


def test_t15_halving_comes_in_a_quarter_and_half_of_it_antialiased(recipes):
    """D1 has probability 0.25, is antialiased in half of that, else one of three interpolations."""
    found = [step for recipe in recipes if (step := halving(recipe))]
    assert share_p(len(found), RUNS, 0.25) > LEAST_P
    kinds = Counter(step.interpolation for step in found)
    assert chi_squared_p([kinds[kind] for kind in ("antialiased", "linear", "cubic", "area")], [3, 1, 1, 1] / SIXTH) > (
        LEAST_P
    )
    assert all(step.ratio == 2.0 for step in found)
    assert all(recipe.steps[0] is halving(recipe) for recipe in recipes if halving(recipe))


SIXTH = np.float64(6)


def test_t15_classical_comes_in_a_quarter(recipes):
    """D2 is classical with probability 0.25, with a deviation up to 0.6 times the scale that is left."""
    found = [(recipe, step) for recipe in recipes if isinstance(step := second(recipe), Classical)]
    assert share_p(len(found), RUNS, 0.25) > LEAST_P
    assert all(step.scale == (2 if halving(recipe) else 4) for recipe, step in found)
    assert uniform_p([step.sigma for _, step in found if step.scale == 4], 0.1, 2.4) > LEAST_P


def test_t15_interpolations_and_ratios_are_uniform(recipes):
    """D2 and D3 take each interpolation in a third; D2's ratio is uniform over 1 to twice the scale that is left."""
    resized = [(recipe, step) for recipe in recipes if isinstance(step := second(recipe), Resize)]
    targets = [step for recipe in recipes for step in recipe.steps if isinstance(step, Resize) and step.to == TARGET]
    for steps in ([step for _, step in resized], targets):
        kinds = Counter(step.interpolation for step in steps)
        assert sorted(kinds) == ["area", "cubic", "linear"]
        assert chi_squared_p(list(kinds.values())) > LEAST_P
    assert len(targets) == RUNS
    assert uniform_p([step.ratio for recipe, step in resized if not halving(recipe)], 1, 8) > LEAST_P
    assert uniform_p([step.ratio for recipe, step in resized if halving(recipe)], 1, 4) > LEAST_P


def test_t15_blurs_shrink_after_halving(recipes):
    """What follows the halving is drawn for scale 2: isotropic deviations stay below 2.4 px instead of 2.8."""
    for recipe in recipes:
        limit = 2.4 if halving(recipe) else 2.8
        blurs = [step for step in recipe.steps if isinstance(step, Blur) and step.along == step.across]
        assert all(np.sqrt(step.along) <= limit for step in blurs)
    largest = max(
        np.sqrt(step.along)
        for recipe in recipes
        for step in recipe.steps
        if isinstance(step, Blur) and step.along == step.across
    )
    assert largest > 2.7


def test_t16_plus_keeps_its_halves_apart_unless_all_is_shuffled():
    """With probability 1 - shuffle only noise and JPEG change places among themselves; else any order may come."""
    count = 3000
    found = [modes.plus_order(Streams(seed), 0.1) for seed in range(count)]
    fixed = [
        order
        for order in found
        if order[:2] == [0, 1]
        and sorted(order[2:6]) == [2, 3, 4, 5]
        and order[6:9] == [6, 7, 8]
        and sorted(order[9:]) == [9, 10, 11, 12]
    ]
    assert share_p(len(fixed), count, 0.9) > LEAST_P
    assert len({tuple(order[2:6]) for order in fixed}) == len({tuple(order[9:]) for order in fixed}) == 24
    assert chi_squared_p(list(Counter(tuple(order[2:6]) for order in fixed).values())) > LEAST_P


def test_t16_plus_shuffles_uniformly():
    """When all is shuffled, every step has every position alike and the orders differ."""
    found = [tuple(modes.plus_order(Streams(seed), 1.0)) for seed in range(3000)]
    assert len(set(found)) == 3000
    for step in (0, 6, 12):
        assert chi_squared_p([sum(order[place] == step for order in found) for place in range(13)]) > LEAST_P
    assert all(sorted(order) == list(range(13)) for order in found)


def test_t16_plus_draws_rare_noise_in_a_tenth():
    """Poisson and speckle come with probability 0.1 each time, JPEG always in the middle and at the end."""
    count = 1000
    found = [plan(Request(mode="bsrgan-plus", scale=2, seed=seed), (64, 64)) for seed in range(count)]
    for kind in (Poisson, Speckle):
        assert share_p(sum(isinstance(s, kind) for r in found for s in r.steps), 2 * count, 0.1) > LEAST_P
    for recipe in found:
        assert sum(isinstance(step, Jpeg) for step in recipe.steps) == 2
        assert isinstance(recipe.steps[0], Sharpen)
        assert isinstance(recipe.steps[-1], Jpeg)
        assert recipe.steps[-2].to == TARGET


def test_t16_plus_resizes_up_in_a_fifth_and_down_in_seven_tenths():
    """The plus variant's resize enlarges by up to 2, reduces by up to twice the scale, or does nothing."""
    steps = [modes._plus_step(1, 4, OFFICIAL, Streams(seed)) for seed in range(2000)]
    up = [1 / step.ratio for step in steps if step and step.ratio < 1]
    down = [1 / step.ratio for step in steps if step and step.ratio >= 1]
    assert share_p(len(up), 2000, 0.2) > LEAST_P
    assert share_p(len(down), 2000, 0.7) > LEAST_P
    assert uniform_p(up, 1, 2) > LEAST_P
    assert uniform_p(down, 0.125, 1) > LEAST_P


def test_antialiased_halving_has_the_taps_of_matlab():
    """The eight taps of a reduction by 2 are those measured on the released code, and the border repeats its edge."""
    impulse = np.zeros((1, 32, 1), np.float32)
    impulse[0, 16] = 1
    row = resizing.antialiased(impulse, (1, 16))[0, :, 0]
    # Pixel 16 is at the offsets +4, +2, 0 and -2 from the pixels 2i of its neighbours.
    np.testing.assert_allclose(row[6:10], [-0.0117188, 0.1132812, 0.4335938, -0.0351562], atol=1e-6)
    assert np.count_nonzero(row) == 4
    edge = np.zeros((1, 8, 1), np.float32)
    edge[0, 0] = 1
    # Offsets 0 and, mirrored with the edge, -1.
    assert abs(resizing.antialiased(edge, (1, 4))[0, 0, 0] - (0.4335938 + 0.1132812)) < 1e-6
    step = np.repeat(np.arange(32) >= 16, 3).reshape(1, 32, 3).astype(np.float32)
    found = resizing.antialiased(step, (1, 16))
    assert abs(found.min() + 0.0117) < 0.04
    assert resizing.resize(step, (1, 16), "antialiased").min() == 0
