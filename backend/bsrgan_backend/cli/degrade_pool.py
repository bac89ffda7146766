"""All cores for many results, one for few: the same files in the same order either way."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
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

_AT_ONCE = 4


def run(items: list[Item], processes: int, on_done: Callable[[Done], None]) -> None:
    """Do all items and tell of each in their order.

    Args:
        items: what to do.
        processes: at most so many; 0 for as many as pay.
        on_done: told in this process.

    Raises:
        Failure: a process was ended from outside.
        KeyboardInterrupt: items at work are finished, but not told about.
    """
    count = processes or min(cores(), -(-len(items) // _ITEMS_EACH))
    if count == 1:
        for item in items:
            on_done(degrade_work.run(item))
        return
    # "spawn" on every system: a fork would copy OpenCV's threads in whatever state they are.
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        for done in pool.map(degrade_work.run, items, chunksize=_AT_ONCE):
            on_done(done)
    except BrokenProcessPool:
        raise Failure(
            "A process of this run was ended from outside, perhaps for lack of memory; try again with --processes 1."
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    # Ctrl-C reaches the whole group; the first process decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    use_one_thread()
