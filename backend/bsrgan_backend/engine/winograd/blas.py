"""The library behind NumPy's matrix products, told to use one thread: here every thread has work of its own."""

from __future__ import annotations

import functools
import warnings
from contextlib import AbstractContextManager

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """While it is open, matrix products run in the thread that asks for them."""
    limited: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return limited


def kernels() -> str:
    """The processor that the library takes this one for, where it tells: "SkylakeX", for instance."""
    libraries = [each for each in _controller().info() if each["user_api"] == "blas"]
    return " ".join(sorted({str(each.get("architecture") or each["internal_api"]) for each in libraries}))


@functools.cache
def _controller() -> ThreadpoolController:
    with warnings.catch_warnings():
        # It warns of two OpenMP libraries in one process, which is how Paddle comes.
        warnings.simplefilter("ignore")
        return ThreadpoolController()
