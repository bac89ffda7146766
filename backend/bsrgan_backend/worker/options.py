"""The options of an upscale job: SUBMIT's flat `params`, checked. Keys that are not known are ignored."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from bsrgan_backend.errors import BackendError
from bsrgan_wire import limits

PRECISIONS = ("auto", "exact", "fast")
ALPHAS = ("network", "kernel")
_MOST_BYTES = 1 << 50


@dataclass(frozen=True)
class Options:
    """What is asked besides sizes and model.

    Attributes:
        strength: share of the network's result, 0..1; the rest is the resized source.
        texture: share of the source's fine texture that is added to the network's result, 0..1.
        precision: "auto", "exact" or "fast"; empty for what the engine was loaded with.
        tile: longest side of the engine's tiles in pixels of the picture; 0 to let it choose.
        memory: bytes that the job may take; 0 for what is free.
        alpha: "network" to run transparency through the network, "kernel" for the bicubic kernel alone.
    """

    strength: float = 1.0
    texture: float = 0.0
    precision: str = ""
    tile: int = 0
    memory: int = 0
    alpha: str = "network"

    @classmethod
    def of(cls, params: dict[str, Any] | None) -> Options:
        """Read `params`.

        Raises:
            BackendError: BAD_PARAM with the range of the option that is wrong.
        """
        given = params or {}
        return cls(
            _percent(given, "strength", 100) / 100.0,
            _percent(given, "texture", 0) / 100.0,
            _choice(given, "precision", PRECISIONS, ""),
            _integer(given, "tile", limits.SIDE_PX),
            _integer(given, "memory", _MOST_BYTES),
            _choice(given, "alpha", ALPHAS, "network"),
        )

    def engine_options(self, held_bytes: int = 0) -> dict[str, Any]:
        """What `Engine.upscale` is told; what was not asked is left to it.

        Args:
            held_bytes: memory that the job takes besides the engine; it comes off `memory`.
        """
        options: dict[str, Any] = {}
        if self.precision:
            options["precision"] = self.precision
        if self.tile:
            options["tile"] = self.tile
        if self.memory:
            options["memory_budget_bytes"] = max(1, self.memory - held_bytes)
        return options


def _percent(given: dict[str, Any], key: str, usual: float) -> float:
    value = given.get(key, usual)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not 0 <= value <= 100:
        raise BackendError("BAD_PARAM", f"The option {key} is a number from 0 to 100.", repr(value))
    return float(value)


def _integer(given: dict[str, Any], key: str, most: int) -> int:
    value = given.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise BackendError("BAD_PARAM", f"The option {key} is a whole number from 0 to {most}.", repr(value))
    return value


def _choice(given: dict[str, Any], key: str, choices: tuple[str, ...], usual: str) -> str:
    value = given.get(key, usual)
    if value != usual and value not in choices:
        raise BackendError("BAD_PARAM", f"The option {key} is one of {', '.join(choices)}.", repr(value))
    return str(value)
