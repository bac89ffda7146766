"""The options of an upscale job."""

from __future__ import annotations

import pytest

from bsrgan_backend.errors import BackendError
from bsrgan_backend.worker.options import Options


def test_nothing_asked_is_the_network_alone():
    """Without params everything has its default and the engine is told nothing."""
    assert Options.of(None) == Options.of({}) == Options()
    assert Options().engine_options(1000) == {}


def test_everything_can_be_asked():
    """Each key is read, unknown ones are ignored, and the engine gets its part."""
    params = {"strength": 40, "texture": 12.5, "precision": "fast", "tile": 256, "memory": 10**9, "alpha": "kernel"}
    options = Options.of({**params, "colour_of_the_future": True})
    assert options == Options(0.4, 0.125, "fast", 256, 10**9, "kernel")
    wanted = {"precision": "fast", "tile": 256, "memory_budget_bytes": 10**9 - 1000}
    assert options.engine_options(1000) == wanted


def test_a_budget_below_what_is_held_is_no_default():
    """A budget that the job itself uses up is still told to the engine, which refuses it."""
    assert Options.of({"memory": 5}).engine_options(1000) == {"memory_budget_bytes": 1}


@pytest.mark.parametrize("value", [-1, 101, float("nan"), float("inf"), "50", None, True])
@pytest.mark.parametrize("key", ["strength", "texture"])
def test_sliders_are_numbers_from_0_to_100(key, value):
    """Anything else is BAD_PARAM with a sentence that names the option."""
    with pytest.raises(BackendError) as caught:
        Options.of({key: value})
    assert caught.value.code == "BAD_PARAM"
    assert key in caught.value.text


@pytest.mark.parametrize(
    "params",
    [
        {"precision": "double"},
        {"precision": None},
        {"alpha": "magic"},
        {"tile": -1},
        {"tile": 70000},
        {"tile": 1.5},
        {"tile": True},
        {"memory": -1},
        {"memory": "4G"},
    ],
)
def test_bad_values_are_refused(params):
    """Values outside an option's range are BAD_PARAM."""
    with pytest.raises(BackendError) as caught:
        Options.of(params)
    assert caught.value.code == "BAD_PARAM"
