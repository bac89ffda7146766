"""Recipes: what they hold, how they are replayed, and what is said about damaged ones."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsrgan_backend.degradation import VERSION, Request, degrade, loads, plan, read_recipe, replay
from bsrgan_backend.degradation.presets import PRESETS
from bsrgan_backend.errors import BackendError
from support.degradation_pictures import picture


def recipe_of(**options):
    """A recipe of a small picture."""
    return plan(Request(**options), (40, 52))


def refusal(text):
    """The error of reading a text; its sentence is one."""
    with pytest.raises(BackendError) as caught:
        loads(text)
    assert caught.value.code in ("BAD_PARAM", "TOO_MANY_PIXELS")
    assert caught.value.text.endswith(".")
    return caught.value.text


def test_a_recipe_names_every_number():
    """Steps with all parameters and sizes, seed, version, sizes of source and result, and the build are there."""
    values = json.loads(recipe_of(seed=11, scale=4).dumps())
    assert values["format"] == "bsrgan-degradation"
    assert values["version"] == VERSION
    assert values["request"]["seed"] == 11
    assert values["request"]["scale"] == 4
    assert values["source"] == [40, 52, 3]
    assert values["result"] == [10, 13]
    assert "numpy" in values["build"]
    assert "opencv" in values["build"]
    by_name = {step["step"]: step for step in values["steps"]}
    assert {"along", "across", "theta", "size", "size_after"} <= set(by_name["blur"])
    assert isinstance(by_name["gaussian"]["seed"], int)
    assert values["steps"][-1]["size_after"] == [10, 13]


@settings(deadline=None, max_examples=80)
@given(
    st.integers(0, 2**53 - 1),
    st.sampled_from(["bsrgan", "bsrgan-plus", "preset"]),
    st.sampled_from(list(PRESETS)),
    st.sampled_from(["official", "paper"]),
    st.floats(0, 1),
    st.sampled_from(["none", "area"]),
)
def test_json_keeps_every_digit(seed, mode, preset, profile, strength, same_size):
    """A recipe read from its own text is equal to it in every number."""
    recipe = recipe_of(mode=mode, preset=preset, seed=seed, profile=profile, strength=strength, same_size=same_size)
    assert loads(recipe.dumps()) == recipe


@pytest.mark.parametrize("mode", ["bsrgan", "bsrgan-plus", "manual"])
def test_replay_works_on_another_size(mode):
    """The same numbers run on a larger and on a gray picture; sizes are worked out for it."""
    steps = ({"step": "blur"}, {"step": "gaussian"}, {"step": "resize"}, {"step": "jpeg"}) if mode == "manual" else ()
    recipe = degrade(picture("synthetic256")[:40, :52], Request(mode=mode, scale=4, seed=2, steps=steps)).recipe
    recipe = loads(recipe.dumps())
    for image in (picture("synthetic256"), np.ascontiguousarray(picture("synthetic256")[:99, :7, :1])):
        again = replay(image, recipe)
        assert again.image.shape == (*(-(-side // 4) for side in image.shape[:2]), image.shape[2])
        assert again.recipe.steps == recipe.steps
        assert again.recipe.source == image.shape[:2]
        assert again.recipe.result == again.image.shape[:2]
        assert loads(again.recipe.dumps()) == again.recipe


def test_replay_takes_numbers_from_the_recipe_alone():
    """A recipe whose seed was changed afterwards still gives the same bytes: nothing is drawn again."""
    image = picture("synthetic256")[:40, :52]
    run = degrade(image, Request(seed=4))
    values = run.recipe.to_json()
    values["request"]["seed"] = 999
    values["request"]["strength"] = 0.1
    assert replay(image, read_recipe(values)).image.tobytes() == run.image.tobytes()


def test_a_newer_recipe_asks_for_an_update():
    """A version that this program does not know is refused by its number."""
    values = recipe_of().to_json() | {"version": VERSION + 1}
    text = refusal(json.dumps(values))
    assert str(VERSION + 1) in text
    assert "update" in text


def test_truncated_recipes_are_refused_at_every_length():
    """A text that was cut off anywhere gives a sentence, never another error and never half a recipe."""
    text = recipe_of(seed=3).dumps()
    for end in range(0, len(text) - 1, 7):
        refusal(text[:end])


@pytest.mark.parametrize("part", ["format", "version", "request", "source", "steps", "build"])
@pytest.mark.parametrize("wrong", ["missing", None, 0, "x", [], {}, [1, 2], -3, 1e9, True])
def test_damaged_parts_are_refused(part, wrong):
    """Each part that is missing or of another kind gives a sentence."""
    values = recipe_of().to_json()
    if wrong == "missing":
        del values[part]
    else:
        values[part] = wrong
    if (part, wrong) in (("steps", []), ("version", True), ("build", "x")):
        return
    refusal(json.dumps(values))


@pytest.mark.parametrize("change", [{"along": None}, {"along": 1e9}, {"theta": "north"}, {"step": "warp"}, {"new": 1}])
def test_damaged_steps_are_refused(change):
    """A wrong number, an unknown name or an unknown step gives a sentence."""
    values = recipe_of(seed=3).to_json()
    blur = next(step for step in values["steps"] if step["step"] == "blur")
    blur.update(change)
    refusal(json.dumps(values))


def test_steps_without_a_number_are_refused():
    """A step from which one number was deleted is damaged: a default would not be what was run."""
    for name in ("along", "theta", "size"):
        values = recipe_of(seed=3).to_json()
        del next(step for step in values["steps"] if step["step"] == "blur")[name]
        assert "complete" in refusal(json.dumps(values))


def test_recipes_from_before_a_number_was_added_are_read():
    """A JPEG step without its amount is one of an older recipe, and runs whole as it did."""
    image = picture("synthetic256")[:40, :52]
    run = degrade(image, Request(seed=3))
    values = run.recipe.to_json()
    for step in values["steps"]:
        step.pop("amount", None)
    assert replay(image, read_recipe(values)).image.tobytes() == run.image.tobytes()
    assert read_recipe(values).steps == run.recipe.steps


@pytest.mark.parametrize("text", ["", "null", "[]", "3", '"x"', "{", "\x00", "[" * 100000, "NaN", b"\xff\xfe\x00"])
def test_texts_that_are_no_recipe_are_refused(text):
    """Anything else than a recipe gives a sentence."""
    refusal(text)


def test_not_a_number_is_refused():
    """NaN and infinity, which Python's JSON lets through, are no numbers of a step."""
    for bad in ("NaN", "Infinity", "-Infinity", "1e999"):
        text = json.dumps(recipe_of(seed=3).to_json())
        start = text.index('"along": ') + len('"along": ')
        end = text.index(",", start)
        refusal(text[:start] + bad + text[end:])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=6,
)


