"""T13, T14 and T19: nothing is modified, everything repeats, and neutral stays neutral."""

from __future__ import annotations

import random

import cv2
import numpy as np
import pytest

from bsrgan_backend.degradation import Request, degrade, loads, reference, replay
from bsrgan_backend.degradation.noise import GRAY
from bsrgan_backend.degradation.presets import PRESETS
from bsrgan_backend.degradation.steps import STEPS, Canvas, Gaussian, Poisson, Resize, Speckle
from support.degradation_pictures import neutral, picture

REQUESTS = {
    "official": Request(seed=5),
    "camera": Request(seed=17, scale=2),
    "paper": Request(seed=3, profile="paper", scale=3),
    "plus": Request(mode="bsrgan-plus", seed=8, shuffle=1.0),
    "same size": Request(seed=2, same_size="bicubic", strength=0.6),
    **{name: Request(mode="preset", preset=name, seed=1) for name in PRESETS},
}


def state_of_globals():
    """Both global random states, comparable."""
    kind, keys, *rest = np.random.get_state()
    return kind, keys.tobytes(), rest, random.getstate()


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_t13_runs_are_pure(request_):
    """The source keeps its bytes, the result is a new contiguous float32 array in 0..1, no global state is touched."""
    image = picture("synthetic256")[:97, :130]
    image.flags.writeable = False
    before, states = image.tobytes(), state_of_globals()
    run = degrade(image, request_)
    reference(image, run.recipe)
    assert image.tobytes() == before
    assert state_of_globals() == states
    assert run.image.dtype == np.float32
    assert run.image.flags.c_contiguous
    assert run.image.flags.writeable
    assert run.image.min() >= 0
    assert run.image.max() <= 1
    assert not np.shares_memory(run.image, image)


@pytest.mark.parametrize("name", list(STEPS))
@pytest.mark.parametrize("channels", [1, 3])
def test_t13_each_step_is_pure(name, channels):
    """Every step leaves its picture alone and gives a new array of the same kind."""
    image = np.ascontiguousarray(picture("synthetic256")[:48, :64, :channels])
    image.flags.writeable = False
    found = STEPS[name]().apply(image, Canvas((48, 64), 2))
    assert found.dtype == np.float32
    assert found.shape[2] == channels
    assert not np.shares_memory(found, image)


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_t14_runs_repeat_to_the_byte(request_):
    """The same picture and request give the same bytes with one thread and several, and from the recipe's JSON."""
    image = picture("synthetic256")[:151, :200]
    threads = cv2.getNumThreads()
    try:
        found = []
        for count in (1, 2, 7):
            cv2.setNumThreads(count)
            found.append(degrade(image, request_))
    finally:
        cv2.setNumThreads(threads)
    assert len({run.image.tobytes() for run in found}) == 1
    assert len({run.recipe.dumps() for run in found}) == 1
    again = replay(image, loads(found[0].recipe.dumps()))
    assert again.image.tobytes() == found[0].image.tobytes()
    assert again.recipe == found[0].recipe


def test_t14_many_seeds_repeat_with_any_number_of_threads():
    """Large kernels, every interpolation and the camera give the same bytes with one thread and with several."""
    image = cv2.resize(picture("skimage_astronaut_area256"), (400, 600), interpolation=cv2.INTER_CUBIC)
    image = np.clip(image, 0, 1)
    threads = cv2.getNumThreads()
    try:
        for seed in range(15):
            request = Request(seed=seed, scale=4)
            cv2.setNumThreads(1)
            one = degrade(image, request).image.tobytes()
            cv2.setNumThreads(4)
            assert degrade(image, request).image.tobytes() == one
    finally:
        cv2.setNumThreads(threads)


def test_t14_runs_do_not_depend_on_what_ran_before():
    """Other runs in between, in any order, change nothing."""
    image = picture("synthetic256")[:80, :80]
    forwards = [degrade(image, Request(seed=seed)).image.tobytes() for seed in range(8)]
    backwards = [degrade(image, Request(seed=seed)).image.tobytes() for seed in reversed(range(8))]
    assert forwards == backwards[::-1]
    assert len(set(forwards)) == 8


@pytest.mark.parametrize("quality", [30, 60, 95])
@pytest.mark.parametrize("scale", [2, 4])
def test_t19_neutral_stays_neutral(quality, scale):
    """Blur, every resize, gray noise and JPEG leave a picture without colour exactly without colour."""
    steps = (
        {"step": "blur", "along": 3.0, "across": 0.5, "theta": 0.7, "size": 15},
        {"step": "gaussian", "kind": GRAY, "level": 12},
        {"step": "poisson", "kind": GRAY, "peak": 300},
        {"step": "speckle", "kind": GRAY, "level": 9},
        *({"step": "resize", "to": "ratio", "ratio": 1.2, "interpolation": i} for i in ("linear", "cubic", "area")),
        {"step": "jpeg", "quality": quality},
        {"step": "blur", "along": 1.0, "across": 1.0},
        {"step": "resize", "interpolation": "antialiased"},
        {"step": "jpeg", "quality": quality},
    )
    found = degrade(neutral(), Request(mode="manual", scale=scale, steps=steps)).image
    assert np.ptp(found, axis=2).max() == 0


def test_t19_random_runs_without_coloured_steps_stay_neutral():
    """A whole run on a neutral picture is neutral unless colour noise or the camera was drawn."""
    seen = set()
    for seed in range(60):
        run = degrade(neutral(), Request(seed=seed, scale=2))
        noisy = [s for s in run.recipe.steps if isinstance(s, (Gaussian, Speckle, Poisson)) and s.kind != GRAY]
        coloured = bool(noisy) or any(step.name == "camera" for step in run.recipe.steps)
        seen.add(coloured)
        if not coloured:
            assert np.ptp(run.image, axis=2).max() == 0
    assert seen == {True, False}


def test_gray_pictures_are_the_same_as_neutral_ones():
    """One channel gives what three equal channels give, wherever no step makes colour."""
    three = neutral()
    one = np.ascontiguousarray(three[..., :1])
    compared = 0
    for seed in range(40):
        request = Request(seed=seed, scale=2, off=("camera",))
        gray, rgb = degrade(one, request), degrade(three, request)
        assert gray.image.shape == (32, 32, 1)
        if all(step.kind == GRAY for step in rgb.recipe.steps if isinstance(step, Gaussian)):
            assert np.abs(gray.image - rgb.image[..., :1]).max() < 2 / 255 + 1e-6
            compared += 1
    assert compared > 5


def test_a_switched_off_step_leaves_the_others_as_they_were():
    """Without JPEG the remaining steps have the numbers that they have with it."""
    whole = degrade(neutral(), Request(seed=4)).recipe.steps
    part = degrade(neutral(), Request(seed=4, off=("jpeg",))).recipe.steps
    assert part == tuple(step for step in whole if step.family != "jpeg")
    assert any(isinstance(step, Resize) for step in part)
