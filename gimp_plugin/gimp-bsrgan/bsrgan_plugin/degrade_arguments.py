"""The arguments of `plug-in-bsrgan-degrade` as values."""

from __future__ import annotations

from gi.repository import Gimp

from bsrgan_plugin.degrade_options import FAMILIES, Degradation, Options
from bsrgan_plugin.outputs import OutputMode

LOCK = "lock-seed"
"""Kept with the dialog's values, but no argument: it only decides whether the dialog opens with another seed."""


def options_of(config: Gimp.ProcedureConfig) -> Options:
    """The arguments as values."""
    return Options(
        asked=degradation_of(config),
        is_restored=config.get_property("then-upscale"),
        # GIMP gives None for an empty default that it has read back from its own cache of procedures.
        model=config.get_property("model") or "",
        endpoint=config.get_property("endpoint") or "",
    )


def degradation_of(config: Gimp.ProcedureConfig) -> Degradation:
    """The arguments that say what is done to the pixels."""
    return Degradation(
        mode=config.get_property("mode"),
        preset=config.get_property("preset"),
        scale=config.get_property("scale"),
        seed=config.get_property("seed"),
        strength=config.get_property("strength"),
        variation=config.get_property("variation"),
        off=tuple(family for family in FAMILIES if not config.get_property(family)),
        output=OutputMode(config.get_property("output")),
        enlarge=config.get_property("enlarge"),
        recipe=config.get_property("recipe") or "",
    )
