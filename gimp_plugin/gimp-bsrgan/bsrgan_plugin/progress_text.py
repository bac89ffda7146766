"""How far a run is, as a fraction and a line of text. Without gi."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from bsrgan_plugin.translation import _

# Where each stretch of a run begins and ends on the bar; the network has nearly all of the time.
_SENDING = (0.0, 0.04)
_LOADING = (0.04, 0.06)
_RUNNING = (0.06, 0.94)
_RECEIVING = (0.94, 0.99)

_MEASURED_S = 1.0
"""A rate is told after this time; before, it says little."""


@dataclass(frozen=True)
class Work:
    """What the daemon's work is called.

    Attributes:
        pieces: with `{current}` and `{total}`.
        percent: with `{percent}`.
        plain: when nobody knows how far it is.
    """

    pieces: str
    percent: str
    plain: str


UPSCALING = Work(_("Upscaling: tile {current} of {total}"), _("Upscaling: {percent} %"), _("Upscaling…"))
DEGRADING = Work(_("Degrading: step {current} of {total}"), _("Degrading: {percent} %"), _("Degrading…"))


class ProgressText:
    """The state of one run in words. The fraction never goes back.

    Attributes:
        fraction: 0..1.
        text: one line for the user.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing has begun.

        Args:
            clock: seconds from anywhere, to measure the rate.
        """
        self.fraction = 0.0
        self.text = _("Connecting to the daemon…")
        self._clock = clock
        self.begin(UPSCALING)

    def begin(self, work: Work, first: float = 0.0, last: float = 1.0, pixels: int = 0) -> None:
        """The next job.

        Args:
            work: what it is called.
            first: where its part of the bar begins, 0..1.
            last: where that ends.
            pixels: of its result, to tell the rate; 0 to tell none.
        """
        self._work = work
        self._stretch = (first, last)
        self._pixels = pixels
        # Time and share of the work when the network began.
        self._began: tuple[float, float] | None = None

    def starting(self) -> None:
        """No daemon runs yet."""
        self._show(0.0, _("Starting the daemon…"))

    def sending(self, done: int, total: int) -> None:
        """Pixels go to the daemon; `done` of `total` rows are sent."""
        self._show(_along(_SENDING, done, total), _("Sending the pixels…"))

    def queued(self, ahead: int = 0) -> None:
        """The job waits for `ahead` others; 0 when nobody knows how many."""
        text = (
            _("Waiting for {count} other jobs to end…").format(count=ahead)
            if ahead > 1
            else _("Waiting for another job to end…")
        )
        self._show(_LOADING[0], text)

    def working(self, phase: str, done: int, total: int, eta_s: float, tile: int = 0, tiles: int = 0) -> None:
        """What the daemon said in PROGRESS.

        Args:
            phase: queued, loading, running or finishing.
            done: how much is done, in proportion to time; for a queued job, how many are ahead of it.
            total: how much there is; 0 when nobody knows.
            eta_s: seconds left, negative when unknown.
            tile: pieces of the picture that are done.
            tiles: pieces in all; 0 when nobody knows.
        """
        if phase == "queued":
            self.queued(done)
        elif phase == "loading":
            self._show(_along(_LOADING, done, total), _("Loading the model…"))
        elif phase == "running":
            self._show(_along(_RUNNING, done, total), self._running(done, total, eta_s, tile, tiles))
        else:
            self._show(_RUNNING[1], _("Finishing the result…"))

    def receiving(self, done: int, total: int) -> None:
        """Pixels come back; `done` of `total` rows are here."""
        self._show(_along(_RECEIVING, done, total), _("Receiving the result…"))

    def placing(self) -> None:
        """The result is put into the picture."""
        self._show(_RECEIVING[1], _("Putting the result into the picture…"))

    def cancelling(self) -> None:
        """The user pressed Cancel."""
        self.text = _("Cancelling…")

    def _running(self, done: int, total: int, eta_s: float, tile: int, tiles: int) -> str:
        parts = [_done(self._work, done, total, tile, tiles), self._rate(done, total), time_left(eta_s)]
        return ", ".join(part for part in parts if part)

    def _rate(self, done: int, total: int) -> str:
        """Pixels of the result in a second since the network began; empty while nobody knows."""
        if total <= 0 or self._pixels <= 0:
            return ""
        now, share = self._clock(), done / total
        if self._began is None:
            self._began = (now, share)
        passed = now - self._began[0]
        made = (share - self._began[1]) * self._pixels
        if passed < _MEASURED_S or made <= 0:
            return ""
        return _("{rate:.3g} megapixels/s").format(rate=made / passed / 1e6)

    def _show(self, fraction: float, text: str) -> None:
        first, last = self._stretch
        self.fraction = max(self.fraction, first + (last - first) * fraction)
        self.text = text


def duration(seconds: float) -> str:
    """A rough time in words, such as `about 3 min`.

    Args:
        seconds: at least 0.
    """
    if seconds < 5:
        return _("a few seconds")
    if seconds < 57.5:
        return _("about {seconds} s").format(seconds=5 * round(seconds / 5))
    minutes = round(seconds / 60)
    if minutes < 60:
        return _("about {minutes} min").format(minutes=minutes)
    return _("about {hours} h {minutes} min").format(hours=minutes // 60, minutes=minutes % 60)


def time_left(eta_s: float) -> str:
    """A rough time in words, such as `about 3 min left`; empty when it is unknown (negative)."""
    return _("{time} left").format(time=duration(eta_s)) if eta_s >= 0 else ""


def previewing(phase: str, eta_s: float) -> str:
    """What a preview's PROGRESS says: phase and time left, as in `ProgressText.working`."""
    if phase == "loading":
        return _("Loading the model…")
    if phase == "queued":
        return _("Waiting for another job to end…")
    left = time_left(eta_s)
    return _("Working on the preview, {left}").format(left=left) if left else _("Working on the preview…")


def _done(work: Work, done: int, total: int, tile: int, tiles: int) -> str:
    if tiles > 0:
        # The tile at work, not those that are done.
        return work.pieces.format(current=min(tile + 1, tiles), total=tiles)
    if total > 0:
        return work.percent.format(percent=min(100 * done // total, 100))
    return work.plain


def _along(stretch: tuple[float, float], done: int, total: int) -> float:
    begin, end = stretch
    share = min(max(done / total, 0.0), 1.0) if total > 0 else 0.0
    return begin + (end - begin) * share
