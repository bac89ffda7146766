"""Memory of processes that work together."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

from bsrgan_backend.engine import host, processor
from bsrgan_backend.engine.engine import Engine

_LOOK_S = 0.1


class Watch:
    """Looks at the memory of some processes while it is open.

    What the system keeps of the peak of each is more exact, but cannot be added up.

    Args:
        pids: of the processes.

    Attributes:
        taken_bytes: at the most, on top of what was there before.
    """

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = pids
        self._is_over = threading.Event()
        self.taken_bytes = 0

    def __enter__(self) -> Watch:
        self._base = host.own_memory_bytes(self._pids)
        self.taken_bytes = 0
        self._is_over.clear()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(_LOOK_S):
            self.taken_bytes = max(self.taken_bytes, host.own_memory_bytes(self._pids) - self._base)


def processes_of(network: Engine) -> list[int]:
    """This process and those that share its pictures."""
    return [os.getpid(), *(network.helper_pids if isinstance(network, processor.ProcessorEngine) else [])]
