"""What may be asked for, and the sentence for what may not."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsrgan_backend.degradation import Request, Stopped, degrade, describe, plan, read_request, reference, replay
from bsrgan_backend.degradation.presets import PRESETS
from bsrgan_backend.degradation.steps import STEPS, Blur, Gaussian, Jpeg
from bsrgan_backend.errors import BackendError
from support.degradation_pictures import flat, picture

IMAGE = flat(0.5, 16)


def refusal(call, *arguments, **options):
    """The error of a call; its sentence is one."""
    with pytest.raises(BackendError) as caught:
        call(*arguments, **options)
    text = caught.value.text
    assert text.endswith(".")
    assert len(text) < 400
    assert "Traceback" not in text
    return caught.value


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (np.zeros((4, 4, 4), np.float32), "BAD_SHAPE"),
        (np.zeros((4, 4, 2), np.float32), "BAD_SHAPE"),
        (np.zeros((4, 4), np.float32), "BAD_SHAPE"),
        (np.zeros((0, 4, 3), np.float32), "ZERO_SIZE"),
        (np.zeros((4, 4, 3), np.uint8), "BAD_DTYPE"),
        (np.zeros((4, 4, 3), np.float64), "BAD_DTYPE"),
        (np.full((4, 4, 3), np.nan, np.float32), "NONFINITE"),
        (np.full((4, 4, 1), np.inf, np.float32), "NONFINITE"),
        (np.full((4, 4, 3), 200, np.float32), "BAD_PARAM"),
        (np.full((4, 4, 3), -0.1, np.float32), "BAD_PARAM"),
    ],
)
def test_pictures_that_the_model_is_not_made_for_are_refused(image, code):
    """Other channels, types and values give their code and a sentence, in runs, replays and references alike."""
    recipe = plan(Request(), (4, 4))
    assert refusal(degrade, image, Request()).code == code
    assert refusal(replay, image, recipe).code == code
    assert refusal(reference, image, recipe).code == code


def test_one_nan_among_many_values_is_found():
    """A single NaN is refused, wherever it is."""
    for place in ((0, 0, 0), (15, 15, 2), (7, 3, 1)):
        image = IMAGE.copy()
        image[place] = np.nan
        assert refusal(degrade, image, Request()).code == "NONFINITE"


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"mode": "realesrgan"}, "mode"),
        ({"mode": None}, "mode"),
        ({"scale": 1}, "2, 3 or 4"),
        ({"scale": 5}, "scale"),
        ({"scale": 2.5}, "scale"),
        ({"scale": True}, "scale"),
        ({"scale": "4"}, "scale"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**53}, "seed"),
        ({"profile": "ours"}, "profile"),
        ({"mode": "preset", "preset": "vhs"}, "preset"),
        ({"strength": 1.5}, "strength"),
        ({"strength": float("nan")}, "not a number"),
        ({"variation": -0.1}, "variation"),
        ({"same_size": "lanczos"}, "same_size"),
        ({"off": ["colour"]}, "off"),
        ({"off": "blur"}, "off"),
        ({"off": [["blur"]]}, "off"),
        ({"shuffle": 2}, "shuffle"),
        ({"sead": 3}, "sead"),
        ({"mode": "manual"}, "no steps"),
        ({"steps": [{"step": "blur"}]}, "manual"),
        ({"mode": "manual", "steps": {}}, "list"),
        ({"mode": "manual", "steps": [{"step": "jpg"}]}, "jpg"),
        ({"mode": "manual", "steps": [{"quality": 30}]}, "has no name"),
        ({"mode": "manual", "steps": ["jpeg"]}, "has no name"),
        ({"mode": "manual", "steps": [{"step": ["jpeg"]}]}, "Step 1"),
        ({"mode": "manual", "steps": [{"step": "jpeg", "quality": 101}]}, "quality"),
        ({"mode": "manual", "steps": [{"step": "jpeg", "qualty": 10}]}, "qualty"),
        ({"mode": "manual", "steps": [{"step": "blur", "along": -1}]}, "along"),
        ({"mode": "manual", "steps": [{"step": "blur", "along": float("nan")}]}, "along"),
        ({"mode": "manual", "steps": [{"step": "blur", "size": 8}]}, "odd"),
        ({"mode": "manual", "steps": [{"step": "blur"}] * 65}, "64"),
        ({"mode": "manual", "steps": [{"step": "resize", "ratio": 0}]}, "ratio"),
        ({"mode": "manual", "steps": [{"step": "resize", "interpolation": "sinc"}]}, "interpolation"),
        ({"mode": "manual", "steps": [{"step": "gaussian", "covariance": [1, 2]}]}, "covariance"),
        ({"mode": "manual", "steps": [{"step": "gaussian", "level": float("inf")}]}, "level"),
        ({"mode": "manual", "steps": [{"step": "camera", "mix": [0, 0, 0, 0]}]}, "mix"),
    ],
)
def test_wrong_options_are_named_in_one_sentence(values, word):
    """Each wrong option gives BAD_PARAM and a sentence that names it."""
    error = refusal(read_request, values)
    assert error.code == "BAD_PARAM"
    assert word in error.text


@pytest.mark.parametrize("values", [None, [], "bsrgan", 4])
def test_options_that_are_no_object_are_refused(values):
    """Anything but an object of names and values is refused."""
    assert refusal(read_request, values).code == "BAD_PARAM"


def test_requests_made_in_python_are_checked_too():
    """A wrong value that no JSON carried is found before any pixel is touched."""
    for request in (Request(scale=7), Request(mode="manual", steps=(Jpeg(0),)), Request(mode="manual")):
        assert refusal(degrade, IMAGE, request).code == "BAD_PARAM"
    assert refusal(plan, Request(), (0, 4)).code == "ZERO_SIZE"


def test_requests_survive_json():
    """A request read from its own JSON is the same request, its steps included."""
    request = Request(mode="manual", scale=2, seed=9, off=("jpeg",), steps=(Blur(2.0, 1.0, 0.5), Gaussian(level=3.0)))
    assert read_request(json.loads(json.dumps(request.to_json()))) == request
    assert read_request({}) == Request()


def test_whole_floats_count_as_integers():
    """Languages without integers send 4.0."""
    assert read_request({"scale": 4.0, "seed": 7.0}) == Request(scale=4, seed=7)


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from([1, 3]),
    st.integers(0, 2**53 - 1),
    st.sampled_from([2, 3, 4]),
    st.sampled_from(["bsrgan", "bsrgan-plus"]),
    st.sampled_from(["official", "paper"]),
    st.sampled_from(["none", "nearest", "bicubic", "area"]),
    st.floats(0, 1),
)
def test_every_small_picture_gets_its_size(size, channels, seed, scale, mode, profile, same_size, strength):
    """Any picture, down to one pixel and below the scale, gives the promised size, channels and range."""
    image = np.random.default_rng(0).random((*size, channels), dtype=np.float32)
    request = Request(
        mode=mode, scale=scale, seed=seed, profile=profile, same_size=same_size, strength=strength, shuffle=0.5
    )
    run = degrade(image, request)
    wanted = size if same_size != "none" else tuple(-(-side // scale) for side in size)
    assert run.image.shape == (*wanted, channels)
    assert run.recipe == plan(request, size, channels)
    assert np.isfinite(run.image).all()
    assert run.image.min() >= 0
    assert run.image.max() <= 1


@pytest.mark.parametrize("size", [(7, 5000), (5000, 7), (1, 3000)])
def test_long_and_thin_pictures_work(size):
    """Extreme shapes give their size in every mode."""
    image = np.random.default_rng(0).random((*size, 3), dtype=np.float32)
    for request in (Request(seed=6), Request(mode="bsrgan-plus", seed=1), Request(mode="preset", preset="low-light")):
        run = degrade(image, request)
        assert run.image.shape[:2] == run.recipe.result


def test_what_jpeg_cannot_hold_is_said():
    """A side beyond JPEG's limit gives a sentence instead of a wrong result."""
    image = np.zeros((1, 65501, 1), np.float32)
    error = refusal(degrade, image, Request(mode="manual", steps=(Jpeg(),)))
    assert error.code == "BAD_SHAPE"
    assert "JPEG" in error.text


