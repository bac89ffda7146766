"""Whether it is right: numbers, seams, memory, and what happens when there is too little of it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from bsrgan_backend.engine import engine, resident, selftest, torch_runtime
from bsrgan_backend.engine.torch_network import TorchNetwork
from bsrgan_backend.errors import BackendError
from gpu.bench_device import Bench, photo

Row = tuple[str, str, str, bool | None]
"""What was asked, what was found, what it must be, and whether it is; None where nothing is claimed."""

_HOG = """
import sys, torch
device, leave, most = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if device.startswith("cuda"):
    most = torch.cuda.mem_get_info(device)[0] - leave
block = torch.zeros(max(0, most), dtype=torch.uint8, device=device)
print("taken", flush=True)
sys.stdin.read()
"""


def correctness(bench: Bench) -> Iterator[Row]:
    """Both precisions against float32 on the processor."""
    image = engine.unshuffled(photo(bench.scale.picture), 1)
    processor = TorchNetwork(bench.weights, torch_runtime.find("cpu"), "", bench.threads)
    wanted = selftest.whole(processor, image, "exact")
    for precision, least in (("exact", 100.0), ("fast", 54.0 if bench.network.half == "fp16" else 40.0)):
        found = selftest.whole(bench.network, image, precision)
        bad = int(found.size - np.isfinite(found).sum())
        decibels = selftest.decibels(found, wanted)
        kind = "fp32" if precision == "exact" else bench.network.half
        yield f"{kind} against fp32 on the processor", f"{decibels:.1f} dB", f"≥ {least:.0f} dB", decibels >= least
        yield f"{kind}: values that are no numbers", f"{bad}", "0", bad == 0


def seams(bench: Bench) -> Iterator[Row]:
    """One piece, and tiles through the host, against one pass without any cut."""
    side = bench.scale.sizes[0] // 2
    image = photo(side, side + 10)
    for precision, most in (("exact", 2e-5), ("fast", 4 / 255)):
        whole = selftest.whole(bench.network, engine.unshuffled(image, 1), precision)[0].transpose(1, 2, 0)
        for what, options in (("strips", {}), ("tiles", {"tile": max(24, side // 3)})):
            found = bench.upscale(image, precision, **options)
            worst = float(np.abs(found - whole).max())
            yield (
                f"{precision}, {what} against one pass: largest difference",
                f"{worst:.2g}",
                f"≤ {most:.2g}",
                (worst <= most),
            )


def memory(bench: Bench) -> Iterator[Row]:
    """The planner's expectation against the peak, for each size."""
    bench.upscale(photo(bench.scale.job), "fast")
    for side in bench.scale.sizes:
        bench.reset_peak()
        before = bench.held_bytes()
        bench.timed(photo(side), "fast")
        peak = bench.peak_bytes() - before
        need = resident.need_bytes(bench.network, side, side, "fast")
        per_px = peak / side**2 / 1e3
        yield f"{side}²: peak against the plan", f"{_mb(peak)} of {_mb(need)}", "≤ plan", peak <= need
        yield f"{side}²: peak per LR megapixel", f"{per_px:.2f} GB", "≤ 2 GB", bench.judged(per_px <= 2.0)


def shortage(bench: Bench) -> Iterator[Row]:
    """Another process takes the memory, before a run and in the middle of one: a result, or a sentence."""
    image = photo(bench.scale.sizes[0])
    wanted = bench.upscale(image, "fast")
    for leave in bench.scale.leave_bytes:
        for when in ("before", "during"):
            yield _with_hog(bench, image, wanted, leave, when)


def _with_hog(bench: Bench, image: np.ndarray, wanted: np.ndarray, leave: int, when: str) -> Row:
    bench.network.release()
    what = f"another process leaves {_mb(leave)}, taken {when} the run"
    strips: list[np.ndarray] = []
    with _hog(bench, leave) as take:
        if when == "before":
            take()

        def on_progress(_done: int, _total: int, tile: int, _tiles: int) -> None:
            if tile == 2 and when == "during":
                take()

        try:
            bench.engine.upscale(image, lambda _, s: strips.append(s), on_progress, lambda: False, precision="fast")
        except BackendError as error:
            return what, f"{error.code}: {error.text}", "a result or a sentence", error.code in ("GPU_OOM", "HOST_OOM")
    decibels = selftest.decibels(np.concatenate(strips), wanted)
    return what, f"{decibels:.0f} dB to the run without", "≥ 50 dB", decibels >= 50


@contextmanager
def _hog(bench: Bench, leave: int) -> Iterator:
    """A process that takes the device's memory when it is told to, and gives it back at the end."""
    command = [sys.executable, "-c", _HOG, bench.device.torch_name, str(leave), str(16 << 20)]
    running: list[subprocess.Popen] = []

    def take() -> None:
        if not running:
            bench.network.release()
            running.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            assert running[0].stdout.readline().strip() == "taken"

    try:
        yield take
    finally:
        for process in running:
            process.communicate("")


def cancelling(bench: Bench) -> Iterator[Row]:
    """Time from the wish to stop until the run has ended."""
    image = photo(bench.scale.sizes[-1])
    whole = bench.timed(image, "fast")
    latencies = []
    for share in (0.1, 0.4, 0.7):
        wish = threading.Event()
        at: list[float] = []

        def ask(wish: threading.Event = wish, at: list[float] = at) -> None:
            at.append(time.perf_counter())
            wish.set()

        timer = threading.Timer(whole * share, ask)
        timer.start()
        try:
            bench.engine.upscale(image, lambda *_: None, lambda *_: None, wish.is_set, precision="fast")
        except engine.Stopped:
            latencies.append(time.perf_counter() - at[0])
        timer.join()
    worst = max(latencies, default=0.0)
    yield (
        f"cancel in {bench.scale.sizes[-1]}²: worst of {len(latencies)}",
        f"{worst * 1e3:.0f} ms",
        "≤ 250 ms",
        (worst <= 0.25 or not bench.is_card),
    )


def unloading(bench: Bench, script: Path, arguments: list[str]) -> Iterator[Row]:
    """A process that has loaded a network and run it gives everything back when it ends."""
    bench.network.release()
    before = bench.free_bytes()
    command = [sys.executable, str(script), "--only-load", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline().strip()
        during = bench.free_bytes()
        process.communicate("")
    after = bench.free_bytes()
    lost = before - after
    found = f"{_mb(before - during)} held, {_mb(max(0, lost))} left"
    yield "a worker's process ends", found, "0 left", said == "loaded" and bench.judged(lost < 32 << 20)


def many(bench: Bench) -> Iterator[Row]:
    """Small jobs one after the other: neither the device's nor the process's memory grows."""
    image = photo(bench.scale.job)
    for _ in range(max(3, bench.scale.jobs // 10)):
        bench.timed(image, "fast")
    bench.reset_peak()
    before, started = bench.held_bytes(), time.perf_counter()
    for _ in range(bench.scale.jobs):
        bench.timed(image, "fast")
    seconds = time.perf_counter() - started
    grown = bench.held_bytes() - before
    yield (
        f"{bench.scale.jobs} jobs of {bench.scale.job}²: growth",
        f"{_mb(max(0, grown))}",
        "≤ 1 MB",
        (grown <= 1 << 20 or not bench.is_card),
    )
    yield f"{bench.scale.jobs} jobs of {bench.scale.job}²: each", f"{seconds / bench.scale.jobs * 1e3:.1f} ms", "", None


def _mb(size: float) -> str:
    return f"{size / 1e6:.0f} MB"
