"""Processes that share the work on one picture: the same as threads, without waiting for Python's lock.

What they work on lies in shared memory. Orders go over a line to each; how far they are stands on a board, an array
that all of them see: what they shall do first, then their marks.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import select
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bsrgan_backend import link
from bsrgan_backend.engine.winograd import shared
from bsrgan_backend.engine.winograd.crew import LOOK_S, Crew, Task
from bsrgan_backend.engine.winograd.network import Network

Array = npt.NDArray[np.float32]

MODULE = "bsrgan_backend.engine.winograd.helper"

GO, HOLD, OVER = 0, 1, 2
"""What stands first on a board."""

_END_S = 10.0
"""A helper that has not stopped by then is killed; none works longer than a moment without looking."""

_START_S = 30.0

_STARTS = 2
"""So many that fail in a row are enough."""

_log = logging.getLogger(__name__)


class _Helper:
    """One process; started with it, and ends with its line."""

    def __init__(self) -> None:
        self.line, theirs = link.pair()
        # It has one thread's work to do, whatever the library behind products would start.
        environ = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        # Modules are where this process has found them.
        environ["PYTHONPATH"] = os.pathsep.join(sys.path)
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", MODULE, link.child_argument(theirs)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=environ,
                pass_fds=(theirs.fileno(),),
            )
        except BaseException:
            self.line.close()
            raise
        finally:
            theirs.close()

    def await_start(self) -> None:
        """Wait until it listens.

        Raises:
            LinkClosed: it has ended instead, or takes too long.
        """
        if not select.select([self.line], [], [], _START_S)[0]:
            raise link.LinkClosed("no word of it")
        self.line.receive()

    def give(self, message: dict[str, Any], arrays: list[shared.Shared]) -> None:
        """Send an order with what it is about."""
        shapes = [list(array.shape) for array in arrays]
        self.line.send({**message, "shapes": shapes}, [array.descriptor for array in arrays])

    def end(self) -> None:
        """Let it go, and see that it is gone."""
        self.line.close()
        try:
            self.process.wait(LOOK_S if self.process.poll() is None else 0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Helpers:
    """Processes for the pictures of one engine, started when the first one comes.

    Args:
        count: of them.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._helpers: list[_Helper] = []
        self._is_possible = link.PASSES_FILES and count > 1
        self._failed_starts = 0
        self._is_busy = False
        weakref.finalize(self, _end, self._helpers)

    @property
    def pids(self) -> list[int]:
        """Of those that run."""
        return [helper.process.pid for helper in self._helpers]

    def allocate(self, shape: tuple[int, ...]) -> Array:
        """Room for what is passed on to them, or for this process alone where it cannot be passed on."""
        if self._is_possible:
            try:
                return shared.allocate(shape)
            except MemoryError as error:
                # None is taken before it is written to: the system does not allow it.
                _log.warning("memory cannot be shared, threads do the work: %s", error)
                self._is_possible = False
        return np.empty(shape, np.float32)

    def crew(self, threads: int, check: Callable[[Crew], None], network: Network, *, is_large: bool) -> Team | None:
        """So many of them, or None where they cannot be had: one is none, and while they work there are no others.

        Args:
            threads: how many.
            check: as for `crew.Threads`.
            network: its `values` come from `allocate`.
            is_large: what the work takes is to be given back afterwards.
        """
        if not self._is_possible or self._is_busy or threads == 1 or not isinstance(network.values, shared.Shared):
            return None
        try:
            self._start()
        except (OSError, link.LinkClosed) as error:
            _log.warning("helpers cannot be started, threads do their work: %s", error)
            self._failed_starts += 1
            # Once may be want of memory at that moment.
            self._is_possible = self._failed_starts < _STARTS
            self.rest()
            return None
        self._failed_starts = 0
        return Team(self, self._helpers[:threads], check, network, is_large=is_large)

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """While they work."""
        self._is_busy = True
        try:
            yield
        finally:
            self._is_busy = False

    def rest(self) -> None:
        """End them; the next picture starts others."""
        _end(self._helpers)

    def _start(self) -> None:
        for helper in [helper for helper in self._helpers if helper.process.poll() is not None]:
            # Ended while it had nothing to do: no want of memory of the picture that comes now.
            self.discard(helper)
        fresh = []
        while len(self._helpers) < self._count:
            fresh.append(_Helper())
            self._helpers.append(fresh[-1])
        for helper in fresh:
            helper.await_start()

    def discard(self, helper: _Helper) -> None:
        """End one; another will be started in its place."""
        helper.process.kill()
        helper.end()
        # A preview that ran first may have lost it already.
        if helper in self._helpers:
            self._helpers.remove(helper)


