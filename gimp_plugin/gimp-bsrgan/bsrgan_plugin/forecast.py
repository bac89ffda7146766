"""What a run will take, from what previews took on this device: size, memory and time. Without gi."""

from __future__ import annotations

from collections.abc import Hashable

from bsrgan_plugin.outputs import Size
from bsrgan_plugin.progress_text import duration
from bsrgan_plugin.translation import _

_UNITS = ("kB", "MB", "GB", "TB")


class Rates:
    """Pixels of the source that the network does in a second, by what it depends on: the best that was seen.

    The first job of a size takes longer, since the engine prepares for it.
    """

    def __init__(self) -> None:
        self._best: dict[Hashable, float] = {}

    def add(self, key: Hashable, pixels: int, seconds: float) -> None:
        """A job of so many pixels took the network so long."""
        if seconds > 0:
            self._best[key] = max(self._best.get(key, 0.0), pixels / seconds)

    def rate(self, key: Hashable) -> float:
        """Pixels per second; 0 while nothing was measured."""
        return self._best.get(key, 0.0)

    def seconds(self, key: Hashable, pixels: int) -> float | None:
        """The time for so many pixels; None while nothing was measured."""
        rate = self.rate(key)
        if pixels and not rate:
            return None
        return pixels / rate if pixels else 0.0


def told(results: list[Size], result_bytes: int, seconds: float | None) -> str:
    """Two lines about a run.

    Args:
        results: the size of each result.
        result_bytes: memory of all of them in GIMP.
        seconds: time that all will take; None when nobody knows yet.
    """
    size = _("Result: {width} × {height} px, {memory} in GIMP")  # noqa: RUF001 - the multiplication sign is meant
    if len(results) > 1:
        size = _("{count} results, the first {width} × {height} px, {memory} in GIMP")  # noqa: RUF001 - meant
    time = _("not measured yet") if seconds is None else duration(seconds)
    first = results[0]
    held = memory(result_bytes)
    return "\n".join(
        (
            size.format(count=len(results), width=first.width, height=first.height, memory=held),
            _("Time on this device: {time}").format(time=time),
        )
    )


def told_of_disk(count: int) -> str:
    """A sentence about the bytes that the daemon keeps of a job: the picture and its result."""
    text = _("While it works, the daemon also needs {memory} of disk for what is sent and for the result.")
    return text.format(memory=memory(count))


def memory(count: int) -> str:
    """Bytes for people, such as `48 MB`."""
    value = max(count, 1) / 1000
    unit = _UNITS[0]
    for larger in _UNITS[1:]:
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.3g} {unit}"
