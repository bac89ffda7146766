"""Entry of a helper process: `python -m bsrgan_backend.engine.winograd.helper LINK`; see `helpers`."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from bsrgan_backend import link
from bsrgan_backend.engine import host
from bsrgan_backend.engine.winograd import blas, network, shared, transforms
from bsrgan_backend.engine.winograd.bands import Bands
from bsrgan_backend.engine.winograd.crew import Abandoned
from bsrgan_backend.engine.winograd.helpers import GO, HOLD
from bsrgan_backend.engine.winograd.layout import Layout
from bsrgan_backend.engine.winograd.trunk import Trunk
from bsrgan_backend.models.weights import Architecture

_TASKS = {kind.__name__: kind for kind in (Trunk, Bands)}
_SCHEMES = {scheme.tile: scheme for scheme in (transforms.EXACT, transforms.FAST)}

_POLL_S = 0.0002
_HELD_S = 0.005

_LOOK_S = 0.5
"""Time between two looks at whether the employer is still there."""


class _Member:
    """What the work has of the others; see `crew.Member`."""

    def __init__(self, threads: int, board: npt.NDArray[np.int64], line: link.Link) -> None:
        self.threads = threads
        self._board = board
        self._line = line
        self._looked = time.monotonic()

    def step(self) -> None:
        """Wait while held back."""
        self._look()
        # Read once for both questions: the word may change between them.
        while (word := self._board[0]) == HOLD:
            time.sleep(_HELD_S)
            self._look()
        if word != GO:
            raise Abandoned

    def mark(self, key: int, value: int) -> None:
        """Say how far something is."""
        shared.fence()
        self._board[1 + key] = value

    def await_mark(self, key: int, value: int) -> None:
        """Wait until something is as far as that."""
        self.step()
        while self._board[1 + key] < value:
            time.sleep(_POLL_S)
            self.step()
        shared.fence()

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < _LOOK_S:
            return
        self._looked = now
        # Nothing comes over the line during work, but its end.
        if select.select([self._line], [], [], 0)[0]:
            os._exit(1)


def main() -> None:
    """Work until the employer lets go of the line."""
    # Whoever interrupts the employer has it end its helpers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = link.inherited(sys.argv[1])
    net: network.Network | None = None
    with blas.one_thread(), np.errstate(all="ignore"):
        try:
            line.send({"started": True})
            while True:
                for message, files in line.receive():
                    if "architecture" in message:
                        net = _network(message, files)
                    elif net is not None:
                        line.send(_answer(message, files, net, line))
                        if message["is_large"]:
                            host.return_memory()
        except link.LinkClosed:
            # Nothing is left to be tidied up, and a picture may wait for the memory.
            os._exit(0)


def _network(message: dict[str, Any], files: list[int]) -> network.Network:
    (values,) = _arrays(message, files)
    return network.viewed(Architecture(**message["architecture"]), _SCHEMES[message["tile"]], values)


def _arrays(message: dict[str, Any], files: list[int], first: npt.DTypeLike = np.float32) -> list[npt.NDArray[Any]]:
    """What came with a message: of float32, but for the first one."""
    dtypes = [first, *(np.float32 for _ in files[1:])]
    try:
        return [
            shared.received(descriptor, tuple(shape), dtype)
            for descriptor, shape, dtype in zip(files, message["shapes"], dtypes, strict=True)
        ]
    finally:
        # All of them, also where one finds no room: each keeps the memory behind it.
        for descriptor in files:
            os.close(descriptor)


def _answer(message: dict[str, Any], files: list[int], net: network.Network, line: link.Link) -> dict[str, Any]:
    """Do an order and say how it ended."""
    try:
        board, *arrays = _arrays(message, files, np.int64)
        layout = Layout(**message["layout"], scheme=net.scheme)
        task = _TASKS[message["task"]].ordered(net, layout, message, arrays)
        task.work(message["number"], _Member(message["threads"], board, line))
    except Abandoned:
        pass
    except MemoryError as error:
        return {"failure": str(error), "is_memory": True}
    except Exception as error:  # noqa: BLE001 - told to the employer, who knows what was to be done
        return {"failure": repr(error), "is_memory": False}
    return {"failure": None}


if __name__ == "__main__":
    main()
