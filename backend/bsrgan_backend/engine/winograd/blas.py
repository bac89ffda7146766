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
    """What NumPy's library takes this processor for, such as "SkylakeX", or its name where it does not tell."""
    libraries = [each for each in _controller().info() if each["user_api"] == "blas"]
    # Paddle brings another one.
    own = [each for each in libraries if "numpy" in each["filepath"]] or libraries
    return " ".join(sorted({str(each.get("architecture") or each["internal_api"]) for each in own}))


@functools.cache
def _controller() -> ThreadpoolController:
    with warnings.catch_warnings():
        # It warns of two OpenMP libraries in one process, which is how Paddle comes.
        warnings.simplefilter("ignore")
        return ThreadpoolController()
