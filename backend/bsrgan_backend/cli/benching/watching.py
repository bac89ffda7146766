"""Memory of an engine with its helpers."""

from __future__ import annotations

import os
import threading

from bsrgan_backend.engine import host, processor
from bsrgan_backend.engine.engine import Engine

_LOOK_S = 0.1


class Watch:
    """Looks at the memory of this process and of those that share its pictures, while it is open.

    What the system keeps of this process's own peak is more exact, but says nothing of theirs.

    Attributes:
        taken_bytes: at the most, on top of what was there before.
    """

    def __init__(self, network: Engine) -> None:
        helpers = network.helper_pids if isinstance(network, processor.ProcessorEngine) else []
        self._pids = [os.getpid(), *helpers]
        self._base = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)
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
