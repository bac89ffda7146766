"""Which size is asked for: a factor, a percentage, pixels, or a size on paper. Without gi."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bsrgan_plugin.outcomes import Refusal
from bsrgan_plugin.translation import _

LEAST_FACTOR, MOST_FACTOR = 0.25, 16.0
"""What the daemon does; a pixel more or less is rounding."""
DEFAULT_FACTOR = 4.0
MOST_DPI = 100_000.0
"""Above it no printer exists, and GIMP's own limit is only ten times as far."""
MM_PER_INCH = 25.4


@dataclass(frozen=True)
class Sizing:
    """The size of the picture that will hold the result; at most one way of saying it beside `factor` is not 0.

    Attributes:
        factor: from old to new side; counts when nothing else is given.
        percent: the same times 100.
        width: in pixels; 0 keeps the proportions.
        height: in pixels; 0 keeps the proportions.
        print_width: in millimetres on paper, at `dpi`; 0 keeps the proportions.
        print_height: in millimetres on paper, at `dpi`; 0 keeps the proportions.
        dpi: pixels per inch of the result; 0 leaves the size on paper as it was.
    """

    factor: float = DEFAULT_FACTOR
    percent: float = 0.0
    width: int = 0
    height: int = 0
    print_width: float = 0.0
    print_height: float = 0.0
    dpi: float = 0.0

    def check(self) -> None:
        """Check each number and how they go together.

        Raises:
            Refusal: one sentence with the way out.
        """
        sides = (self.width, self.height, self.percent, self.print_width, self.print_height, self.dpi)
        if not all(math.isfinite(side) and side >= 0 for side in sides):
            raise Refusal(_("Sizes and dpi must not be negative; use 0 for what does not matter."))
        if self.dpi > MOST_DPI:
            raise Refusal(_("The dpi must be at most {most:.0f}.").format(most=MOST_DPI))
        if self._ways() > 1:
            raise Refusal(_("Give the size in one way only: in percent, in pixels or on paper."))
        if (self.print_width or self.print_height) and not self.dpi:
            raise Refusal(_("A size on paper needs the dpi as well."))
        if not self._ways():
            check_factor(self.factor)
        elif self.percent:
            check_factor(self.percent / 100.0)

    def target(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) in pixels of what is `width` x `height` now, each at least 1.

        Raises:
            Refusal: as `check`, or the result is too small or too large for it.
        """
        self.check()
        wide = self.width or self.print_width * self.dpi / MM_PER_INCH
        high = self.height or self.print_height * self.dpi / MM_PER_INCH
        if not wide and not high:
            factor = self.percent / 100.0 or self.factor
            return _rounded(width * factor), _rounded(height * factor)
        size = _rounded(wide or width * high / height), _rounded(high or height * wide / width)
        check_side(width, size[0])
        check_side(height, size[1])
        return size

    def _ways(self) -> int:
        return sum(map(bool, (self.percent, self.width or self.height, self.print_width or self.print_height)))


def check_factor(factor: float) -> None:
    """Refuse a factor beyond what the daemon does.

    Raises:
        Refusal: it is no number, or too small or too large.
    """
    if not LEAST_FACTOR <= factor <= MOST_FACTOR:
        raise _out_of_range(factor)


def check_side(side: int, result: int) -> None:
    """Refuse a side of a result that the daemon would refuse.

    Args:
        side: of the picture, in pixels.
        result: what it becomes; a pixel beyond the range is rounding.

    Raises:
        Refusal: it is too small or too large.
    """
    if not LEAST_FACTOR * side - 1 < result < MOST_FACTOR * side + 1:
        raise _out_of_range(result / side)


def _out_of_range(factor: float) -> Refusal:
    text = _("The result must be {least:g} to {most:g} times as large as before, not {factor:.6g} times.")
    return Refusal(text.format(least=LEAST_FACTOR, most=MOST_FACTOR, factor=factor))


def _rounded(side: float) -> int:
    return max(1, math.floor(side + 0.5))