@settings(deadline=None, max_examples=300)
@given(st.data(), st.integers(0, 20))
def test_any_change_is_refused_or_is_a_recipe(data, seed):
    """Whatever one value of a recipe is replaced by, reading it works or gives a sentence."""
    values = recipe_of(seed=seed, mode="bsrgan-plus").to_json()
    holder = data.draw(st.sampled_from([values, values["request"], *values["steps"]]))
    holder[data.draw(st.sampled_from(sorted(holder)))] = data.draw(JSON)
    try:
        assert read_recipe(values).result
    except BackendError as error:
        assert error.code in ("BAD_PARAM", "TOO_MANY_PIXELS")  # noqa: PT017 - both outcomes are right


def test_a_recipe_knows_whether_its_replay_is_exact():
    """A recipe of this build says so; one of other libraries does not, and keeps their names."""
    recipe = recipe_of()
    assert recipe.is_of_this_build
    other = read_recipe(recipe.to_json() | {"build": "numpy 1, opencv 2"})
    assert not other.is_of_this_build
    assert loads(other.dumps()).build == "numpy 1, opencv 2"


def test_recipes_of_huge_pictures_are_refused():
    """A source that nobody could hold is refused without work."""
    values = recipe_of().to_json()
    values["source"] = [10**6, 10**6, 3]
    refusal(json.dumps(values))
