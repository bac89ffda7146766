"""What a caller asks for, and its form as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from bsrgan_backend.degradation import parameters
from bsrgan_backend.degradation.parameters import LARGEST_SEED, Choice, Integer, Real, kind_of, parameter, refused
from bsrgan_backend.degradation.presets import PRESETS
from bsrgan_backend.degradation.profiles import PROFILES
from bsrgan_backend.degradation.steps import FAMILIES, STEPS, Step
from bsrgan_backend.errors import BackendError

BSRGAN, BSRGAN_PLUS, MANUAL, PRESET = "bsrgan", "bsrgan-plus", "manual", "preset"
MODES = (BSRGAN, BSRGAN_PLUS, MANUAL, PRESET)
AS_IT_IS = "none"
RETURNS = (AS_IT_IS, "nearest", "bicubic", "area")
MOST_STEPS = 64
SCALES = (2, 3, 4)


@dataclass(frozen=True)
class _Families:
    def read(self, name: str, value: Any) -> tuple[str, ...]:
        listed = isinstance(value, Sequence) and not isinstance(value, str)
        if not listed or not all(item in FAMILIES for item in value):
            raise refused(name, value, f"a list of some of {', '.join(FAMILIES)}")
        return tuple(family for family in FAMILIES if family in value)

    def describe(self) -> dict[str, Any]:
        return {"kind": "names", "options": list(FAMILIES)}


@dataclass(frozen=True)
class _Steps:
    def read(self, name: str, value: Any) -> tuple[Step, ...]:
        if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > MOST_STEPS:
            raise refused(name, type(value).__name__, f"a list of at most {MOST_STEPS} steps")
        return tuple(read_step(item, number) for number, item in enumerate(value, 1))

    def describe(self) -> dict[str, Any]:
        return {"kind": "steps", "options": list(STEPS)}


@dataclass(frozen=True)
class Request:
    """A degradation to be drawn.

    Attributes:
        mode: "bsrgan", "bsrgan-plus", "manual" (the `steps`, in their order) or "preset".
        scale: source size over target size: 2, 3, 4, and 1 for "manual" and "preset"; None is 4, the preset's own
            scale, or 1 for "manual".
        seed: of everything that is drawn.
        profile: "official" or "paper", see `profiles`.
        preset: name of a preset, for the mode "preset".
        variation: how far a seed may move the numbers of a preset; 0 keeps them.
        strength: 0 is a plain change of size, 1 is as drawn.
        same_size: "nearest", "bicubic" or "area" bring the result back to the source's size; "none" does not.
        off: families of steps that are left out: blur, resize, noise, jpeg, camera, sharpen.
        shuffle: probability that "bsrgan-plus" shuffles all of its steps.
        steps: for "manual"; a noise step without a seed gets one from `seed`.
    """

    mode: str = parameter(Choice(MODES), BSRGAN)
    scale: int | None = parameter(Integer(1, 4, optional=True), None)
    seed: int = parameter(Integer(0, LARGEST_SEED), 0)
    profile: str = parameter(Choice(tuple(PROFILES)), "official")
    preset: str = parameter(Choice(tuple(PRESETS)), "bsrgan-x4")
    variation: float = parameter(Real(0.0, 0.5), 0.2)
    strength: float = parameter(Real(0.0, 1.0), 1.0)
    same_size: str = parameter(Choice(RETURNS), AS_IT_IS)
    off: tuple[str, ...] = parameter(_Families(), ())
    shuffle: float = parameter(Real(0.0, 1.0), 0.5)
    steps: tuple[Step, ...] = parameter(_Steps(), ())

    def to_json(self) -> dict[str, Any]:
        """The request as plain JSON values."""
        values = {of.name: getattr(self, of.name) for of in fields(self)}
        return values | {"off": list(self.off), "steps": [write_step(step) for step in self.steps]}


def read_request(values: Mapping[str, Any]) -> Request:
    """A request from plain JSON values.

    Args:
        values: names as in `Request`; missing ones keep their defaults.

    Returns:
        The checked request.

    Raises:
        BackendError: BAD_PARAM with a sentence about the first wrong value.
    """
    if not isinstance(values, Mapping):
        raise BackendError("BAD_PARAM", "The degradation's options are no JSON object; give names and values.")
    request = Request(**parameters.read(Request, _checked(values), "degradation"))
    if request.mode in (BSRGAN, BSRGAN_PLUS) and request.scale not in (None, *SCALES):
        raise refused("scale", request.scale, "2, 3 or 4")
    if request.mode == MANUAL and not request.steps:
        raise BackendError("BAD_PARAM", "The manual degradation has no steps; name at least one.")
    if request.mode != MANUAL and request.steps:
        raise BackendError("BAD_PARAM", "Steps of your own need the mode 'manual'; choose it or leave them out.")
    return request


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """The known options read under their own names, as people write them: "seed", not "degradation: seed"."""
    kinds = {of.name: kind_of(of) for of in fields(Request)}
    return {name: kinds[name].read(name, value) if name in kinds else value for name, value in values.items()}


def checked_request(request: Request) -> Request:
    """Check a request that was made in Python.

    Raises:
        BackendError: BAD_PARAM with a sentence about the first wrong value.
    """
    return read_request({of.name: getattr(request, of.name) for of in fields(request)})


def read_step(values: Any, number: int) -> Step:
    """A step from plain JSON values, or a checked copy of one made in Python.

    Args:
        values: `{"step": NAME, ...}` with the numbers of the step, or a `Step`.
        number: its place, for sentences.

    Raises:
        BackendError: BAD_PARAM for an unknown step or a number out of bounds.
    """
    values = write_step(values) if isinstance(values, Step) else values
    name = values.get("step") if isinstance(values, Mapping) else None
    if name is None:
        raise BackendError("BAD_PARAM", f"Step {number} has no name; the known steps are {', '.join(STEPS)}.")
    if not isinstance(name, str) or name not in STEPS:
        raise BackendError("BAD_PARAM", f"Step {number} is '{name}'; the known steps are {', '.join(STEPS)}.")
    kind = STEPS[name]
    rest = {key: value for key, value in values.items() if key != "step"}
    return kind(**parameters.read(kind, rest, f"step {number} ({name})"))


def write_step(step: Step) -> dict[str, Any]:
    """A step as plain JSON values: its name and all of its numbers."""
    values = {of.name: getattr(step, of.name) for of in fields(step)}
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    return {"step": step.name, **plain}
