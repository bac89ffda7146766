"""One job as the worker does it, in a process of its own: memory that was expected, and memory that it took.

python -m bsrgan_backend.cli.benching.memory_run '{"model": "ROOT/models/ID.safetensors", "side": 512, ...}'
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from bsrgan_backend.cli.benching import watching
from bsrgan_backend.cli.benching.peers import runner
from bsrgan_backend.engine import engine, host, paddle_engine, processor
from bsrgan_backend.engine.engine import Engine
from bsrgan_backend.imaging.pixels import PixelFormat
from bsrgan_backend.models.store import ModelStore
from bsrgan_backend.worker import jobs
from bsrgan_backend.worker.footprint import held_bytes, preparing_bytes
from bsrgan_backend.worker.options import Options
from bsrgan_backend.worker.reports import Progress

MODULE = "bsrgan_backend.cli.benching.memory_run"
Loaded = paddle_engine.PaddleEngine | processor.ProcessorEngine
_SMALL_PX = 16
_WAVE_PX = 9.0


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Run one job.

    Args:
        request: `model` (file), `cache` (folder of saved programs), `threads`, `side` (px of the square picture),
            `channels`, `dtype`, `precision` ("exact" or "fast"), `memory` (bytes that the job may take, 0 for what
            is free).

    Returns:
        `expected` and `taken`, bytes on top of a process that has done a small job; `way` ("rows", or how many blocks
        at a time in tiles of which size, margins included), `arithmetic` (of the trunk over that without margins),
        `precision` (what was really computed in), `seconds`.
    """
    path = Path(request["model"])
    weights = ModelStore(path.parent).load(path.stem)
    precision = request["precision"]
    network = processor.load(weights, Path(request["cache"]), threads=request["threads"], precision=precision)
    spec = _spec(request, network.architecture.scale)
    _run(replace(spec, size=(_SMALL_PX, _SMALL_PX), out_size=(_SMALL_PX * network.architecture.scale,) * 2), network)
    held = held_bytes(spec.size, spec.out_size, spec.layout, spec.options, network.architecture.scale)
    plan = _planned(spec, network, held)
    host.return_memory()
    base = runner.resident_bytes()
    runner.forget_peak()
    with watching.Watch(watching.processes_of(network)) as watch:
        seconds = _run(spec, network)
    return {
        "expected": max(preparing_bytes(spec.size, spec.layout), held + plan.need_bytes),
        "taken": max(runner.peak_bytes() - base, watch.taken_bytes),
        "way": plan.way,
        "arithmetic": plan.arithmetic,
        "precision": network.facts.precision,
        "seconds": seconds,
    }


def _spec(request: dict[str, Any], scale: int) -> jobs.JobSpec:
    side = int(request["side"])
    options = Options(precision=request["precision"], memory=int(request["memory"]))
    layout = PixelFormat(request["dtype"], int(request["channels"]))
    return jobs.JobSpec("memory", "upscale", (side, side), (side * scale, side * scale), layout, "", options)


@dataclass(frozen=True)
class _Planned:
    """What the engine will do."""

    way: str
    arithmetic: float
    need_bytes: int


def _planned(spec: jobs.JobSpec, network: Loaded, held: int) -> _Planned:
    """What the engine will choose, as the job asks it."""
    precision = str(spec.options.precision)
    budget = spec.options.engine_options(held).get("memory_budget_bytes")
    like = np.broadcast_to(np.float32(0), (*spec.size, network.architecture.in_channels))
    if isinstance(network, processor.ProcessorEngine):
        most = budget or int(host.available_memory_bytes() * engine.MEMORY_SHARE)
        precision = network.fitting(like, precision, budget)
        if rows := network.plans(like, most, precision):
            return _Planned(f"rows, {rows[0].threads} threads", 1.0, rows[0].need_bytes)
        network = network.tiled
    plan = engine.plan_for(network, like, network.fitting(like, precision, budget), budget)
    side = max(span.high - span.low for span in (*plan.trunk.rows, *plan.trunk.columns))
    return _Planned(f"{plan.method.group} blocks, tiles of {side} px", plan.arithmetic, plan.need_bytes)


def _run(spec: jobs.JobSpec, network: Engine) -> float:
    """Seconds of a job on a picture of soft waves."""
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as target:
        _fill(spec, source)
        began = time.perf_counter()
        progress = Progress("", lambda _message: None)
        jobs.upscale(spec, network, source.fileno(), target.fileno(), progress, lambda: False)
        return time.perf_counter() - began


def _fill(spec: jobs.JobSpec, source: BinaryIO) -> None:
    """Write the picture row by row; alpha is soft, as a feathered layer's is."""
    dtype = spec.layout.numpy_dtype
    full = (1 << 8 * dtype.itemsize) - 1 if dtype.kind == "u" else 1
    across = np.arange(spec.size[1] * spec.layout.channels, dtype=np.float32) / (_WAVE_PX * spec.layout.channels)
    for row in range(spec.size[0]):
        values = 0.5 + 0.4 * np.sin(across + row / _WAVE_PX)
        source.write((values * full).astype(dtype).tobytes())
    source.flush()


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
