"""A recipe of the daemon in words: a line for each step. Without gi."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bsrgan_plugin.translation import _

_DEGREES = 57.29577951308232


def lines_of(recipe: str) -> list[str]:
    """The steps in order, each with its numbers and the size that it leaves.

    Args:
        recipe: JSON text as the daemon gives it. What is not understood is shown by its name alone, so that steps
            of a newer daemon are not hidden.
    """
    told = json.loads(recipe)
    lines = [_head(told)]
    for number, step in enumerate(told.get("steps") or (), 1):
        height, width = step.get("size_after") or (0, 0)
        lines.append(f"{number}. {_step(step)} → {width} × {height}")  # noqa: RUF001 - the multiplication sign
    return lines


def _head(told: Mapping[str, Any]) -> str:
    request = told.get("request") or {}
    name = request.get("preset") if request.get("mode") == "preset" else request.get("mode")
    return _("{name}, scale {scale}, seed {seed}").format(
        name=name, scale=request.get("scale"), seed=request.get("seed")
    )


def _step(step: Mapping[str, Any]) -> str:
    name = str(step.get("step"))
    try:
        return _WORDS[name](step)
    except (KeyError, TypeError, ValueError):
        return name


def _blur(step: Mapping[str, Any]) -> str:
    along, across = float(step["along"]), float(step["across"])
    if along == across:
        return _("blur, variance {along:.2f} px²").format(along=along)
    text = _("blur, variances {along:.2f} and {across:.2f} px², {angle:.0f}°")
    return text.format(along=along, across=across, angle=float(step["theta"]) * _DEGREES)


def _resize(step: Mapping[str, Any]) -> str:
    return _("resize, {kind}").format(kind=step["interpolation"])


def _noise(step: Mapping[str, Any]) -> str:
    return _("{name} noise, {kind}, level {level:.1f}").format(
        name=step["step"], kind=step["kind"], level=float(step["level"])
    )


def _poisson(step: Mapping[str, Any]) -> str:
    return _("poisson noise, peak {peak:.0f}").format(peak=float(step["peak"]))


def _jpeg(step: Mapping[str, Any]) -> str:
    return _("JPEG, quality {quality}").format(quality=step["quality"])


def _camera(step: Mapping[str, Any]) -> str:
    return _("camera, shot noise {shot:.4f}, read noise {read:.5f}").format(
        shot=float(step["shot"]), read=float(step["read"])
    )


def _sharpen(step: Mapping[str, Any]) -> str:
    return _("sharpen, weight {weight:.2f}").format(weight=float(step["weight"]))


def _classical(step: Mapping[str, Any]) -> str:
    return _("shifted blur and every {scale}th pixel").format(scale=step["scale"])


_WORDS = {
    "blur": _blur,
    "resize": _resize,
    "classical": _classical,
    "gaussian": _noise,
    "speckle": _noise,
    "poisson": _poisson,
    "jpeg": _jpeg,
    "camera": _camera,
    "sharpen": _sharpen,
}
