"""RRDBNet on the processor by Paddle Inference: the runtime behind `engine.Engine`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine import engine, host, planning, predictors, rrdbnet, saving
from bsrgan_backend.engine.runtime import VERSION, check_version
from bsrgan_backend.models.weights import Architecture, Weights

Array = npt.NDArray[np.float32]

FOOTPRINTS = {
    "openvino": planning.Footprint(block=9, tail=4),
    "onednn": planning.Footprint(block=13, tail=5),
    "native": planning.Footprint(block=12, tail=21),
}
"""How many copies of its largest array each predictor holds, measured with the full net (DESIGN.md)."""

_log = logging.getLogger(__name__)


class PaddleEngine:
    """A loaded model; both `engine.Engine` and the `engine.Network` that it drives.

    Made by `load`, and used by the thread that called it only. Its memory comes back when the process ends.
    """

    def __init__(
        self, weights: Weights, folder: Path, choice: predictors.Choice, threads: int, spool: Path | None
    ) -> None:
        self._architecture = weights.architecture
        self._blocks = block_weights(weights)
        self._folder = folder
        self._predictors = choice.predictors
        self._threads = threads
        self._spool = spool
        self._notes = choice.notes
        self._facts = engine.Facts("cpu", host.processor_name(), choice.engine, f"Paddle {VERSION}", "fp32", threads)

    @property
    def facts(self) -> engine.Facts:
        """What runs it."""
        return self._facts

    @property
    def architecture(self) -> Architecture:
        """What it is."""
        return self._architecture

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each engine that was left out, and why."""
        return self._notes

    @property
    def footprint(self) -> planning.Footprint:
        """Memory of its predictors, from the sizes of the arrays inside and the engine's measured multiples."""
        architecture, multiples = self._architecture, FOOTPRINTS[self._facts.engine]
        dense = 4 * (architecture.features + 4 * architecture.growth)
        return planning.Footprint(
            block=dense * multiples.block,
            tail=4 * architecture.features * 4**architecture.doublings * multiples.tail,
        )

    def head(self, image: Array) -> Array:
        """The trunk's first stage."""
        return self._predictors["head"].run({"image": image})

    def block(self, index: int, features: Array) -> Array:
        """One RRDB."""
        return self._predictors["block"].run({"features": features, **self._blocks[index]})

    def join(self, image: Array, features: Array) -> Array:
        """The trunk's last stage."""
        return self._predictors["join"].run({"image": image, "features": features})

    def tail(self, features: Array) -> Array:
        """Features → result."""
        name = "tail"
        if self._facts.engine == "onednn" and features.shape[2:] == (1, 1):
            # OneDNN's enlargement of a single pixel gives garbage: it takes the strides for another layout's.
            name = "tail of a pixel"
            if name not in self._predictors:
                self._predictors[name] = predictors.Predictor(self._folder, "tail", "native", self._threads)
        return self._predictors[name].run({"features": features})

    def upscale(
        self,
        image: Array,
        sink: engine.Sink,
        on_progress: engine.OnProgress,
        should_stop: Callable[[], bool],
        *,
        memory_budget_bytes: int | None = None,
        tile: int | None = None,
    ) -> None:
        """As `engine.upscale`."""
        engine.upscale(
            self,
            image,
            sink,
            on_progress,
            should_stop,
            memory_budget_bytes=memory_budget_bytes,
            tile=tile,
            spool=self._spool,
        )


def block_weights(weights: Weights) -> list[dict[str, Array]]:
    """The 15 weights and biases of every block, named as the block program's inputs."""
    return [
        {
            f"{layer}.{kind}": np.ascontiguousarray(weights.tensors[f"body.{index}.{layer}.{kind}"])
            for layer in rrdbnet.BLOCK_LAYERS
            for kind in ("weight", "bias")
        }
        for index in range(weights.architecture.blocks)
    ]


def load(
    weights: Weights,
    cache: Path,
    *,
    threads: int = 0,
    engines: tuple[str, ...] = tuple(predictors.ENGINES),
    spool: Path | None = None,
) -> PaddleEngine:
    """Make a model ready in the calling thread, which is then the only one that may use it.

    Args:
        weights: the net.
        cache: folder for saved programs, `ROOT/cache`; may be deleted between runs.
        threads: for the arithmetic; 0 for as many as the machine gives to this process.
        engines: to try, in this order: keys of `predictors.ENGINES`.
        spool: folder for the features of images that do not fit into memory; None for none.

    Raises:
        BackendError: MODEL_LOAD for weights that give no numbers, DISK_FULL for the cache, INTERNAL when Paddle
            does not work here.
    """
    check_version()
    started = time.monotonic()
    threads = threads or host.usable_threads()
    folder = saving.prepare(weights, cache)
    choice = predictors.choose(folder, threads, engines, block_weights(weights))
    _log.info("engine %s with %d threads, ready after %.1f s", choice.engine, threads, time.monotonic() - started)
    return PaddleEngine(weights, folder, choice, threads, spool)
