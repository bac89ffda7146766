"""What the plug-in knows of the degradation agrees with the backend, and becomes requests that the backend takes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bsrgan_backend import degradation
from bsrgan_plugin import degrade_options
from bsrgan_plugin.degrade_options import ENLARGEMENTS, FAMILIES, LARGEST_SEED, MODES, PRESETS, SCALES, Degradation
from bsrgan_plugin.outcomes import Refusal
from bsrgan_plugin.outputs import OutputMode
from bsrgan_wire import limits

KNOWN = degradation.describe()
degradations = st.builds(
    Degradation,
    mode=st.sampled_from(sorted(MODES)),
    preset=st.sampled_from(sorted(PRESETS)),
    scale=st.sampled_from(SCALES),
    seed=st.integers(0, LARGEST_SEED),
    strength=st.floats(0.0, 1.0),
    variation=st.floats(0.0, degrade_options.LARGEST_VARIATION),
    off=st.lists(st.sampled_from(sorted(FAMILIES)), unique=True).map(tuple),
    output=st.sampled_from([OutputMode.SAME_SIZE, OutputMode.NEW_IMAGE]),
    enlarge=st.sampled_from(sorted(ENLARGEMENTS)),
)


def test_the_tables_are_those_of_the_backend():
    """Ids, titles, limits and defaults are the same on both sides."""
    assert {name: told["title"] for name, told in KNOWN["presets"].items()} == PRESETS
    assert list(FAMILIES) == KNOWN["families"]
    assert {*MODES, "manual"} == set(KNOWN["modes"])
    assert {*ENLARGEMENTS, "none"} == set(KNOWN["options"]["same_size"]["options"])
    assert degrade_options.TEXT_BYTES == limits.TEXT_BYTES
    defaults = {name: told["default"] for name, told in KNOWN["options"].items()}
    own = Degradation()
    assert (own.mode, own.seed, own.strength, own.variation) == tuple(
        defaults[name] for name in ("mode", "seed", "strength", "variation")
    )
    assert degradation.plan(degradation.Request(), (8, 8)).to_json()["format"] == degrade_options.RECIPE_FORMAT


@settings(deadline=None, max_examples=60)
@given(asked=degradations)
def test_every_choice_is_a_request_that_the_backend_draws(asked):
    """Whatever the dialog can say is a valid request with the same meaning."""
    told = degrade_options.parameters(asked)
    assert list(told) == ["request"]
    request = degradation.read_request(json.loads(told["request"]))
    assert (request.mode, request.seed, request.strength) == (asked.mode, asked.seed, asked.strength)
    assert set(request.off) == set(asked.off)
    assert request.same_size == (asked.enlarge if asked.output is OutputMode.SAME_SIZE else "none")
    if asked.mode == "preset":
        assert (request.preset, request.variation) == (asked.preset, asked.variation)
    result = degradation.plan(request, (41, 53)).result
    assert asked.output is OutputMode.NEW_IMAGE or result == (41, 53)


@pytest.mark.parametrize("output", [OutputMode.SAME_SIZE, OutputMode.NEW_IMAGE])
def test_a_recipe_is_replayed_whatever_else_is_chosen(output):
    """Only the way back to the source's size comes from the dialog; the pixels are those of the recipe."""
    image = np.random.default_rng(1).random((24, 20, 3), np.float32)
    first = degradation.degrade(image, degradation.Request(mode="bsrgan-plus", seed=3))
    text = degrade_options.compact(first.recipe.dumps())
    assert "\n" not in text
    told = degrade_options.parameters(Degradation(mode="preset", seed=9, output=output, recipe=text))
    again = degradation.replay(image, degradation.loads(told["recipe"]))
    assert again.recipe.steps == first.recipe.steps
    if output is OutputMode.NEW_IMAGE:
        assert again.image.tobytes() == first.image.tobytes()
    else:
        assert again.image.shape == image.shape


def test_a_request_of_ones_own_is_passed_on():
    """Text of a request, as for the mode manual, reaches the backend with its steps."""
    text = json.dumps({"mode": "manual", "steps": [{"step": "jpeg", "quality": 30}]})
    told = degrade_options.parameters(Degradation(recipe=f" {text}\n"))
    request = degradation.read_request(json.loads(told["request"]))
    assert (request.mode, request.same_size, len(request.steps)) == ("manual", "nearest", 1)


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "7", '"bsrgan"', "{}", '{"format": "other", "mode": "bsrgan"}', '{"format": "bsrgan-degradation"}'],
)
def test_what_is_no_recipe_is_refused(text):
    """Other text is refused in one sentence that says what to do."""
    with pytest.raises(Refusal, match=r"leave it empty\.$"):
        degrade_options.parameters(Degradation(recipe=text))


def test_a_recipe_that_the_wire_cannot_carry_is_refused():
    """Too long a text is refused before it is sent."""
    text = json.dumps({"mode": "manual", "steps": [{"step": "jpeg"}] * 4000})
    with pytest.raises(Refusal, match="longer than"):
        degrade_options.parameters(Degradation(recipe=text))
