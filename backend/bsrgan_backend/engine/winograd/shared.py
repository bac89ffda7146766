"""Arrays that several processes see: memory behind files without a name, whose descriptors are passed on."""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
import threading
import weakref
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine import staging

_ORDER = threading.Lock()


class Shared(np.ndarray[Any, np.dtype[Any]]):
    """An array with the file that its memory belongs to. What is cut out of it has none.

    Attributes:
        descriptor: of the file, to be passed on; closed with the array.
    """

    descriptor: int


def allocate(shape: tuple[int, ...], folder: Path | None = None, dtype: npt.DTypeLike = np.float32) -> Shared:
    """An array without values.

    Args:
        shape: of it, nowhere 0.
        folder: for a file on a disk; None for memory.
        dtype: of its values.

    Raises:
        MemoryError: there is none left.
        BackendError: DISK_FULL.
    """
    with _memory(_size(shape, dtype)) if folder is None else staging.reserve(_size(shape, dtype), folder) as file:
        array = _mapped(file.fileno(), shape, dtype).view(Shared)
        array.descriptor = os.dup(file.fileno())
    weakref.finalize(array, os.close, array.descriptor)
    return array


def received(descriptor: int, shape: tuple[int, ...], dtype: npt.DTypeLike = np.float32) -> npt.NDArray[Any]:
    """The array that another process has passed on; the descriptor may be closed afterwards.

    Raises:
        MemoryError: there is no room for it in this process.
    """
    return _mapped(descriptor, shape, dtype)


def fence() -> None:
    """What was written before is seen by whoever sees what is written afterwards; the same for what is read.

    Processors with x86's order do that by themselves, others do not. A lock that is let go and taken again keeps both
    sides apart on all of them.
    """
    for _ in range(2):
        with _ORDER:
            pass


def _memory(size: int) -> BinaryIO:
    try:
        with contextlib.ExitStack() as kept:
            if hasattr(os, "memfd_create"):
                file = kept.enter_context(os.fdopen(os.memfd_create("gimp-bsrgan"), "r+b"))
            else:
                # The system keeps what fits of such a file in memory.
                file = kept.enter_context(tempfile.TemporaryFile())
            file.truncate(size)
            kept.pop_all()
    except OSError as error:
        raise MemoryError(str(error)) from error
    return file


def _mapped(descriptor: int, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    try:
        return np.frombuffer(mmap.mmap(descriptor, _size(shape, dtype)), dtype).reshape(shape)
    except OSError as error:
        raise MemoryError(str(error)) from error


def _size(shape: tuple[int, ...], dtype: npt.DTypeLike) -> int:
    return int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
