"""A warm preview on the device: the engine alone, and through a daemon where the packages of one are there."""

from __future__ import annotations

import importlib.util
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gpu.bench_device import Bench, photo
from gpu.proofs import Row

LIMIT_S = 0.06
MARGIN_PX = 72
"""What a preview computes around the part that it shows."""

NEEDED = ("cv2", "zmq", "msgpack", "safetensors")
SOURCE = Path(__file__).resolve().parents[2]


def preview(bench: Bench) -> Iterator[Row]:
    """Median times of a preview that shows a square of the picture."""
    image = photo(bench.scale.preview + 2 * MARGIN_PX)
    for _ in range(3):
        bench.timed(image, "fast")
    times = [bench.timed(image, "fast") for _ in range(bench.scale.repeats * 4)]
    yield _row(bench, "array to array", statistics.median(times), LIMIT_S)
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        yield "preview through a daemon", f"not measured: {', '.join(missing)} not installed", "≤ 60 ms", None
    else:
        yield _row(bench, "daemon included", statistics.median(_by_daemon(bench)), LIMIT_S)


def _row(bench: Bench, how: str, seconds: float, limit: float) -> Row:
    what = f"preview of {bench.scale.preview}² warm, {how}"
    return what, f"{seconds * 1e3:.1f} ms", "≤ 60 ms", bench.judged(seconds <= limit)


def _by_daemon(bench: Bench) -> list[float]:
    """Seconds of previews at a client, asked of a daemon of their own."""
    from bsrgan_backend.cli.benching import overheads
    from bsrgan_backend.cli.benching.own_daemon import own_daemon
    from bsrgan_backend.models.store import ModelStore
    from bsrgan_wire.preview import Place, Rectangle

    side, scale = bench.scale.preview, bench.weights.architecture.scale
    whole = 2 * side + 4 * MARGIN_PX
    place = Place.around(
        (whole, whole), (whole * scale, whole * scale), _middle(whole * scale, side * scale, Rectangle)
    )
    part = place.part
    pixels = (photo(whole) * 255).astype(np.uint8)[part.top : part.bottom, part.left : part.right]
    with tempfile.TemporaryDirectory(prefix="prove-") as name:
        root = Path(name)
        ModelStore(root / "models").put("proof", bench.weights, "0" * 64, None, "a proof")
        os.environ |= _environment(bench)
        with own_daemon(root) as client:
            asked = place.request(3, "u8", model="proof", device=bench.device.label)
            pixels = np.ascontiguousarray(pixels)
            times = [overheads.timed_job(client, asked, pixels)[0] for _ in range(3 + bench.scale.repeats * 4)]
    return times[3:]


def _middle(length: int, side: int, rectangle: type) -> object:
    first = (length - side) // 2
    return rectangle(first, first, side, side)


def _environment(bench: Bench) -> dict[str, str]:
    paths = [str(SOURCE / "backend"), str(SOURCE / "shared"), *filter(None, sys.path)]
    return {
        "GIMP_BSRGAN_ENGINE": "torch",
        "GIMP_BSRGAN_PRECISION": "fast",
        "GIMP_BSRGAN_DEVICE": bench.device.label,
        "GIMP_BSRGAN_THREADS": str(bench.threads),
        "PYTHONPATH": os.pathsep.join(paths),
    }
