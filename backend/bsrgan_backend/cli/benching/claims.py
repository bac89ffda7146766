"""One claim about speed, fidelity or memory: what was measured, what is required, whether that is reached."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Claim:
    """One line.

    Attributes:
        name: what was measured.
        value: the result; None when it was not measured.
        unit: of value and bound; empty for a ratio.
        bound: what is required; None for a figure without a requirement.
        sense: whether the value must be at least or at most the bound.
        note: how it was measured, or why not.
        is_judged: False when it was measured in other conditions than the bound is meant for.
    """

    name: str
    value: float | None
    unit: str = ""
    bound: float | None = None
    sense: Literal["at least", "at most"] = "at most"
    note: str = ""
    is_judged: bool = True

    @property
    def reached(self) -> bool | None:
        """Whether the requirement is met; None when nothing can be said."""
        if self.value is None or self.bound is None or not self.is_judged:
            return None
        return self.value >= self.bound if self.sense == "at least" else self.value <= self.bound

    @property
    def ratio(self) -> float | None:
        """Value over bound."""
        return None if self.value is None or not self.bound else self.value / self.bound

    def cells(self) -> tuple[str, str, str, str, str, str]:
        """Name, measured, required, ratio, verdict and note as texts."""
        return (
            self.name,
            "-" if self.value is None else self._text(self.value),
            "" if self.bound is None else f"{self.sense} {self.bound:g}{self._unit}",
            "" if self.ratio is None else f"{self.ratio:.2f}",
            self._verdict(),
            self.note,
        )

    def facts(self) -> dict[str, Any]:
        """The line for programs."""
        return {**asdict(self), "ratio": self.ratio, "reached": self.reached}

    @property
    def _unit(self) -> str:
        return f" {self.unit}" if self.unit else ""

    def _text(self, value: float) -> str:
        digits = 1 if self.unit and self.unit != "s" else 2
        return f"{value:.{digits}f}{self._unit}"

    def _verdict(self) -> str:
        if self.bound is None:
            return ""
        if self.value is None:
            return "not measured"
        if self.reached is None:
            return "not judged"
        return "reached" if self.reached else "NOT reached"


HEADING = ("claim", "measured", "required", "ratio", "verdict", "")
