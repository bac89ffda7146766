"""Checks of a SUBMIT, on numbers alone."""

from __future__ import annotations

import pytest

from bsrgan_backend.daemon.intake import check_submit, installed_models
from bsrgan_backend.errors import BackendError
from bsrgan_backend.settings import Settings
from bsrgan_wire import limits, preview
from support.daemons import add_model, order

MODELS = ["bsrgan-x4", "other"]

BAD = {
    "no width": ({"width": 0}, "ZERO_SIZE"),
    "no height": ({"height": 0}, "ZERO_SIZE"),
    "nothing": ({"width": 0, "height": 0}, "ZERO_SIZE"),
    "empty result": ({"out_width": 0}, "ZERO_SIZE"),
    "negative": ({"width": -1}, "BAD_SHAPE"),
    "negative both": ({"width": -5, "height": -5}, "BAD_SHAPE"),
    "negative result": ({"out_height": -(2**53)}, "BAD_SHAPE"),
    "no channels": ({"channels": 0}, "BAD_SHAPE"),
    "five channels": ({"channels": 5}, "BAD_SHAPE"),
    "negative channels": ({"channels": -1}, "BAD_SHAPE"),
    "long side": ({"width": limits.SIDE_PX + 1, "height": 1}, "TOO_MANY_PIXELS"),
    "2^31": ({"width": 2**31, "height": 2**31}, "TOO_MANY_PIXELS"),
    "2^53": ({"width": 2**53, "height": 2**53}, "TOO_MANY_PIXELS"),
    "too large": ({"width": 32_768, "height": 16_385}, "TOO_MANY_PIXELS"),
    "result too large": ({"out_width": 32_769, "out_height": 32_768}, "TOO_MANY_PIXELS"),
    "f64": ({"dtype": "f64"}, "BAD_DTYPE"),
    "no dtype": ({"dtype": ""}, "BAD_DTYPE"),
    "U8": ({"dtype": "U8"}, "BAD_DTYPE"),
    "task": ({"task": "mine bitcoin"}, "BAD_PARAM"),
    "size left to a task that takes one": ({"out_width": 0, "out_height": 0}, "ZERO_SIZE"),
    "half a size left to the task": ({"task": "degrade", "out_width": 0}, "ZERO_SIZE"),
    "too large, with a size left to the task": (
        {"task": "degrade", "width": 32_768, "height": 16_385, "out_width": 0, "out_height": 0},
        "TOO_MANY_PIXELS",
    ),
    "space": ({"space": "linear-ish"}, "BAD_PARAM"),
    "device": ({"device": "cuda"}, "BAD_PARAM"),
    "path as model": ({"model": "../../etc/passwd"}, "BAD_PARAM"),
    "newline": ({"model": "bsrgan-x4\n"}, "BAD_PARAM"),
    "unknown model": ({"model": "nope"}, "MODEL_MISSING"),
}


def test_a_missing_default_leaves_the_choice_to_the_worker():
    """An order without a model works as soon as any model is installed; a model asked for by name must be there."""
    settings = Settings(model="not-there")
    assert check_submit(order(), settings, MODELS) == ""
    with pytest.raises(BackendError, match="MODEL_MISSING"):
        check_submit(order(), settings, [])
    with pytest.raises(BackendError, match="MODEL_MISSING"):
        check_submit(order(model="not-there"), settings, MODELS)


@pytest.mark.parametrize(
    ("model", "advice"), [("bsrgan-x2", "models download bsrgan-x2'"), ("nope", "'gimp-bsrgan models list' shows what")]
)
def test_only_what_is_published_is_to_be_downloaded(model, advice):
    """A model that is not installed comes with an advice that helps."""
    with pytest.raises(BackendError) as caught:
        check_submit(order(model=model), Settings(), MODELS)
    assert advice in caught.value.text
    assert ("download" in caught.value.text) == (model != "nope")


@pytest.mark.parametrize(("fields", "code"), BAD.values(), ids=BAD)
def test_bad_orders_are_refused_with_their_code(fields, code):
    """Each kind of wrong order has its own code and a sentence, found without allocating anything."""
    sizes = {"out_width": 16, "out_height": 12}
    with pytest.raises(BackendError) as caught:
        check_submit(order(**{**sizes, **fields}), Settings(), MODELS)
    assert caught.value.code == code
    assert caught.value.text.endswith(".")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"width": 1, "height": 1},
        {"width": limits.SIDE_PX, "height": 1, "out_width": limits.SIDE_PX, "out_height": 1},
        {"width": 32_768, "height": 16_384, "out_width": 32_768, "out_height": 32_768},
        {"device": "gpu:1"},
        {"out_width": 4, "out_height": 3},
    ],
)
def test_good_orders_use_the_default_model(fields):
    """Extreme but possible orders pass, and an empty model means the setting's."""
    assert check_submit(order(**fields), Settings(model="other"), MODELS) == "other"


def test_a_small_factor_takes_the_small_network():
    """Without a model's name twice the size is the x2 network's work, in a preview the factor of the whole picture."""
    pair = ["bsrgan-x2", "bsrgan-x4"]
    doubled, fourfold = {"out_width": 8, "out_height": 6}, {"out_width": 16, "out_height": 12}
    assert check_submit(order(**doubled), Settings(), pair) == "bsrgan-x2"
    assert check_submit(order(**fourfold), Settings(), pair) == "bsrgan-x4"
    assert check_submit(order(**doubled, model="bsrgan-x4"), Settings(), pair) == "bsrgan-x4"
    for factor, model in ((2, "bsrgan-x2"), (4, "bsrgan-x4")):
        place = preview.Place.around((16, 12), (16 * factor, 12 * factor), preview.Rectangle(4, 4, 8, 8))
        request = place.request(3, "u8")
        sizes = {"width": request.width, "height": request.height}
        results = {"out_width": request.out_width, "out_height": request.out_height}
        fields = {**sizes, **results, "task": preview.TASK, "params": request.params}
        assert check_submit(order(**fields), Settings(), pair) == model


def test_a_task_without_a_model_needs_none_installed():
    """Such an order passes with no model installed, names none whatever it says, and may leave its size open."""
    for fields in ({}, {"model": "nope"}, {"out_width": 0, "out_height": 0}):
        assert check_submit(order(task="degrade", **fields), Settings(), []) == ""


def test_the_settings_limits_count():
    """A lower limit of the user is kept."""
    settings = Settings(input_px=100, output_px=1000)
    check_submit(order(10, 10, out_width=100, out_height=10), settings, MODELS)
    for fields in ({"width": 101, "height": 1}, {"out_width": 1001, "out_height": 1}):
        with pytest.raises(BackendError, match="megapixels"):
            check_submit(order(**{"out_width": 1, "out_height": 1, **fields}), settings, MODELS)


def test_models_are_the_facts_files(tmp_path):
    """Ids are file names; files that cannot be ids are not models, and no folder means no models."""
    assert installed_models(tmp_path) == []
    for name in ("b", "a-x4", "not a model", ".hidden"):
        add_model(tmp_path, name)
    (tmp_path / "models" / "x.safetensors").write_text("")
    assert installed_models(tmp_path) == ["a-x4", "b"]
