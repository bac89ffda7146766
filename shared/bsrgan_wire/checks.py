"""Checks of single header fields: each takes what msgpack gave and returns the value or raises ValueError."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

Check = Callable[[Any], Any]
_HEX = frozenset("0123456789abcdef")
_SCALAR_TEXT_BYTES = 4096


def integer(low: int, high: int) -> Callable[[Any], int]:
    """An int, not a bool, within low..high."""

    def check(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"expected an integer in {low}..{high}")
        return value

    return check


def number(low: float, high: float) -> Callable[[Any], float]:
    """A finite int or float within low..high, as float."""

    def check(value: Any) -> float:
        if type(value) not in (int, float) or not low <= value <= high:  # NaN fails every comparison
            raise ValueError(f"expected a number in {low}..{high}")
        return float(value)

    return check


def text(longest: int) -> Callable[[Any], str]:
    """A str of at most `longest` characters."""

    def check(value: Any) -> str:
        if type(value) is not str or len(value) > longest:
            raise ValueError(f"expected text of at most {longest} characters")
        return value

    return check


def blob(shortest: int, longest: int) -> Callable[[Any], bytes]:
    """A bytes value of shortest..longest bytes."""

    def check(value: Any) -> bytes:
        if type(value) is not bytes or not shortest <= len(value) <= longest:
            raise ValueError(f"expected {shortest} to {longest} bytes")
        return value

    return check


def choice(*allowed: str) -> Callable[[Any], str]:
    """One of a few strings."""

    def check(value: Any) -> str:
        if type(value) is not str or value not in allowed:
            raise ValueError(f"expected one of {', '.join(allowed)}")
        return value

    return check


def hex_id(value: Any) -> str:
    """An id: 32 lower-case hexadecimal digits."""
    if type(value) is not str or len(value) != 32 or not _HEX.issuperset(value):
        raise ValueError("expected 32 hexadecimal digits")
    return value


def hex_id_or_empty(value: Any) -> str:
    """An id, or the empty string for none."""
    if type(value) is str and value == "":
        return value
    try:
        return hex_id(value)
    except ValueError:
        raise ValueError("expected 32 hexadecimal digits or empty text") from None


def integers(low: int, high: int, most: int) -> Callable[[Any], tuple[int, ...]]:
    """A list of at most `most` integers within low..high, as a tuple."""
    one = integer(low, high)

    def check(value: Any) -> tuple[int, ...]:
        if type(value) not in (list, tuple) or len(value) > most:
            raise ValueError(f"expected a list of at most {most} integers in {low}..{high}")
        return tuple(one(item) for item in value)

    return check


def texts(longest: int, most: int) -> Callable[[Any], tuple[str, ...]]:
    """A list of at most `most` strings, as a tuple."""
    one = text(longest)

    def check(value: Any) -> tuple[str, ...]:
        if type(value) not in (list, tuple) or len(value) > most:
            raise ValueError(f"expected a list of at most {most} texts of at most {longest} characters")
        return tuple(one(item) for item in value)

    return check


def _scalar(value: Any, text_bytes: int = _SCALAR_TEXT_BYTES) -> Any:
    if value is None or type(value) is bool:
        return value
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is not str or len(value.encode("utf-8")) > text_bytes:
        raise ValueError(f"expected nil, a boolean, a 64-bit integer, a finite number or {text_bytes} bytes of text")
    return value


def scalars(most: int, text_bytes: int) -> Callable[[Any], dict[str, Any]]:
    """A flat map of at most `most` short names to finite scalars and texts so long; nil counts as empty."""
    name = text(64)

    def check(value: Any) -> dict[str, Any]:
        if value is None:
            return {}
        if type(value) is not dict or len(value) > most:
            raise ValueError(f"expected a map of at most {most} scalars")
        return {name(key): _scalar(item, text_bytes) for key, item in value.items()}

    return check


def records(most: int, text_bytes: int) -> Callable[[Any], tuple[dict[str, Any], ...]]:
    """A list of at most `most` flat maps of at most 16 scalars, with texts so long, as a tuple."""
    one = scalars(16, text_bytes)

    def check(value: Any) -> tuple[dict[str, Any], ...]:
        if type(value) not in (list, tuple) or len(value) > most or any(type(item) is not dict for item in value):
            raise ValueError(f"expected a list of at most {most} maps of at most 16 scalars")
        return tuple(one(item) for item in value)

    return check


def report(most: int) -> Callable[[Any], dict[str, Any]]:
    """A map of at most `most` short names to scalars or to lists of at most 64 scalars."""
    name = text(64)

    def entry(value: Any) -> Any:
        if type(value) in (list, tuple) and len(value) <= 64:
            return [_scalar(item) for item in value]
        return _scalar(value)

    def check(value: Any) -> dict[str, Any]:
        if type(value) is not dict or len(value) > most:
            raise ValueError(f"expected a map of at most {most} scalars or lists of scalars")
        return {name(key): entry(item) for key, item in value.items()}

    return check
