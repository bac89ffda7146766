"""A model made ready by whichever library serves the device: the only place that knows all of them.

Each is imported when it is chosen and not before.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from bsrgan_backend.engine import devices
from bsrgan_backend.engine.engine import Engine, Facts
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.weights import Weights

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wish:
    """What a model is to run on.

    Attributes:
        device: "auto", "cpu", "gpu" or "gpu:N".
        engine: "auto", "paddle" or "torch".
        threads: for the arithmetic of the processor.
        precision: "auto", "exact" or "fast".
    """

    device: str
    engine: str
    threads: int
    precision: str

    @property
    def library(self) -> str:
        """The library that serves it: "paddle" or "torch"."""
        return devices.engine_for(self.engine, self.device)


def warm_up(wish: Wish) -> None:
    """Import the library that will be wanted; BackendError as the import raises it."""
    if wish.library == "torch":
        from bsrgan_backend.engine import torch_engine  # noqa: F401
    else:
        from bsrgan_backend.engine import processor  # noqa: F401


def load(weights: Weights, cache: Path, wish: Wish, spool: Path) -> Engine:
    """Make a model ready in the calling thread.

    Args:
        weights: the net.
        cache: `ROOT/cache`.
        wish: what it is to run on.
        spool: folder for features that do not fit into memory.

    Raises:
        BackendError: DEVICE when the device cannot be used, GPU_OOM when the model does not fit into a card that was
            asked for; the others as the library's `load`.
    """
    if wish.device == "auto":
        return _on_card_or_processor(weights, cache, wish, spool)
    make = _by_torch if wish.library == "torch" else _by_paddle
    try:
        return make(weights, cache, wish, spool)
    except MemoryError as error:
        if wish.device == "cpu":
            raise
        text = "The graphics card has too little free memory for the model; close other programs or use the CPU."
        raise BackendError("GPU_OOM", text, f"{error}") from error


def _on_card_or_processor(weights: Weights, cache: Path, wish: Wish, spool: Path) -> Engine:
    """A card where there is one that works; else the processor, with a sentence where a card has failed."""
    note = ""
    if _sees_card(wish):
        on_card = replace(wish, device="gpu", engine=wish.library)
        try:
            return load(weights, cache, on_card, spool)
        except BackendError as error:
            if error.code not in ("DEVICE", "GPU_OOM"):
                raise
            log.warning("the processor is used: %s", error)
            note = f"The processor is used: {error.text}"
    # Unless PyTorch was asked for: on the processor Paddle is faster.
    loaded = load(weights, cache, replace(wish, device="cpu"), spool)
    if note:
        loaded.add_notes((note,))
    return loaded


def _sees_card(wish: Wish) -> bool:
    if not devices.may_have_card():
        return False
    if wish.library == "paddle":
        return devices.has_paddle_gpu()
    from bsrgan_backend.engine import torch_runtime

    return bool(torch_runtime.cards())


def _by_torch(weights: Weights, cache: Path, wish: Wish, spool: Path) -> Engine:
    from bsrgan_backend.engine import torch_engine

    return torch_engine.load(
        weights, cache, device=wish.device, threads=wish.threads, spool=spool, precision=wish.precision
    )


def _by_paddle(weights: Weights, cache: Path, wish: Wish, spool: Path) -> Engine:
    if wish.device == "cpu":
        from bsrgan_backend.engine import processor

        return processor.load(weights, cache, threads=wish.threads, spool=spool, precision=wish.precision)
    if not devices.has_paddle_gpu():
        text = "This installation has no engine for graphics cards; choose the device 'auto' or 'cpu'."
        raise BackendError("DEVICE", text, wish.device)
    from bsrgan_backend.engine import paddle_gpu

    return paddle_gpu.load(weights, cache, device=wish.device, threads=wish.threads, spool=spool, asked=wish.precision)


def cards(facts: Facts) -> int:
    """How many cards the library sees that runs a loaded model; 0 where that is on the processor."""
    if facts.device == "cpu":
        return 0
    if facts.engine == "torch":
        from bsrgan_backend.engine import torch_runtime

        return len(torch_runtime.cards())
    from bsrgan_backend.engine.runtime import paddle

    return int(paddle.device.cuda.device_count())
