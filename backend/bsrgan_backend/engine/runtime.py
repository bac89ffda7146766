"""The only importer of Paddle: environment, warnings, signals and version are settled here, once per process.

Other modules say `from bsrgan_backend.engine.runtime import paddle`. Importing this module takes about a second
and 300 MB, so only the worker does it, after it has said that it lives.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import warnings
from collections.abc import Iterator
from typing import Any

from bsrgan_backend.errors import BackendError

VERSION = "3.2.2"
"""The release that every figure and work-around of this package was measured with; 3.3.1 crashes (DESIGN.md)."""


def _import() -> Any:
    # Paddle's OpenVINO engine reads programs of the old intermediate representation only; the switch is read once.
    os.environ["FLAGS_enable_pir_api"] = "0"  # noqa: SIM112 - Paddle's own spelling
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("GLOG_v", "0")
    with warnings.catch_warnings():
        # A missing ccache, and deprecations in what Paddle imports: nothing that a user could act on.
        warnings.simplefilter("ignore")
        try:
            module = importlib.import_module("paddle")
            importlib.import_module("paddle.inference")
        except (ImportError, OSError) as error:
            raise BackendError(
                "INTERNAL", "PaddlePaddle cannot be loaded; run the installer again.", f"{error}"
            ) from error
    # Its C++ handlers would take SIGTERM and turn it into an abort.
    module.disable_signal_handler()
    return module


paddle: Any = _import()
"""The module `paddle`, ready for use."""


@contextlib.contextmanager
def on_processor() -> Iterator[None]:
    """Compute eagerly on the processor meanwhile: a build for cards would use the first card."""
    before = paddle.get_device()
    paddle.set_device("cpu")
    try:
        yield
    finally:
        paddle.set_device(before)


def check_version() -> None:
    """Raise when another release of Paddle is installed, or when it was imported elsewhere before.

    Raises:
        BackendError: INTERNAL, with what to do.
    """
    if paddle.__version__ != VERSION:
        text = f"PaddlePaddle {paddle.__version__} is installed, but {VERSION} is needed; run the installer again."
        raise BackendError("INTERNAL", text)
    if paddle.framework.use_pir_api():
        raise BackendError("INTERNAL", "The daemon met an unexpected error; see its log.", "Paddle imported elsewhere")
