"""The seam below the seam: what a library must compute on one device, with tensors that stay there.

`engine.Network` takes and gives arrays of this process's memory, which suits a processor. On a card the copies to and
fro would take longer than the arithmetic. So a library offers its parts over tensors of its own, `resident` runs a
picture with them, and `device_engine` makes a `Network` of them for pictures that do not fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.weights import Architecture

Array = npt.NDArray[np.float32]

Tensor = Any
"""Values on the device in whatever layout and type the library works best with; only the library looks inside."""


class DeviceLost(BackendError):
    """The device answers nothing sensible any more; the process must end, as only a new one can use it again."""


@dataclass(frozen=True)
class Appetite:
    """Bytes of the device's memory that a precision takes at most.

    Attributes:
        trunk_px: for each pixel that the blocks work on, features and image included.
        feature_px: for each pixel of the features that wait while the tail runs.
        tail_px: for each pixel of the features that the tail works on, its result included.
        base: whatever the picture's size: scratch memory of the convolutions and what allocators round up.
    """

    trunk_px: int
    feature_px: int
    tail_px: int
    base: int = 0


class Arithmetic(Protocol):
    """A loaded network's parts on one device. Only the thread that loaded it may call it.

    Every call may raise MemoryError, in whatever form the library says that the device's memory is short,
    `DeviceLost`, or `BackendError` for anything else.

    Attributes:
        architecture: what it is.
        device: `cpu`, or `gpu:N`.
        device_name: as its maker calls it.
        engine: the library's name and, where there are several, the way in which it is used.
        engine_version: of the library.
        half: type of the products in the fast precision, `fp16` or `bf16`; empty where there is none.
    """

    architecture: Architecture
    device: str
    device_name: str
    engine: str
    engine_version: str
    half: str

    def appetite(self, precision: str) -> Appetite:
        """Memory that it takes."""

    def free_bytes(self) -> int:
        """The device's memory that this process can still take, its own unused share included."""

    def upload(self, values: Array) -> Tensor:
        """(1, C, H, W) float32 → a tensor of float32."""

    def download(self, values: Tensor) -> Callable[[], Array]:
        """Start to copy a tensor out as float32; the function waits for it: (1, C, H, W), C-contiguous."""

    def download_pixels(self, values: Tensor) -> Callable[[], Array]:
        """The same as pixels: (H, W, C), C-contiguous; the array may be kept."""

    def head(self, image: Tensor) -> Tensor:
        """The trunk's first convolution, in float32: image → features."""

    def block(self, index: int, features: Tensor, precision: str) -> Tensor:
        """One RRDB: features → features, and the first ones stay as they are."""

    def join(self, image: Tensor, features: Tensor) -> Tensor:
        """The trunk's last convolution in float32, with the long skip."""

    def tail(self, features: Tensor, precision: str) -> Tensor:
        """Features → result (1, C_out, fH, fW) float32, f = 2 ** doublings; not clamped."""

    def rows(self, values: Tensor, low: int, high: int) -> Tensor:
        """The rows `low:high` of a tensor; it may share its memory."""

    def is_finite(self, values: Tensor) -> bool:
        """Whether all values are numbers; waits until they are computed."""

    def finish(self) -> None:
        """Wait until everything that was asked for is computed."""

    def release(self) -> None:
        """Give memory that is not in use back to the device."""
