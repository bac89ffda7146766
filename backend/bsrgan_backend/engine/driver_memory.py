"""Free memory of an NVIDIA card as its driver says: Paddle 3.2 knows only how much there is in all."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

from bsrgan_backend.engine import devices


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


def free_bytes(index: int) -> int:
    """Memory of a card that nobody has taken; 0 where neither the driver's library nor its tool says.

    Args:
        index: as CUDA counts, which is what `CUDA_VISIBLE_DEVICES` leaves.
    """
    number = physical(index, os.environ.get("CUDA_VISIBLE_DEVICES", ""))
    library = _library()
    free = _asked(library, number) if library is not None else 0
    if free:
        return free
    return next((card.free_bytes for card in devices.nvidia_cards() if card.index == number), 0)


def physical(index: int, visible: str) -> int:
    """The driver's number of CUDA's card `index`; names other than numbers in `visible` are left to the driver."""
    numbers = [part.strip() for part in visible.split(",")]
    return int(numbers[index]) if index < len(numbers) and numbers[index].isdigit() else index


def _library() -> Any:
    try:
        return ctypes.CDLL("nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1")
    except OSError:
        return None


def _asked(library: Any, number: int) -> int:
    """NVML's answer; 0 when any step of the question fails."""
    handle, memory = ctypes.c_void_p(), _Memory()
    if library.nvmlInit_v2():
        return 0
    try:
        if library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(number), ctypes.byref(handle)):
            return 0
        if library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)):
            return 0
        return int(memory.free)
    finally:
        library.nvmlShutdown()