def test_steps_that_make_too_much_of_a_picture_are_refused_before_work():
    """Enlarging again and again is refused by its planned sizes."""
    steps = tuple({"step": "resize", "to": "ratio", "ratio": 0.125} for _ in range(6))
    error = refusal(plan, read_request({"mode": "manual", "steps": steps}), (64, 64))
    assert error.code == "TOO_MANY_PIXELS"


def test_a_run_stops_between_steps():
    """`should_stop` is asked before each step and ends the run with an exception of its own."""
    asked = []

    def third_time():
        asked.append(True)
        return len(asked) == 3

    with pytest.raises(Stopped):
        degrade(IMAGE, Request(seed=1), should_stop=third_time)
    assert len(asked) == 3
    with pytest.raises(Stopped):
        replay(IMAGE, plan(Request(seed=1), (16, 16)), should_stop=lambda: True)


def test_progress_counts_the_steps():
    """Each step is announced by number and name, and the end too."""
    told = []
    run = degrade(IMAGE, Request(seed=1), on_step=lambda done, total, name: told.append((done, total, name)))
    count = len(run.recipe.steps)
    assert told == [*((n, count, step.name) for n, step in enumerate(run.recipe.steps)), (count, count, "")]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", list(STEPS))
def test_each_step_works_alone_with_its_defaults(name, channels):
    """Every step runs by its name in the manual mode, on colour and on gray, and says so in the recipe."""
    image = np.ascontiguousarray(picture("synthetic256")[:33, :47, :channels])
    run = degrade(image, read_request({"mode": "manual", "scale": 2, "steps": [{"step": name}]}))
    assert [step.name for step in run.recipe.steps] == [name]
    assert run.image.shape == (*run.recipe.result, channels)
    assert run.recipe.result == ((17, 24) if name in ("resize", "classical") else (33, 47))
    if run.image.shape == image.shape:
        assert (run.image != image).any()


