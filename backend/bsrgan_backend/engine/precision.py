"""The choice between exact (fp32) and fast (bfloat16 products, fp32 sums) by a trial on this processor.

Fast is only worth having where the processor multiplies bfloat16 in hardware, and only right where the picture stays
the same to the eye. Both are measured once for each model, processor and number of threads, and remembered.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine import host, ways
from bsrgan_backend.engine.engine import Facts, Network, trunk
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.weights import Architecture

Array = npt.NDArray[np.float32]

LEAST_DB = 53.0
"""Peak signal-to-noise ratio of fast against exact below which it is not used."""

LEAST_GAIN = 1.75
"""How many times as fast it must be."""

NO_BFLOAT16 = "This processor has no bfloat16 arithmetic, so the exact precision is used."

_SIDE = 96
_TRIAL_WIDTH, _TRIAL_REPEAT = 512, 2
"""A trial's picture is as wide as those that take long, and so often `_SIDE` pixels high, or more often:"""
_TRIAL_THREADS = 4
"""rows have work for so many threads in each repetition, as each starts some rows below the one before."""
_ROUNDS = 2
_log = logging.getLogger(__name__)


class Candidate(Protocol):
    """A loaded model that may be able to run in both precisions; images are (1, C·u², H, W) unshuffled."""

    @property
    def facts(self) -> Facts:
        """What runs it."""

    @property
    def architecture(self) -> Architecture:
        """What it is."""

    def one_pass(self, image: Array, precision: str) -> Array:
        """A small picture in a precision: → (1, C_out, fH, fW)."""

    def sample(self, image: Array, precision: str) -> tuple[Callable[[], object], int]:
        """Work that takes as long as some blocks do in a precision, and how many."""


class StagedNetwork(Network, Protocol):
    """A network that says what runs it."""

    @property
    def facts(self) -> Facts:
        """What runs it."""


class Staged:
    """A network that runs in stages, as a candidate."""

    def __init__(self, network: StagedNetwork) -> None:
        self._network = network

    @property
    def facts(self) -> Facts:
        """What runs it."""
        return self._network.facts

    @property
    def architecture(self) -> Architecture:
        """What it is."""
        return self._network.architecture

    def one_pass(self, image: Array, precision: str) -> Array:
        """Trunk and tail in one piece."""
        return self._network.tail(trunk(self._network, image, precision), precision)

    def sample(self, image: Array, precision: str) -> tuple[Callable[[], object], int]:
        """The first blocks, by the way that small pictures take."""
        method, features = self._network.methods(precision)[0], self._network.head(image)
        count = min(method.group, self.architecture.blocks)
        return lambda: self._network.blocks(method, 0, features, precision), count


@dataclass(frozen=True)
class Trial:
    """What the trial has measured.

    Attributes:
        decibels: of the fast result against the exact one on the trial's picture.
        gain: time of exact over that of fast.
    """

    decibels: float
    gain: float

    def passes(self, gain: float = LEAST_GAIN) -> bool:
        """Whether fast is both close and fast enough."""
        return self.decibels >= LEAST_DB and self.gain >= gain


@dataclass(frozen=True)
class Verdict:
    """Which precision runs unless a job asks for another one, and a sentence where that is not what was asked."""

    is_fast: bool
    note: str = ""


def is_possible(engine: str) -> bool:
    """Whether an engine of `predictors.ENGINES` can run in bfloat16 here."""
    return engine == "openvino" and host.has_bfloat16()


