"""What can be asked for, as plain JSON values: for dialogs, help texts and other programs."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

from bsrgan_backend.degradation.parameters import kind_of
from bsrgan_backend.degradation.presets import PRESETS
from bsrgan_backend.degradation.profiles import PROFILES
from bsrgan_backend.degradation.recipe import VERSION
from bsrgan_backend.degradation.request import MODES, Request, write_step
from bsrgan_backend.degradation.steps import FAMILIES, STEPS


def describe() -> dict[str, Any]:
    """Modes, profiles, presets, families, options and steps with their bounds, units and defaults."""
    return {
        "version": VERSION,
        "modes": list(MODES),
        "profiles": list(PROFILES),
        "families": list(FAMILIES),
        "presets": {
            name: {"title": preset.title, "scale": preset.scale, "steps": [write_step(s) for s in preset.steps]}
            for name, preset in PRESETS.items()
        },
        "options": _parameters(Request),
        "steps": {
            name: {"family": kind.family, "text": inspect.getdoc(kind), "parameters": _parameters(kind)}
            for name, kind in STEPS.items()
        },
    }


def _parameters(kind: type[Any]) -> dict[str, Any]:
    return {of.name: {**kind_of(of).describe(), "default": _plain(of.default)} for of in fields(kind)}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
