"""A session that can be opened again: it knows where the daemon is, or the file that says so."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

from bsrgan_wire import rendezvous
from bsrgan_wire.errors import ConnectionLost, DaemonUnreachable, RemoteError
from bsrgan_wire.rendezvous import Rendezvous
from bsrgan_wire.session import Session
from bsrgan_wire.zmtp import TICK_S

Idle = Callable[[], None]

ATTEMPT_S = 5.0
"""Time for one attempt to connect."""

PATIENCE_S = 30.0
"""Time without an answer after which a client gives up."""

ABSENCE_S = 10.0
"""Time after which it gives up when nobody even listens: a service manager restarts a daemon within seconds."""

_GONE = "The daemon stopped during the job and did not come back; try again, which starts it anew."

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0


class Line:
    """The way to the daemon.

    Attributes:
        session: the open session.
    """

    def __init__(self, place: Rendezvous | Path, *, name: str, timeout_s: float, idle: Idle | None = None) -> None:
        self._place = place
        self._name = name
        self.session = self._open(timeout_s, idle)

    def reopen(self, patience_s: float = PATIENCE_S, idle: Idle | None = None) -> None:
        """Replace the lost session by a new one; waits between attempts 0.1 s, doubling to 5 s, with jitter.

        Args:
            patience_s: time after which to give up.
            idle: called at least every 50 ms meanwhile; may raise to stop.

        Raises:
            DaemonUnreachable: no daemon answered in that time, or nobody listened for `ABSENCE_S`.
            RemoteError: the daemon rejects this client for good.
        """
        self.session.connection.close()
        deadline = time.monotonic() + patience_s
        absent_since = time.monotonic()
        pause_s = _FIRST_PAUSE_S
        while True:
            began = time.monotonic()
            try:
                left_s = deadline - began
                self.session = self._open(max(0.1, min(ATTEMPT_S, left_s)), idle)
            except (DaemonUnreachable, RemoteError) as error:
                if isinstance(error, RemoteError) and error.retry != "later":
                    raise
                now = time.monotonic()
                if now - began >= ATTEMPT_S / 2:
                    absent_since = now  # somebody holds the address and is only slow
                if now >= min(deadline, absent_since + ABSENCE_S):
                    raise DaemonUnreachable(_GONE) from error
            else:
                return
            jittered_s = pause_s * random.uniform(0.5, 1.0)  # noqa: S311 (not a secret)
            _pause(min(time.monotonic() + jittered_s, deadline), idle)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def close(self) -> None:
        """Say BYE and close."""
        self.session.close()

    def _open(self, timeout_s: float, idle: Idle | None) -> Session:
        place = rendezvous.read(self._place) if isinstance(self._place, Path) else self._place
        try:
            return Session.open(place, name=self._name, timeout_s=timeout_s, idle=idle)
        except ConnectionLost as lost:
            raise DaemonUnreachable(str(lost)) from None


def _pause(until: float, idle: Idle | None) -> None:
    while (left_s := until - time.monotonic()) > 0:
        time.sleep(min(left_s, TICK_S))
        if idle is not None:
            idle()
