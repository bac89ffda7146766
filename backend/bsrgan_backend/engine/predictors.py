"""Predictors of Paddle Inference over saved programs, and the choice of the engine that runs them.

Three engines read the same programs: `openvino` (inside Paddle's own wheel, fastest), `onednn` and `native`. An
engine may be missing, refuse, give wrong numbers, or crash the process, which nothing in Python can catch. So each
is tried on a small reference image first, under a marker file: a marker that is still there at the next start says
that the engine took the process down, and it is left out.
"""

from __future__ import annotations

import logging
import re
import shutil
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine import saving, trials
from bsrgan_backend.engine.planning import TAIL_MARGIN
from bsrgan_backend.engine.runtime import paddle
from bsrgan_backend.errors import BackendError

Array = npt.NDArray[np.float32]

TOLERANCE = 1e-3
"""Largest difference from the reference, as a share of its largest value; float32 engines stay below 1e-5."""

_kept: list[Any] = []
"""Every Paddle predictor of this process. Deleting one gives no memory back, and the two crashes that were seen in
runs of many networks came right after deletions; so none is ever deleted."""

_LENT_BYTES = 1 << 20
"""Smallest input that is lent to the engine instead of copied."""

_NO_RESULT = "the engine ended without a result"

_PART_ROWS = 5
"""Rows of the reference that the trial's second, smaller tail gives: sizes must be free to change."""

_log = logging.getLogger(__name__)


class EngineUnusable(Exception):
    """An engine failed its trial; `str()` says why."""


def _openvino(config: Any, blobs: Path, precision: str) -> None:
    types = paddle.inference.PrecisionType
    config.enable_openvino_engine(types.Float32 if precision == "exact" else types.Bfloat16)
    # Otherwise compiled networks land in ./__cache__ of whatever folder the process runs in.
    blobs.mkdir(mode=0o700, exist_ok=True)
    config.set_optim_cache_dir(str(blobs))


def _onednn(config: Any, _blobs: Path, _precision: str) -> None:
    config.enable_mkldnn()
    config.set_mkldnn_cache_capacity(1)
    config.enable_new_executor(True)
    # Under this pass convolutions keep their first weights for ever, but the block's weights are inputs.
    config.delete_pass("is_test_pass")


def _native(config: Any, _blobs: Path, _precision: str) -> None:
    config.disable_mkldnn()
    config.enable_memory_optim()


ENGINES: dict[str, Callable[[Any, Path, str], None]] = {"openvino": _openvino, "onednn": _onednn, "native": _native}
"""How a configuration is told to use each engine, best first."""


