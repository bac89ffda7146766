"""The arguments of `plug-in-bsrgan-degrade` as values."""

from __future__ import annotations

from collections.abc import Collection

from gi.repository import Gimp

from bsrgan_plugin.argument_checks import number, word
from bsrgan_plugin.degrade_options import (
    ENLARGEMENTS,
    FAMILIES,
    LARGEST_SEED,
    LARGEST_VARIATION,
    MODES,
    OUTPUTS,
    PRESETS,
    SCALES,
    Degradation,
    Options,
)
from bsrgan_plugin.outputs import OutputMode

LOCK = "lock-seed"
"""Kept with the dialog's values, but no argument: it only decides whether the dialog opens with another seed."""


def options_of(config: Gimp.ProcedureConfig) -> Options:
    """The arguments as values.

    Raises:
        Refusal: as `degradation_of`.
    """
    return Options(
        asked=degradation_of(config),
        is_restored=config.get_property("then-upscale"),
        # GIMP gives None for an empty default that it has read back from its own cache of procedures.
        model=config.get_property("model") or "",
        endpoint=config.get_property("endpoint") or "",
    )


def degradation_of(config: Gimp.ProcedureConfig) -> Degradation:
    """The arguments that say what is done to the pixels.

    Raises:
        Refusal: a word is unknown, or a number is out of range.
    """

    def one_of(name: str, words: Collection[str]) -> str:
        return word(name, config.get_property(name), words)

    return Degradation(
        mode=one_of("mode", MODES),
        preset=one_of("preset", PRESETS),
        scale=one_of("scale", SCALES),
        seed=int(number("seed", config.get_property("seed"), 0, LARGEST_SEED)),
        strength=number("strength", config.get_property("strength"), 0.0, 1.0),
        variation=number("variation", config.get_property("variation"), 0.0, LARGEST_VARIATION),
        off=tuple(family for family in FAMILIES if not config.get_property(family)),
        output=OutputMode(one_of("output", OUTPUTS)),
        enlarge=one_of("enlarge", ENLARGEMENTS),
        recipe=config.get_property("recipe") or "",
    )