def choose(network: Candidate, asked: str, folder: Path, engine: str, asked_gain: float = 0.0) -> Verdict:
    """Decide on the precision.

    Args:
        network: the loaded model.
        asked: "exact", "fast" or "auto".
        folder: where the trial's outcome is remembered: that of the model's programs.
        engine: of `predictors.ENGINES`, which has the fast precision if there is one.
        asked_gain: how many times as fast it must be where it was asked for; 0 to give it without a trial, as there is
            no other way to be fast.
    """
    if asked == "exact":
        return Verdict(is_fast=False)
    if not is_possible(engine):
        is_missed = asked == "fast" and not asked_gain
        return Verdict(is_fast=False, note=NO_BFLOAT16 if is_missed else "")
    if asked == "fast" and not asked_gain:
        return Verdict(is_fast=True)
    try:
        trial = remembered(network, folder)
    except (BackendError, MemoryError) as error:
        _log.warning("the fast precision is left out: %s", error)
        return Verdict(is_fast=False)
    _log.info("fast against exact: %.1f dB, %.2f times as fast", trial.decibels, trial.gain)
    return Verdict(is_fast=trial.passes(LEAST_GAIN if asked == "auto" else asked_gain))


def remembered(network: Candidate, folder: Path) -> Trial:
    """The trial's outcome, measured now if it was not before."""
    facts = network.facts
    words = f"{facts.device_name} {facts.threads} {facts.engine} {facts.engine_version}"
    key = hashlib.sha256(words.encode()).hexdigest()[:16]
    path = folder / f"precision-{key}.json"
    known = _read(path)
    if known is not None:
        return known
    trial = measure(network)
    ways.remember(path, asdict(trial))
    return trial


def _read(path: Path) -> Trial | None:
    """The outcome in a file, or None if there is none that still counts."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        trial = Trial(float(values["decibels"]), float(values["gain"]))
        is_only_slow = trial.decibels >= LEAST_DB and not trial.passes()
        return None if is_only_slow and ways.is_old(path) else trial
    except (OSError, ValueError, KeyError, TypeError):
        return None


def measure(network: Candidate) -> Trial:
    """Run a picture in both precisions; times are the best of a few runs in turn, as others use the machine too."""
    image = picture(network.architecture)
    results = {name: network.one_pass(image, name) for name in ("exact", "fast")}
    error = np.mean((np.clip(results["fast"], 0, 1) - np.clip(results["exact"], 0, 1)) ** 2, dtype=np.float64)
    # Where no difference is left, the ratio is without end; 200 dB says as much and can be written down.
    decibels = 200.0 if error <= 1e-20 else float(-10 * np.log10(error))
    large = trial_picture(network.architecture, network.facts.threads)
    samples = {name: network.sample(large, name) for name in results}
    seconds = dict.fromkeys(samples, float("inf"))
    for _round in range(_ROUNDS):
        for name, (run, blocks) in samples.items():
            seconds[name] = min(seconds[name], _timed(run) / blocks)
    return Trial(decibels if np.isfinite(decibels) else 0.0, seconds["exact"] / seconds["fast"])


def _timed(sample: Callable[[], object]) -> float:
    started = time.perf_counter()
    sample()
    return time.perf_counter() - started


def picture(architecture: Architecture) -> Array:
    """Noise of falling strength at every scale with a few edges, as photos have: (1, C·u², 96, 96) in 0..1."""
    rng = np.random.default_rng(7)
    channels = architecture.in_channels * architecture.unshuffle**2
    image = np.full((_SIDE, _SIDE, 1), 0.5, np.float32)
    for step in (2, 4, 8, 16, 32):
        coarse = rng.standard_normal((_SIDE // step, _SIDE // step)).astype(np.float32)
        image[..., 0] += np.float32(0.004 * step) * coarse.repeat(step, axis=0).repeat(step, axis=1)
    image[10:30, 12:40] += 0.25
    image[40:60, 20:24] -= 0.3
    planes = np.clip(image, 0, 1).transpose(2, 0, 1)
    return np.ascontiguousarray(np.repeat(planes, channels, axis=0)[np.newaxis])


def trial_picture(architecture: Architecture, threads: int) -> Array:
    """That picture, repeated for taking times: (1, C·u², 192 or more, 512), high enough for the threads."""
    one = picture(architecture)
    repeats = max(_TRIAL_REPEAT, math.ceil(threads / _TRIAL_THREADS))
    tiled = np.tile(one, (1, 1, repeats, math.ceil(_TRIAL_WIDTH / one.shape[3])))
    return np.ascontiguousarray(tiled[..., :_TRIAL_WIDTH])
