"""All cores for many results, one for few: the same files in the same order either way."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from bsrgan_backend.cli import degrade_work
from bsrgan_backend.cli.degrade_items import Item
from bsrgan_backend.cli.degrade_work import Done
from bsrgan_backend.cli.failure import Failure
from bsrgan_backend.degradation.patches import use_one_thread
from bsrgan_backend.imaging.cores import cores

_ITEMS_EACH = 8
"""Fewer items than this do not pay for the half second in which a process starts."""


def run(items: list[Item], processes: int, on_done: Callable[[Done], None]) -> None:
    """Do all items and tell of each in their order.

    Args:
        items: what to do.
        processes: at most so many; 0 for as many as pay.
        on_done: told in this process.

    Raises:
        Failure: a process was ended from outside.
        KeyboardInterrupt: items at work are finished, but not told about; so are some when a process was ended.
    """
    count = processes or min(cores(), -(-len(items) // _ITEMS_EACH))
    if count == 1:
        for item in items:
            on_done(degrade_work.run(item))
        return
    # "spawn" on every system: a fork would copy OpenCV's threads in whatever state they are.
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        with _ctrl_c_held_back():
            # Not `map`: it cancels the others when a process was ended, which Python up to 3.12 may hang at.
            futures = deque(pool.submit(degrade_work.run, item) for item in items)
        while futures:
            on_done(futures.popleft().result())
    except BrokenProcessPool:
        raise Failure(
            "A process of this run was ended from outside, perhaps for lack of memory; try again with --processes 1."
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """Let processes start that never hear of Ctrl-C, not even while they import; here it waits until they are there.

    Windows hands no such wish on: there `_begin` has to do.
    """
    if not hasattr(signal, "pthread_sigmask") or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    seen: list[int] = []
    # A process starts with the mask; libraries' threads, which do not have it, still get the signal for this one.
    signal.signal(signal.SIGINT, lambda number, _frame: seen.append(number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if seen:
        raise KeyboardInterrupt


def _begin() -> None:
    # Ctrl-C reaches the whole group; the first process decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    use_one_thread()