class Predictor:
    """One program, ready to run; only in the thread that made it.

    Paddle's predictors are not thread-safe, not even one after the other in all releases, so this is checked.

    Args:
        folder: saved programs.
        program: a name of `saving.PROGRAMS`, or of `saving.GROUPED` (OpenVINO only).
        engine: a key of `ENGINES`.
        threads: for the arithmetic.
        precision: "exact", or "fast" for bfloat16 (OpenVINO only).

    Raises:
        EngineUnusable: Paddle refuses the engine or the program.
    """

    def __init__(self, folder: Path, program: str, engine: str, threads: int, precision: str = "exact") -> None:
        self._owner = threading.get_ident()
        self._ticket = 0
        # The other engines may work in the memory of their inputs, or give out another layout's.
        self._can_share = engine == "openvino"
        self._borrowers: list[Any] = []
        parameters = folder / f"{program}.pdiparams"
        config = paddle.inference.Config(
            str(folder / f"{program}.pdmodel"), str(parameters) if parameters.exists() else ""
        )
        config.disable_glog_info()
        config.disable_gpu()
        config.set_cpu_math_library_num_threads(threads)
        blobs = folder / f"blobs-{engine}"
        try:
            ENGINES[engine](config, blobs, precision)
            self._predictor = paddle.inference.create_predictor(config)
        except (RuntimeError, ValueError, OSError, NotImplementedError, AttributeError, SystemError) as error:
            raise EngineUnusable(_first_line(error)) from error
        _kept.append(self._predictor)
        self._inputs = {name: self._predictor.get_input_handle(name) for name in self._predictor.get_input_names()}
        outputs = self._predictor.get_output_names()
        self._output, self._stamp = (self._predictor.get_output_handle(name) for name in outputs)

    def run(self, inputs: Mapping[str, npt.NDArray[Any]], shape: tuple[int, ...] | None = None) -> Array:
        """Run once.

        Args:
            inputs: every input of the program but the ticket by name, C-contiguous; height and width may change.
            shape: of what it will return, which saves a copy of it.

        Returns:
            The program's only output, float32, the caller's own.

        Raises:
            MemoryError: in whatever form Paddle says it.
            BackendError: INTERNAL for any other failure of the engine.
        """
        if threading.get_ident() != self._owner:
            raise RuntimeError("a predictor was run in another thread than the one that made it")
        try:
            self._ticket = (self._ticket + 1) % (1 << 24)
            for name, array in {**inputs, "ticket": np.array([self._ticket], np.int32)}.items():
                self._give(self._inputs[name], array)
            result = self._run_into(shape) if shape and self._can_share else self._run_and_copy()
            stamp = self._stamp.copy_to_cpu().tolist()
        except (RuntimeError, ValueError, OSError, SystemError) as error:
            raise _translated(error) from error
        finally:
            self._forget()
        if stamp != [self._ticket + result.shape[-1]]:
            # OpenVINO failed, Paddle has only logged it, and these are an earlier run's values.
            raise MemoryError(_NO_RESULT)
        return result

    def _give(self, handle: Any, array: npt.NDArray[Any]) -> None:
        if self._can_share and array.nbytes >= _LENT_BYTES and array.flags.writeable:
            self._lend(handle, array)
        else:
            handle.reshape(array.shape)
            handle.copy_from_cpu(array)

    def _lend(self, handle: Any, array: npt.NDArray[Any]) -> None:
        handle.share_external_data(_tensor(array))
        self._borrowers.append(handle)

    def _run_into(self, shape: tuple[int, ...]) -> Array:
        result = np.empty(shape, np.float32)
        self._lend(self._output, result)
        self._predictor.run()
        if tuple(self._output.shape()) != shape:
            raise MemoryError(_NO_RESULT)
        return result

    def _run_and_copy(self) -> Array:
        self._predictor.run()
        return np.asarray(self._output.copy_to_cpu(), dtype=np.float32)

    def _forget(self) -> None:
        """Let go of the caller's arrays, which would be kept until the next run."""
        while self._borrowers:
            self._borrowers.pop().share_external_data(_tensor(np.zeros(1, np.float32)))


def _tensor(array: npt.NDArray[Any]) -> Any:
    """A tensor over the memory of an array, which lives as long as either of them."""
    return paddle.utils.dlpack.from_dlpack(np.asarray(array).__dlpack__())


def _translated(error: Exception) -> Exception:
    if re.search(r"ResourceExhausted|[Oo]ut of memory|bad_alloc|alloc(ate)? memory", str(error)):
        return MemoryError(_first_line(error))
    return BackendError("INTERNAL", "The engine failed while it computed; see the daemon's log.", f"{error}"[:2000])


