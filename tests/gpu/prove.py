"""Proof on a real card in one call of less than ten minutes: needs this checkout, numpy and PyTorch, no pip.

    python3 tests/gpu/prove.py                        the first card
    python3 tests/gpu/prove.py --device gpu:1 --weights realesrgan-x4plus.safetensors
    python3 tests/gpu/prove.py --device cpu --small   the same steps in half a minute, where there is no card

Prints a section for docs/benchmarks.md and ends with 1 when something is not as it must be.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("backend", "shared", "tests")]

LIMIT_S = 540.0
"""No step starts after this; what is left out is said."""


_ANSWERS = {True: "yes", False: "**no**", None: ""}


def main(arguments: list[str]) -> int:
    """Run every step and print what was found."""
    started = time.monotonic()
    asked = _asked(arguments)
    _without_safetensors()
    from gpu import previewing, proofs, speeds

    bench = _bench(asked)
    if asked.only_load:
        return _only_load(bench)
    steps: list[tuple[str, Callable[[], Iterator[proofs.Row]]]] = [
        ("numbers", lambda: proofs.correctness(bench)),
        ("seams", lambda: proofs.seams(bench)),
        ("memory", lambda: proofs.memory(bench)),
        ("throughput", lambda: speeds.throughput(bench)),
        ("preview", lambda: previewing.preview(bench)),
        ("cancel", lambda: proofs.cancelling(bench)),
        ("too little memory", lambda: proofs.shortage(bench)),
        ("unload", lambda: proofs.unloading(bench, Path(__file__), arguments)),
        ("many jobs", lambda: proofs.many(bench)),
    ]
    _say(_heading(bench, asked))
    failures = 0
    for name, step in steps:
        if time.monotonic() - started > LIMIT_S:
            _say(f"| {name} | not measured: the time was up | | **no** |")
            failures += 1
        else:
            failures += _report(name, step)
    _say(f"\n{failures} of the claims failed; {time.monotonic() - started:.0f} s.")
    return 1 if failures else 0


def _report(name: str, step: Callable[[], Iterator[tuple[str, str, str, bool | None]]]) -> int:
    failures = 0
    try:
        for what, found, wanted, is_so in step():
            _say(f"| {what} | {found} | {wanted} | {_ANSWERS[is_so]} |")
            failures += is_so is False
    except Exception as error:  # noqa: BLE001 - one step's failure is a finding, and the others shall still run
        _say(f"| {name} | {type(error).__name__}: {f'{error}'[:200]} | | **no** |")
        failures += 1
    return failures


def _heading(bench: object, asked: argparse.Namespace) -> str:
    from bsrgan_backend.engine import devices
    from bsrgan_backend.engine.torch_runtime import torch

    drivers = {card.driver for card in devices.nvidia_cards()}
    weights = Path(asked.weights).stem if asked.weights else "untrained weights of the same architecture"
    today = datetime.datetime.now(datetime.timezone.utc).date()
    facts = [
        bench.device.name,
        f"driver {', '.join(sorted(drivers)) or 'none'}",
        f"PyTorch {torch.__version__}",
        f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}",
        f"products in {bench.network.half}",
        weights,
        f"self-test and ways: {bench.findings}",
    ]
    table = "| what | found | must be | is so |\n| --- | --- | --- | --- |"
    return f"### {today}: {bench.device.name}\n\n{'; '.join(facts)}.\n\n{table}"


def _bench(asked: argparse.Namespace) -> object:
    from bsrgan_backend.engine import host, torch_runtime
    from bsrgan_backend.models import reading, synthetic
    from gpu import bench_device

    scale = bench_device.SMALL if asked.small else bench_device.CARD
    if asked.weights:
        weights = reading.read_weights(Path(asked.weights))
    else:
        architecture = synthetic.TINY if asked.small else synthetic.BSRGAN
        weights = synthetic.random_weights(architecture, 1)
    return bench_device.Bench(torch_runtime.find(asked.device), weights, scale, asked.threads or host.usable_threads())


def _only_load(bench: object) -> int:
    """What a worker does: load, run once, and end when it is told to."""
    from gpu.bench_device import photo

    bench.upscale(photo(bench.scale.job), "fast")
    _say("loaded")
    sys.stdin.read()
    return 0


def _without_safetensors() -> None:
    """Let the readers of weights be imported where the library that writes them is missing: nothing writes here."""
    try:
        import safetensors.numpy  # noqa: F401
    except ImportError:
        package, module = types.ModuleType("safetensors"), types.ModuleType("safetensors.numpy")
        module.save = None
        sys.modules |= {"safetensors": package, "safetensors.numpy": module}


def _asked(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/gpu/prove.py", description="proof of the engine on a real card")
    parser.add_argument("--device", default="gpu", help="cpu, gpu or gpu:N")
    parser.add_argument("--weights", default="", help="file of trained weights; untrained ones otherwise")
    parser.add_argument("--small", action="store_true", help="a tiny network and tiny pictures")
    parser.add_argument("--threads", type=int, default=0, help="of the processor; 0 for all")
    parser.add_argument("--only-load", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
