"""Who takes part, and how each is started on a picture."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from bsrgan_backend.cli.benching import arithmetic
from bsrgan_backend.cli.benching.child import Child, Ran, Ready, script_command
from bsrgan_backend.cli.benching.engine_run import MODULE
from bsrgan_backend.cli.benching.pictures import Ground
from bsrgan_backend.models.weights import Architecture

ENGINE = "this engine"
DAEMON = "this, command and daemon"
PYTORCH = "PyTorch"
OPENVINO = "OpenVINO"
ONNX_RUNTIME = "ONNX Runtime"
NUMPY = "numpy"

PRODUCT_SIDE = 3072
PRODUCT_TIMES = 10
"""Products in a run: one takes a few hundredths of a second, so that chance decides how fast it was."""
PRODUCT_OPERATIONS = 2.0 * PRODUCT_SIDE**3 * PRODUCT_TIMES
PRODUCT_RUNS = 3
"""Runs for each round of the networks, which take longer."""


class Runner(Protocol):
    """A contestant that is ready: a `Child`, or the daemon."""

    ready: Ready

    def run(self) -> Ran:
        """Run once; ContestantFailed when it cannot."""

    def close(self) -> None:
        """End it."""

    def __enter__(self) -> Runner:
        """Itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""


@dataclass(frozen=True)
class Contestant:
    """Somebody who takes part.

    Attributes:
        name: for the table.
        asked: precision that is asked for.
        start: makes it ready on a picture; its first result goes into the file named.
        operations: of one run on a picture of so many pixels.
        repeats: runs for each round.
        is_product: a matrix product, which has neither picture nor result.
        rounds_to: levels that its results are rounded to, 0 for none.
    """

    name: str
    asked: str
    start: Callable[[Ground, Path], Runner]
    operations: Callable[[int], float]
    repeats: int = 1
    is_product: bool = False
    rounds_to: int = 0

    def result_file(self, ground: Ground) -> Path:
        """Where its first result goes."""
        return ground.folder / f"{self.name}-{self.asked}.npy".replace(" ", "-").replace(",", "")


@dataclass(frozen=True)
class Course:
    """What all contestants share.

    Attributes:
        architecture: of the network.
        model: its file, `ROOT/models/ID.safetensors`.
        cache: folder of this engine's saved programs.
        threads: that compute at once.
    """

    architecture: Architecture
    model: Path
    cache: Path
    threads: int

    def operations(self, pixels: int) -> float:
        """Of the network on a picture."""
        return arithmetic.operations_per_pixel(self.architecture) * pixels


def engine(course: Course, precision: str) -> Contestant:
    """This engine without daemon and wire; `precision` is "exact" or "fast"."""

    def start(ground: Ground, result: Path) -> Child:
        request = {
            "model": str(course.model),
            "cache": str(course.cache),
            "image": str(ground.image),
            "result": str(result),
            "precision": precision,
        }
        return Child([sys.executable, "-m", MODULE], request, course.threads)

    return Contestant(ENGINE, precision, start, course.operations)


def peers(course: Course, python: Path) -> list[Contestant]:
    """The other runtimes.

    Args:
        course: what all share.
        python: of the environment that has them.
    """
    return [
        _peer(course, python, PYTORCH, "torch_net", "fp32"),
        _peer(course, python, OPENVINO, "openvino_net", "fp32"),
        _peer(course, python, OPENVINO, "openvino_net", "bf16"),
        _peer(course, python, ONNX_RUNTIME, "onnxruntime_net", "fp32"),
    ]


def _peer(course: Course, python: Path, name: str, module: str, precision: str) -> Contestant:
    def start(ground: Ground, result: Path) -> Child:
        request = _network(course, ground) | {"result": str(result), "precision": precision}
        if module != "torch_net":
            write_graph(course, python, ground)
        return Child(script_command(python, module), request, course.threads)

    return Contestant(name, precision, start, course.operations)


def write_graph(course: Course, python: Path, ground: Ground) -> None:
    """Write the network as an ONNX file for one size of picture, once; ContestantFailed when that fails."""
    target = Path(_network(course, ground)["model"])
    if not target.is_file():
        Child(script_command(python, "onnx_graph"), _network(course, ground), course.threads).close()


def _network(course: Course, ground: Ground) -> dict[str, Any]:
    return {
        "weights": str(course.model),
        "image": str(ground.planes),
        "model": str(ground.folder / "net.onnx"),
        "blocks": course.architecture.blocks,
        "doublings": course.architecture.doublings,
    }


def products(threads: int, python: Path | None) -> list[Contestant]:
    """Matrix products: numpy's own, and those of the other runtimes where there are any.

    Args:
        threads: that compute at once.
        python: of the environment with other runtimes, or None.
    """
    found = [_product(threads, sys.executable, NUMPY, "numpy_product", "fp32")]
    if python is not None:
        for name, module in ((PYTORCH, "torch_product"), (OPENVINO, "openvino_product")):
            found += [_product(threads, python, name, module, precision) for precision in ("fp32", "bf16")]
    return found


def _product(threads: int, python: Path | str, name: str, module: str, precision: str) -> Contestant:
    def start(_ground: Ground, _result: Path) -> Child:
        request = {"side": PRODUCT_SIDE, "precision": precision, "times": PRODUCT_TIMES}
        return Child(script_command(python, module), request, threads)

    return Contestant(name, precision, start, lambda _pixels: PRODUCT_OPERATIONS, PRODUCT_RUNS, is_product=True)


def result_of(contestant: Contestant, ground: Ground) -> arithmetic.Array | None:
    """Its first result, (1, C_out, sH, sW); None when there is none."""
    path = contestant.result_file(ground)
    return np.load(path) if path.is_file() else None