def _end(helpers: list[_Helper]) -> None:
    while helpers:
        helpers.pop().end()


class Team:
    """A crew of helpers; see `crew.Crew`. Made by `Helpers.crew`."""

    def __init__(
        self,
        helpers: Helpers,
        some: list[_Helper],
        check: Callable[[Crew], None],
        network: Network,
        *,
        is_large: bool,
    ) -> None:
        self.threads = len(some)
        self._helpers = helpers
        self._working: list[_Helper] = []
        self._some = some
        self._check = check
        self._network = network
        self._is_large = is_large
        self._board = shared.allocate((1,), dtype=np.int64)
        self._failure: BaseException | None = None

    def allocate(self, shape: tuple[int, ...], folder: Path | None) -> Array:
        """Room that the helpers see."""
        return shared.allocate(shape, folder)

    def run(self, task: Task) -> None:
        """Have some work done by as many helpers."""
        self._board = shared.allocate((1 + task.marks,), dtype=np.int64)
        self._board[:] = -1
        self._board[0] = GO
        with self._helpers.taken():
            try:
                self._give(task)
                self._check(self)
                while self._working:
                    self._hear(LOOK_S)
                    self._check(self)
            finally:
                self._end()
        if self._failure is not None:
            try:
                raise self._failure
            finally:
                # Its traceback holds this crew and the picture's arrays, which whoever tries again needs the room of.
                self._failure = None

    def mark(self, key: int, value: int) -> None:
        """As a member's."""
        shared.fence()
        self._board[1 + key] = value

    def marked(self, key: int) -> int:
        """How far something is."""
        value = int(self._board[1 + key])
        shared.fence()
        return value

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Hold the helpers back at their next step."""
        self._say(HOLD)
        try:
            yield
        finally:
            self._say(GO)

    def _give(self, task: Task) -> None:
        words, arrays = task.order()
        words |= {
            "task": type(task).__name__,
            "layout": {name: getattr(task.layout, name) for name in ("height", "width", "panels", "columns")},
            "threads": self.threads,
            "is_large": self._is_large,
        }
        net = {
            "architecture": dataclasses.asdict(self._network.architecture),
            "tile": self._network.scheme.tile,
        }
        passed = [_shared(array) for array in arrays]
        for number, helper in enumerate(self._some):
            try:
                helper.give(net, [_shared(self._network.values)])
                helper.give({**words, "number": number}, [self._board, *passed])
            except link.LinkClosed:
                self._lose(helper)
            else:
                self._working.append(helper)

    def _hear(self, timeout_s: float) -> None:
        """Wait for those that are ready or fail."""
        lines = {helper.line.fileno(): helper for helper in self._working}
        for descriptor in select.select(list(lines), [], [], timeout_s)[0]:
            helper = lines[descriptor]
            try:
                for message, _files in helper.line.receive():
                    self._working.remove(helper)
                    self._take(message)
            except link.LinkClosed:
                self._working.remove(helper)
                self._lose(helper)

    def _take(self, message: dict[str, Any]) -> None:
        if message["failure"] is None:
            return
        text = message["failure"]
        self._fail(MemoryError(text) if message["is_memory"] else RuntimeError(f"in a helper: {text}"))

    def _lose(self, helper: _Helper) -> None:
        """It has ended: most likely the system has ended it for want of memory."""
        self._helpers.discard(helper)
        self._fail(MemoryError("a helper has ended"))

    def _fail(self, failure: BaseException) -> None:
        self._failure = self._failure or failure
        self._say(OVER)

    def _say(self, word: int) -> None:
        """What the helpers shall do: after a failure nothing but end, as they would wait for what will never come."""
        self._board[0] = word if self._failure is None else OVER

    def _end(self) -> None:
        """None works when this returns."""
        self._board[0] = OVER
        end = time.monotonic() + _END_S
        while self._working and time.monotonic() < end:
            self._hear(LOOK_S)
        for helper in self._working:
            self._helpers.discard(helper)
        self._working.clear()


def _shared(array: Array) -> shared.Shared:
    """An array as it can be passed on: as it is, or copied."""
    if isinstance(array, shared.Shared):
        return array
    copy = shared.allocate(array.shape)
    copy[...] = array
    return copy
