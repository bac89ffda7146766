"""The numbers of a step: bounds, units, and how a value from a file or a message is checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, Protocol

from bsrgan_backend.errors import BackendError

LARGEST_SEED = 2**53 - 1
"""The largest integer that every reader of JSON keeps exactly."""


class Parameter(Protocol):
    """What a value of a step may be."""

    def read(self, name: str, value: Any) -> Any:
        """The checked value; raises `BackendError` BAD_PARAM with a sentence that says what is allowed."""

    def describe(self) -> dict[str, Any]:
        """Kind, bounds and unit as plain JSON values, for dialogs and help texts."""


@dataclass(frozen=True)
class Real:
    """A real number.

    Attributes:
        low: least value.
        high: largest value.
        unit: its unit, or "".
        varies: whether a preset varies it by seed.
    """

    low: float
    high: float
    unit: str = ""
    varies: bool = False

    def read(self, name: str, value: Any) -> float:
        """See `Parameter`."""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not self.low <= value <= self.high:
            raise refused(name, value, f"a number from {self.low:g} to {self.high:g}{_after(self.unit)}")
        return float(value)

    def describe(self) -> dict[str, Any]:
        """See `Parameter`."""
        return {"kind": "real", "low": self.low, "high": self.high, "unit": self.unit}


@dataclass(frozen=True)
class Integer:
    """A whole number.

    Attributes:
        low: least value.
        high: largest value.
        unit: its unit, or "".
        varies: whether a preset varies it by seed.
        odd: whether even numbers above 0 are refused.
        optional: whether None stands for a value that is drawn.
    """

    low: int
    high: int
    unit: str = ""
    varies: bool = False
    odd: bool = False
    optional: bool = False

    def read(self, name: str, value: Any) -> int | None:
        """See `Parameter`."""
        if value is None and self.optional:
            return None
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not whole or not self.low <= value <= self.high:
            raise refused(name, value, f"a whole number from {self.low} to {self.high}{_after(self.unit)}")
        if self.odd and value > 0 and value % 2 == 0:
            raise refused(name, value, "an odd number, or 0 for the size that fits")
        return int(value)

    def describe(self) -> dict[str, Any]:
        """See `Parameter`."""
        return {"kind": "integer", "low": self.low, "high": self.high, "unit": self.unit}


@dataclass(frozen=True)
class Choice:
    """One of several names.

    Attributes:
        options: the names.
    """

    options: tuple[str, ...]

    def read(self, name: str, value: Any) -> str:
        """See `Parameter`."""
        if not isinstance(value, str) or value not in self.options:
            raise refused(name, value, f"one of {', '.join(self.options)}")
        return value

    def describe(self) -> dict[str, Any]:
        """See `Parameter`."""
        return {"kind": "choice", "options": list(self.options)}


@dataclass(frozen=True)
class Reals:
    """A row of real numbers.

    Attributes:
        count: how many.
        low: least value.
        high: largest value.
        unit: their unit, or "".
        optional: whether None stands for values that are drawn.
    """

    count: int
    low: float
    high: float
    unit: str = ""
    optional: bool = False

    def read(self, name: str, value: Any) -> tuple[float, ...] | None:
        """See `Parameter`."""
        if value is None and self.optional:
            return None
        if not isinstance(value, (list, tuple)) or len(value) != self.count:
            raise refused(name, value, f"{self.count} numbers")
        one = Real(self.low, self.high, self.unit)
        return tuple(one.read(name, item) for item in value)

    def describe(self) -> dict[str, Any]:
        """See `Parameter`."""
        return {"kind": "reals", "count": self.count, "low": self.low, "high": self.high, "unit": self.unit}


def parameter(kind: Parameter, default: Any = MISSING) -> Any:
    """A dataclass field that carries its bounds."""
    if default is MISSING:
        return field(metadata={"parameter": kind})
    return field(default=default, metadata={"parameter": kind})


def kind_of(of: Field[Any]) -> Parameter:
    """The bounds that `parameter` gave a field."""
    kind: Parameter = of.metadata["parameter"]
    return kind


def read(cls: type[Any], values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Check named values against the fields of a dataclass.

    Args:
        cls: a dataclass whose fields are made by `parameter`.
        values: by name; missing ones keep the field's default.
        where: what the values belong to, for sentences.

    Returns:
        Arguments for `cls`.

    Raises:
        BackendError: BAD_PARAM for an unknown name, a missing value or one out of bounds.
    """
    known = {of.name: of for of in fields(cls)}
    for name in values:
        if name not in known:
            raise BackendError(
                "BAD_PARAM", f"{where} has no option '{name}'; it has {', '.join(known)}.", f"value {values[name]!r}"
            )
    for name, of in known.items():
        if name not in values and of.default is MISSING:
            raise BackendError("BAD_PARAM", f"{where} needs a value for '{name}'; give one.")
    return {name: kind_of(known[name]).read(f"{where}: {name}", value) for name, value in values.items()}


def refused(name: str, value: Any, allowed: str) -> BackendError:
    """The error for a value that is not allowed: one sentence with what is."""
    shown = "not a number" if isinstance(value, float) and math.isnan(value) else f"{value!r:.60}"
    return BackendError("BAD_PARAM", f"'{name}' is {shown}; it must be {allowed}.")


def _after(unit: str) -> str:
    return f" {unit}" if unit else ""
