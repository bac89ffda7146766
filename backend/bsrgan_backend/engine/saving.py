"""Saved programs of one set of weights: written once, checked at every start, rebuilt when damaged.

A folder `ROOT/<digest>-<Paddle's version>-<format>/` holds, for each program, `NAME.pdmodel` (and `NAME.pdiparams`
when it has weights inside), a reference input with its output for the engines' self-check, and `manifest.json` with
the SHA-256 of each file; so does a folder in it for each program of `GROUPED`. Each appears by one rename, so a
half-written one is never seen. Everything here can be made again from the weights: it may be deleted at any time.

Paddle's programs are code to the parser that reads them, so they are only ever written by this module, in a
folder of the user's own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine import rrdbnet
from bsrgan_backend.engine.runtime import VERSION, on_processor, paddle
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.weights import Architecture, Weights

PROGRAMS = ("head", "block", "join", "tail")
GROUPED = {"threes": 3, "sixes": 6, "singles": 1}
"""Programs that have all blocks inside, and how many of them run at a time; each lies in a folder of its own."""

FORMAT = 7
"""Part of the folder's name; raised whenever a program's meaning or its inputs change, or what its trials measure."""

CHECK_SIZE = (12, 17)
"""Height and width of the self-check's image after unshuffling: no multiple of a vector's width."""

_STAGED = ".new-"
"""How the name of a folder begins that is being written."""

_STAGED_LIFE_S = 3600.0
"""Nobody writes that long: programs take seconds."""

_log = logging.getLogger(__name__)
Array = npt.NDArray[np.float32]


def prepare(weights: Weights, root: Path) -> Path:
    """Return the folder with the saved programs of `weights`, written now if it is missing or damaged.

    Args:
        weights: the net.
        root: the cache folder; made if missing.

    Raises:
        BackendError: DISK_FULL or INTERNAL when it cannot be written; MODEL_LOAD when the weights give values
            that are no numbers.
    """

    def write(staged: Path) -> None:
        _write_programs(weights, staged)
        _write_reference(weights, staged)

    return _kept(root / f"{weights.digest[:32]}-{VERSION}-{FORMAT}", write)


def grouped(weights: Weights, folder: Path, name: str) -> Path:
    """Return the folder with one of `GROUPED`, written now if it is missing or damaged: it takes seconds to describe.

    Args:
        weights: the net.
        folder: of `prepare`.
        name: of the program.

    Raises:
        BackendError: DISK_FULL when it cannot be written.
    """

    def write(staged: Path) -> None:
        # Here, as it copies the weights: most starts find the program written.
        inside = dataclasses.replace(weights, tensors=rrdbnet.prepared(weights.tensors))
        _save_choice(staged / name, inside, GROUPED[name])

    return _kept(folder / name, write)


def _kept(folder: Path, write: Callable[[Path], None]) -> Path:
    """The folder itself, with sound files in it: as they are, or written into an empty folder that takes its place."""
    _sweep(folder.parent)
    if is_sound(folder):
        return folder
    if folder.exists():
        _log.warning("the saved programs in %s are damaged; writing them again", folder.name)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _staging(folder.parent) as staged:
            write(staged)
            # A program that has been described holds itself, and its weights: 0.4 GB with the full net.
            gc.collect()
            _write_manifest(staged)
            _replace(staged, folder)
    except OSError as error:
        text = "The engine's cache cannot be written; free some disk space or check the folder's rights."
        raise BackendError("DISK_FULL", text, f"{error}") from error
    return folder


def is_sound(folder: Path) -> bool:
    """Whether every file that the manifest names is there with its own hash."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        hashes: dict[str, str] = manifest["files"]
        return bool(hashes) and all(_hash(folder / name) == value for name, value in hashes.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def remove(root: Path) -> None:
    """Delete every saved program below `root`; the next load writes what it needs."""
    shutil.rmtree(root, ignore_errors=True)


def reference(folder: Path) -> tuple[Array, Array, Array]:
    """The self-check's image (1, C·u², h, w), its features (1, nf, h, w) and its result (1, C_out, fh, fw)."""
    with np.load(folder / "reference.npz", allow_pickle=False) as saved:
        return saved["image"], saved["features"], saved["result"]


def _sweep(root: Path) -> None:
    """Delete what a process that was killed while it wrote has left behind; the next one to look may write nothing."""
    for staged in root.glob(f"{_STAGED}*"):
        with contextlib.suppress(OSError):
            if time.time() - staged.stat().st_mtime > _STAGED_LIFE_S:
                shutil.rmtree(staged, ignore_errors=True)


@contextlib.contextmanager
def _staging(root: Path) -> Iterator[Path]:
    staged = Path(tempfile.mkdtemp(prefix=_STAGED, dir=root))
    try:
        yield staged
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _replace(staged: Path, folder: Path) -> None:
    """Put `staged` in place of `folder`; another process that was faster with sound files wins."""
    for _attempt in range(2):
        try:
            staged.rename(folder)
        except OSError:
            if is_sound(folder):
                return
            shutil.rmtree(folder, ignore_errors=True)
        else:
            return
    staged.rename(folder)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        total = hashlib.sha256()
        while chunk := file.read(1 << 20):
            total.update(chunk)
    return total.hexdigest()


def _write_manifest(folder: Path) -> None:
    files = {path.name: _hash(path) for path in sorted(folder.iterdir())}
    path = folder / "manifest.json"
    with path.open("w", encoding="utf-8") as file:
        json.dump({"paddle": VERSION, "format": FORMAT, "files": files}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def _write_reference(weights: Weights, folder: Path) -> None:
    """Compute a small image eagerly, the slow and plain way, for the engines to be compared with."""
    architecture = weights.architecture
    shape = (1, architecture.in_channels * architecture.unshuffle**2, *CHECK_SIZE)
    image = np.random.default_rng(1).random(shape, dtype=np.float32)
    with on_processor(), paddle.no_grad():
        tensors = {name: paddle.to_tensor(array) for name, array in rrdbnet.prepared(weights.tensors).items()}
        features = rrdbnet.trunk(paddle.to_tensor(image), tensors, architecture)
        result = rrdbnet.tail(features, tensors, architecture)
    if not np.isfinite(result.numpy()).all():
        text = "The model's weights are damaged: they give values that are no numbers; download it again."
        raise BackendError("MODEL_LOAD", text)
    np.savez(folder / "reference.npz", image=image, features=features.numpy(), result=result.numpy())


def _write_programs(weights: Weights, folder: Path) -> None:
    architecture = weights.architecture
    channels = architecture.in_channels * architecture.unshuffle**2
    nf = architecture.features
    _save(folder / "head", [("image", channels)], weights, rrdbnet.head)
    _save(folder / "join", [("image", channels), ("features", nf)], weights, rrdbnet.join)
    _save(folder / "tail", [("features", nf)], weights, lambda x, w: rrdbnet.tail(x, w, architecture))
    _save_block(folder / "block", architecture)


@contextlib.contextmanager
def _program() -> Iterator[tuple[Any, Any]]:
    """A new static program and its executor; eager mode is back afterwards."""
    program, startup = paddle.static.Program(), paddle.static.Program()
    paddle.enable_static()
    try:
        # A scope of its own: nothing of these weights stays in the process.
        with (
            paddle.static.scope_guard(paddle.static.Scope()),
            paddle.static.program_guard(program, startup),
            warnings.catch_warnings(),
        ):
            # A sum over a batch of unknown size is told to work as it has for years.
            warnings.filterwarnings("ignore", r"[\s\S]*behavior of expression", DeprecationWarning)
            yield program, paddle.static.Executor(paddle.CPUPlace())
    finally:
        paddle.disable_static()


def _image(name: str, channels: int) -> Any:
    return paddle.static.data(name, [1, channels, None, None], "float32")


class _Parameters(dict[str, Any]):
    """Weights by name, made as parameters of the program that is being described when they are first asked for."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self._weights = weights

    def __missing__(self, name: str) -> Any:
        zero = paddle.nn.initializer.Constant(0.0)
        shape = list(self._weights.tensors[name].shape)
        self[name] = paddle.static.create_parameter(shape, "float32", name=name, default_initializer=zero)
        return self[name]

    def fill(self) -> None:
        """Copy the values into the scope, in place of the zeros."""
        scope = paddle.static.global_scope()
        for name in self:
            scope.var(name).get_tensor().set(self._weights.tensors[name], paddle.CPUPlace())


def _write(path: Path, program: Any, executor: Any, inputs: list[Any], output: Any) -> None:
    """Save a program with a ticket: a number that comes out, with the result's width added, when all has been done.

    Paddle's OpenVINO engine logs a failed run and gives out the values of the one before (`predictors.Predictor`).
    """
    ticket = paddle.static.data("ticket", [1], "int32")
    stamp = ticket + paddle.slice(paddle.shape(output), [0], [3], [4])
    with warnings.catch_warnings():
        # That the block's program has no weights of its own is the point of it.
        warnings.filterwarnings("ignore", "no variable in your model", UserWarning)
        paddle.static.save_inference_model(str(path), [*inputs, ticket], [output, stamp], executor, program=program)


def _save(path: Path, inputs: list[tuple[str, int]], weights: Weights, describe: Callable[..., Any]) -> None:
    with _program() as (program, executor):
        images = [_image(name, channels) for name, channels in inputs]
        parameters = _Parameters(weights)
        output = describe(*images, parameters)
        parameters.fill()
        _write(path, program, executor, images, output)


def _save_block(path: Path, architecture: Architecture) -> None:
    """One RRDB whose weights and biases are inputs, so that one predictor serves all blocks.

    A predictor never gives its activation memory back, so one for each block would cost 4 GB (DESIGN.md).
    """
    with _program() as (program, executor):
        features = _image("features", architecture.features)
        inputs = rrdbnet.block_inputs(architecture)
        tensors = {name: paddle.static.data(name, shape, "float32") for name, shape in inputs}
        output = rrdbnet.block(features, tensors)
        _write(path, program, executor, [features, *tensors.values()], output)


def _save_choice(path: Path, weights: Weights, group: int) -> None:
    """All blocks with their weights inside, side by side in groups; an input says which of the groups runs.

    `taken` holds a 1 for the group that is wanted and 0 for the others: each takes so many of a batch of one, and
    convolutions over an empty batch cost nothing. So one predictor, whose groups share their memory, stands for many
    without the price of weights that are inputs, which cannot be packed beforehand.
    """
    architecture = weights.architecture
    firsts = range(0, architecture.blocks, group)
    with _program() as (program, executor):
        features = _image("features", architecture.features)
        taken = paddle.static.data("taken", [len(firsts)], "int32")
        parameters = _Parameters(weights)
        results = []
        for number, first in enumerate(firsts):
            values = paddle.slice(features, [0], [0], [paddle.slice(taken, [0], [number], [number + 1])])
            for index in range(first, min(first + group, architecture.blocks)):
                values = rrdbnet.block(values, parameters, f"body.{index}.")
            results.append(values)
        output = paddle.concat(results, axis=0)
        parameters.fill()
        _write(path, program, executor, [features, taken], output)
