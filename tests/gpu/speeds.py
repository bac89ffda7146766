"""How fast it is, beside PyTorch's own whole network and the device's own matrix product in the same run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np

from bsrgan_backend.engine import engine, grids, planning
from bsrgan_backend.engine.torch_runtime import finish, torch
from gpu.bench_device import Bench, photo
from gpu.proofs import Row

SLOPE = 0.2


def ceiling(bench: Bench) -> float:
    """Operations per second of a square matrix product in half precision, the best of a few."""
    side, name = bench.scale.matrix, bench.device.torch_name
    kind = torch.float16 if bench.network.half == "fp16" else torch.bfloat16
    left, right = (torch.randn(side, side, device=name).to(kind) for _ in range(2))
    seconds = min(_timed(bench, lambda: left @ right) for _ in range(bench.scale.repeats * 4))
    return 2.0 * side**3 / seconds


def flop_per_px(bench: Bench) -> float:
    """Operations of the network for each pixel."""
    one = bench.weights.architecture
    macs = planning.block_macs(one) * one.blocks + planning.join_macs(one) + planning.tail_macs(one)
    return 2.0 * macs


def throughput(bench: Bench) -> Iterator[Row]:
    """Seconds per megapixel of the picture: this engine from array to array, and PyTorch's network as it stands."""
    top = ceiling(bench)
    yield "matrix product in half precision", f"{top / 1e12:.1f} TFLOP/s", "", None
    for side in bench.scale.sizes:
        image = photo(side)
        bench.timed(image, "fast")
        ours = _median(lambda image=image: bench.timed(image, "fast"), bench.scale.repeats) / side**2 * 1e6
        yield f"{side}², array to array", f"{ours:.4f} s per LR megapixel", "", None
        inside = _on_device(bench, image) / side**2 * 1e6
        share = flop_per_px(bench) * 1e6 / inside / top
        is_fast = bench.judged(share >= 0.4)
        yield f"{side}², on the device alone", f"{inside:.4f} s per LR megapixel", "", None
        yield f"{side}², share of the matrix product", f"{share:.0%}", "≥ 40 %", is_fast
        yield _against_torch(bench, image, ours)


def _against_torch(bench: Bench, image: np.ndarray, ours: float) -> Row:
    what = f"{image.shape[0]}², PyTorch's whole network, channels_last"
    try:
        theirs = whole_network(bench, image) / image.shape[0] ** 2 * 1e6
    except torch.OutOfMemoryError:
        return what, "does not fit into the memory", "", None
    finally:
        bench.network.release()
    ratio = ours / theirs
    is_fast = bench.judged(ratio <= 0.8)
    return what, f"{theirs:.4f} s per LR megapixel; this engine {ratio:.2f} times", "≤ 0.8 times", is_fast


def whole_network(bench: Bench, image: np.ndarray) -> float:
    """Seconds of the network as one writes it in PyTorch, all in half precision, with the copies in and out."""
    kind = torch.float16 if bench.network.half == "fp16" else torch.bfloat16
    name = bench.device.torch_name
    layout = torch.channels_last
    weights = {
        key: torch.from_numpy(np.array(value)).to(name, kind).contiguous(memory_format=layout)
        if value.ndim == 4
        else torch.from_numpy(np.array(value)).to(name, kind)
        for key, value in bench.weights.tensors.items()
    }
    given = torch.from_numpy(engine.unshuffled(image, 1))

    def run() -> None:
        with torch.inference_mode():
            there = given.to(name, kind).contiguous(memory_format=layout)
            plain(there, weights, bench.weights.architecture.blocks, bench.weights.architecture.doublings).float().cpu()

    run()
    return _median(lambda: _timed(bench, run), bench.scale.repeats)


def plain(values: object, weights: dict, blocks: int, doublings: int) -> object:
    """RRDBNet as the papers' own code has it."""
    functional = torch.nn.functional

    def conv(given: object, key: str) -> object:
        return functional.conv2d(given, weights[f"{key}.weight"], weights[f"{key}.bias"], padding=1)

    def rectified(given: object) -> object:
        return functional.leaky_relu(given, SLOPE, inplace=True)

    first = conv(values, "conv_first")
    values = first
    for index in range(blocks):
        start = values
        for number in (1, 2, 3):
            seen = [values]
            for step in (1, 2, 3, 4):
                seen.append(rectified(conv(torch.cat(seen, 1), f"body.{index}.rdb{number}.conv{step}")))
            values = conv(torch.cat(seen, 1), f"body.{index}.rdb{number}.conv5") * SLOPE + values
        values = values * SLOPE + start
    values = first + conv(values, "conv_body")
    for index in range(1, doublings + 1):
        values = functional.interpolate(values, scale_factor=2, mode="nearest")
        values = rectified(conv(values, f"conv_up{index}"))
    return conv(rectified(conv(values, "conv_hr")), "conv_last")


def _on_device(bench: Bench, image: np.ndarray) -> float:
    """Seconds of the trunk and all strips, without the copy of the result."""
    network = bench.network
    pixels = network.upload(engine.unshuffled(image, 1))
    spans = grids.spans(image.shape[0], max(1, image.shape[0] // 96), planning.TAIL_MARGIN)

    def run() -> None:
        features = network.head(pixels)
        for index in range(bench.weights.architecture.blocks):
            features = network.block(index, features, "fast")
        features = network.join(pixels, features)
        for rows in spans:
            network.tail(network.rows(features, rows.low, rows.high), "fast")

    run()
    return min(_timed(bench, run) for _ in range(bench.scale.repeats))


def _timed(bench: Bench, call: Callable[[], object]) -> float:
    finish(bench.device)
    started = time.perf_counter()
    call()
    finish(bench.device)
    return time.perf_counter() - started


def _median(call: Callable[[], float], times: int) -> float:
    return statistics.median(call() for _ in range(times))
