"""Which sizes a result may have; also for clients, so nothing heavy is imported here."""

from __future__ import annotations

from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging.boxes import Size

FACTORS = (0.25, 16.0)
"""Smallest and largest ratio of a result's side to the picture's; a pixel more or less is rounding."""


def check_factors(size: Size, out_size: Size) -> None:
    """Refuse a result that is much smaller or larger than its picture.

    Raises:
        BackendError: BAD_PARAM.
    """
    least, most = FACTORS
    for side, out in zip(size, out_size, strict=True):
        if not least * side - 1 < out < most * side + 1:
            text = f"The result must be {least:g} to {most:g} times as large as the picture; choose another size."
            raise BackendError("BAD_PARAM", text, f"{side} to {out}")
