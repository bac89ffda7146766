"""This engine alone, in a process of its own that answers as the scripts of `peers/` do.

python -m bsrgan_backend.cli.benching.engine_run '{"weights": "ROOT/models/ID.safetensors", "image": ..., ...}'
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from bsrgan_backend.cli.benching import watching
from bsrgan_backend.cli.benching.peers import runner
from bsrgan_backend.engine import processor
from bsrgan_backend.engine.engine import Engine
from bsrgan_backend.engine.runtime import VERSION
from bsrgan_backend.models.store import ModelStore

MODULE = "bsrgan_backend.cli.benching.engine_run"


def load(request: runner.Request, _tensors: runner.Tensors, image: runner.Array) -> dict[str, Any]:
    """The engine with the model whose file `request["model"]` is.

    Args:
        request: keys `model`, `cache` (folder of saved programs), `threads`, `precision` ("exact" or "fast").
        image: (H, W, C) float32, 0..1.
    """
    path = Path(request["model"])
    weights = ModelStore(path.parent).load(path.stem)
    engine = processor.load(weights, Path(request["cache"]), threads=request["threads"], precision=request["precision"])
    facts = engine.facts
    watch = watching.Watch(watching.processes_of(engine))

    def run() -> runner.Array:
        # Memory counts in the first run; the others are not to be disturbed.
        with contextlib.nullcontext() if watch.taken_bytes else watch:
            return whole(engine, image)

    return {
        "run": run,
        "taken_bytes": lambda: watch.taken_bytes,
        "versions": {"paddlepaddle": VERSION},
        "note": f"{facts.engine} by {facts.engine_version}",
        "precision": facts.precision,
    }


def whole(engine: Engine, image: runner.Array) -> runner.Array:
    """(H, W, C) → (1, C_out, sH, sW), put together from the engine's strips; not clamped."""
    scale, channels = engine.architecture.scale, engine.architecture.out_channels
    height, width = image.shape[:2]
    result = np.empty((1, channels, height * scale, width * scale), np.float32)

    def take(first_row: int, rows: runner.Array) -> None:
        result[0, :, first_row : first_row + len(rows)] = rows.transpose(2, 0, 1)

    engine.upscale(image, take, lambda *_: None, lambda: False)
    return result


if __name__ == "__main__":
    runner.serve(load, json.loads(sys.argv[1]))
