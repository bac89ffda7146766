"""The recipe in words."""

from __future__ import annotations

import json

import pytest

from bsrgan_backend import degradation
from bsrgan_plugin.recipe_text import lines_of


@pytest.mark.parametrize("mode", ["bsrgan", "bsrgan-plus"])
@pytest.mark.parametrize("seed", range(12))
def test_every_step_is_a_line_with_its_numbers_and_size(mode, seed):
    """A recipe of the backend becomes a head and one line for each step, none of them by its bare name."""
    recipe = degradation.plan(degradation.Request(mode=mode, seed=seed), (48, 40))
    head, *lines = lines_of(recipe.dumps())
    assert head == f"{mode}, scale 4, seed {seed}"
    assert len(lines) == len(recipe.steps)
    for number, (line, step, size) in enumerate(zip(lines, recipe.steps, recipe.sizes, strict=True), 1):
        assert line.startswith(f"{number}. ")
        assert line.endswith(f" → {size[1]} × {size[0]}")  # noqa: RUF001 - the multiplication sign
        assert line.split(". ", 1)[1].partition(" → ")[0] != step.name


@pytest.mark.parametrize("preset", sorted(degradation.describe()["presets"]))
def test_a_preset_is_named(preset):
    """The head of a preset's recipe is its name, and all of its steps are told."""
    recipe = degradation.plan(degradation.Request(mode="preset", preset=preset, seed=2), (48, 40))
    head, *lines = lines_of(recipe.dumps())
    assert head.startswith(f"{preset}, ")
    assert len(lines) == len(recipe.steps)


def test_a_step_of_a_newer_daemon_is_shown_by_its_name():
    """What is not understood is not hidden."""
    told = {"request": {"mode": "bsrgan", "scale": 2, "seed": 0}, "steps": [{"step": "wavelet"}, {"step": "jpeg"}]}
    assert [line.split(" → ")[0] for line in lines_of(json.dumps(told))[1:]] == ["1. wavelet", "2. jpeg"]