def test_manual_steps_run_in_their_order():
    """Two orders of the same steps give different pictures, and the recipe keeps the order."""
    steps = ({"step": "jpeg", "quality": 20}, {"step": "blur", "along": 4, "across": 4})
    image = picture("synthetic256")[:64, :64]
    one = degrade(image, Request(mode="manual", steps=steps))
    two = degrade(image, Request(mode="manual", steps=steps[::-1]))
    assert [step.name for step in one.recipe.steps] == ["jpeg", "blur"]
    assert (one.image != two.image).any()


def test_manual_noise_follows_the_seed_unless_it_has_its_own():
    """Noise without a seed of its own changes with the request's; correlated noise has the level asked for."""
    image = flat(0.5, 64)

    def noise(request_seed, **options):
        step = {"step": "gaussian", "level": 8, **options}
        return degrade(image, read_request({"mode": "manual", "seed": request_seed, "steps": [step]}))

    assert (noise(1).image != noise(2).image).any()
    assert (noise(1, seed=5).image == noise(2, seed=5).image).all()
    covariance = np.array(noise(1, kind="correlated").recipe.steps[0].covariance).reshape(3, 3)
    assert 0 < np.trace(covariance) <= 3 * 8**2


@pytest.mark.parametrize("way", ["nearest", "bicubic", "area"])
@pytest.mark.parametrize("size", [(61, 90), (64, 64), (3, 2)])
def test_same_size_brings_the_result_back(way, size):
    """The result has the source's size, and lies where the source lay."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    image = np.repeat(((x + y) / (x + y).max())[..., None], 3, axis=2).astype(np.float32)
    request = Request(mode="manual", scale=4, same_size=way, steps=({"step": "resize", "interpolation": "area"},))
    found = degrade(image, request).image
    assert found.shape == image.shape
    if min(size) > 10:
        inner = (slice(8, -8), slice(8, -8))
        assert abs((found[inner] - image[inner]).mean()) < 1e-3


def test_nearest_shows_the_pixels_of_the_small_picture():
    """Same size by nearest repeats each pixel of the small result scale x scale times."""
    image = picture("synthetic256")[:64, :64]
    small = degrade(image, Request(seed=3, scale=4)).image
    shown = degrade(image, Request(seed=3, scale=4, same_size="nearest")).image
    np.testing.assert_array_equal(shown, small.repeat(4, axis=0).repeat(4, axis=1))


@pytest.mark.parametrize("family", ["blur", "resize", "noise", "jpeg", "camera", "sharpen"])
def test_switches_take_a_family_out(family):
    """No step of a family that is off is run; without resizing the picture keeps its size."""
    for seed in range(6):
        request = Request(mode="bsrgan-plus", seed=seed, off=(family,), shuffle=1.0)
        recipe = degrade(picture("synthetic256")[:30, :41], request).recipe
        assert all(step.family != family for step in recipe.steps)
        assert (recipe.result == (30, 41)) == (family == "resize")


def test_with_everything_off_the_picture_comes_back():
    """Without any step the result is a copy."""
    image = picture("synthetic256")[:31, :33]
    found = degrade(image, Request(off=("blur", "resize", "noise", "jpeg", "camera", "sharpen"))).image
    np.testing.assert_array_equal(found, image)
    assert not np.shares_memory(found, image)


def test_the_catalogue_says_everything_as_json():
    """Modes, presets, options and steps are listed with bounds and defaults that can be sent anywhere."""
    told = json.loads(json.dumps(describe()))
    assert set(told["presets"]) == set(PRESETS)
    assert set(told["steps"]) == set(STEPS)
    assert told["steps"]["jpeg"]["parameters"]["quality"] == {
        "kind": "integer", "low": 1, "high": 100, "unit": "", "default": 75,
    }  # fmt: skip
    assert told["options"]["mode"]["options"] == ["bsrgan", "bsrgan-plus", "manual", "preset"]