def _first_line(error: Exception) -> str:
    """The line of a Paddle error that says what happened, without its C++ stack."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if re.match(r"\(\w+\)|\w*Error", line)]
    return (told or lines or [type(error).__name__])[-1][:300].rstrip(".")


@dataclass(frozen=True)
class Choice:
    """The engine that passed its trial.

    Attributes:
        engine: a key of `ENGINES`.
        predictors: by program.
        notes: one sentence for each engine that was left out, and why.
    """

    engine: str
    predictors: dict[str, Predictor]
    notes: tuple[str, ...]


def choose(folder: Path, threads: int, engines: tuple[str, ...], blocks: Sequence[Mapping[str, Array]]) -> Choice:
    """Try engines in order and return the first that gives the right numbers.

    Args:
        folder: saved programs, as `saving.prepare` returned it.
        threads: for the arithmetic.
        engines: keys of `ENGINES` in the order to try.
        blocks: weights of every block by the names of `rrdbnet.block_inputs`.

    Raises:
        BackendError: INTERNAL when none works, with all reasons.
    """
    notes: list[str] = []
    for engine in engines:
        marker = marker_of(folder, engine)
        if trials.crashed(marker):
            notes.append(f"The engine {engine} is left out: it stopped the worker at its last start.")
            _log.warning("%s", notes[-1])
            continue
        try:
            with trials.guarded(marker):
                predictors = _second_chance(folder, engine, threads, blocks)
        except (EngineUnusable, BackendError, MemoryError) as error:
            notes.append(f"The engine {engine} is left out: {error}.")
            _log.warning("%s", notes[-1])
        else:
            return Choice(engine, predictors, tuple(notes))
    text = "No engine of PaddlePaddle can run this model on this machine; see the daemon's log."
    raise BackendError("INTERNAL", text, " ".join(notes))


def marker_of(folder: Path, tried: str) -> Path:
    """The file that says that an engine, or a program, is being tried in `folder`."""
    return folder / f"trial-{tried}"


def _second_chance(
    folder: Path, engine: str, threads: int, blocks: Sequence[Mapping[str, Array]]
) -> dict[str, Predictor]:
    """A trial, and another one without the engine's own cache if that may have been damaged."""
    blobs = folder / f"blobs-{engine}"
    try:
        return _trial(folder, engine, threads, blocks)
    except (EngineUnusable, BackendError) as error:
        if not blobs.exists():
            raise
        _log.warning("%s failed (%s); trying again without what it had compiled", engine, error)
        shutil.rmtree(blobs, ignore_errors=True)
        return _trial(folder, engine, threads, blocks)


def _trial(folder: Path, engine: str, threads: int, blocks: Sequence[Mapping[str, Array]]) -> dict[str, Predictor]:
    """Run the whole net stage by stage on the reference, then its tail once more at another size."""
    image, features, result = saving.reference(folder)
    predictors = {name: Predictor(folder, name, engine, threads) for name in saving.PROGRAMS}
    if engine == "openvino" and not _openvino_is_loaded():
        raise EngineUnusable("this wheel of PaddlePaddle does not carry it")
    values = predictors["head"].run({"image": image})
    for weights in blocks:
        values = predictors["block"].run({"features": values, **weights})
    check("trunk", predictors["join"].run({"image": image, "features": values}), features)
    tail = predictors["tail"]
    check("tail", tail.run({"features": features}), result)
    part = np.ascontiguousarray(features[:, :, : _PART_ROWS + TAIL_MARGIN])
    rows = _PART_ROWS * result.shape[2] // features.shape[2]
    check("tail", tail.run({"features": part})[:, :, :rows], result[:, :, :rows])
    return predictors


def check(what: str, got: Array, wanted: Array) -> None:
    """Compare numbers with the reference.

    Raises:
        EngineUnusable: shapes differ, or any value is further off than `TOLERANCE`.
    """
    if got.shape != wanted.shape:
        raise EngineUnusable(f"its {what} has shape {got.shape} instead of {wanted.shape}")
    worst = float(np.max(np.abs(got - wanted)))
    if not worst <= TOLERANCE * max(1.0, float(np.max(np.abs(wanted)))):
        raise EngineUnusable(f"its {what} gives wrong numbers (off by {worst:.3g})")


def _openvino_is_loaded() -> bool:
    """Whether the plug-in is really in the process: Paddle silently goes on without it where it is missing."""
    if not sys.platform.startswith("linux"):
        return True
    return "openvino_intel_cpu_plugin" in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
