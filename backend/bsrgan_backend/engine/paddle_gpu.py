"""RRDBNet by Paddle on an NVIDIA card: found, checked, held to the processor's engine, and set up."""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine import engine, host, paddle_card, paddle_engine, precision, saving, selftest
from bsrgan_backend.engine.device_engine import DeviceEngine
from bsrgan_backend.engine.paddle_card import PaddleCard
from bsrgan_backend.engine.runtime import VERSION, check_version, paddle
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.weights import Weights

Array = npt.NDArray[np.float32]

CARD_GAIN = 1.2
"""How many times as fast the fast precision must be on a card; less is not worth its rounding."""

_REPEAT = 4
"""A card is timed on the trial's picture repeated so often along each side: a small one keeps it waiting."""

_FLAGS = {
    # Memory is taken as it is needed, so that the desktop, GIMP and games keep what they have.
    "FLAGS_allocator_strategy": "auto_growth",
    "FLAGS_fraction_of_gpu_memory_to_use": 0.0,
    "FLAGS_initial_gpu_memory_in_mb": 0,
    "FLAGS_conv_workspace_size_limit": 512,
    # Convolutions are chosen by trial for each shape. A picture has 16 shapes and 350 convolutions.
    "FLAGS_cudnn_exhaustive_search": True,
}

_log = logging.getLogger(__name__)


def load(
    weights: Weights,
    cache: Path,
    *,
    device: str = "gpu",
    threads: int = 0,
    spool: Path | None = None,
    asked: str = "exact",
) -> DeviceEngine:
    """Make a model ready on a card, in the calling thread, which is then the only one that may use it.

    Args:
        weights: the net.
        cache: `ROOT/cache`.
        device: "gpu" or "gpu:N".
        threads: of the processor, for the self-test.
        spool: folder for the features of images that do not fit into memory; None for none.
        asked: "exact", "fast", or "auto" for what the self-test shows to be better.

    Raises:
        BackendError: DEVICE when the card is missing, when this build has no code for it, or when it gives wrong
            numbers; the others as `paddle_engine.load`.
    """
    check_version()
    started = time.monotonic()
    index = int(device.partition(":")[2] or 0)
    name, capability = card(index)
    check_architecture(name, capability, paddle.version.cuda_archs())
    set_flags()
    programs = saving.prepare(weights, cache)
    arithmetic = PaddleCard(weights, f"gpu:{index}", name, half_of(name), programs)
    loaded = settled(arithmetic, weights, cache, threads or host.usable_threads(), spool, asked)
    _log.info("%s on %s, ready after %.1f s", loaded.facts.engine, loaded.facts.device, time.monotonic() - started)
    return loaded


def card(index: int) -> tuple[str, tuple[int, int]]:
    """Name and capability of CUDA's card `index`.

    Raises:
        BackendError: DEVICE when Paddle sees no such card.
    """
    count = 0
    with contextlib.suppress(RuntimeError, OSError, ValueError):
        count = paddle.device.cuda.device_count() if paddle.device.is_compiled_with_cuda() else 0
    if index >= count:
        found = "no graphics card" if not count else f"{count} graphics card(s), numbered from 0"
        raise BackendError("DEVICE", f"PaddlePaddle finds {found} here; choose 'auto' or 'cpu'.", f"gpu:{index}")
    with paddle_card.errors():
        name = str(paddle.device.cuda.get_device_name(index))
        major, minor = paddle.device.cuda.get_device_capability(index)
    return name, (int(major), int(minor))


def check_architecture(name: str, capability: tuple[int, int], built_for: Iterable[object]) -> None:
    """Refuse a card for which the installed build has no machine code.

    Args:
        name: the card's.
        capability: its (major, minor).
        built_for: what Paddle was built for, as it lists it: 80, "80", "8.0" or "sm_80"; empty when it says nothing.

    Raises:
        BackendError: DEVICE.
    """
    digits = [re.sub(r"\D", "", f"{one}") for one in built_for]
    built = [(int(one[:-1]), int(one[-1])) for one in digits if len(one) > 1]
    # Code for one architecture also runs on later ones of the same generation.
    if built and not any(major == capability[0] and minor <= capability[1] for major, minor in built):
        text = (
            f"The installed build of PaddlePaddle has no code for {name}; "
            "run the installer again for another build, or choose the device 'cpu'."
        )
        raise BackendError("DEVICE", text, f"capability {capability}, built for {built}")


def half_of(name: str) -> str:
    """Type of the products in the fast precision; half precision fails on the GTX 16 series."""
    return "" if re.search(r"GTX 16\d\d|TU11[67]|T[456]00\b|MX[45]50", name) else "fp16"


def set_flags() -> None:
    """Tell Paddle how to take memory and to choose convolutions; a flag that this build lacks is left out."""
    for flag, value in _FLAGS.items():
        with contextlib.suppress(ValueError, RuntimeError):
            paddle.set_flags({flag: value})


def settled(
    arithmetic: PaddleCard, weights: Weights, cache: Path, threads: int, spool: Path | None, asked: str
) -> DeviceEngine:
    """Hold a card to the processor's engine, then choose precision and way.

    Raises:
        BackendError: DEVICE for wrong numbers.
    """
    facts = (arithmetic.device_name, VERSION, f"{paddle.version.cuda()} {paddle.version.cudnn()}")
    path = selftest.file_for(cache, weights.digest, *facts)
    finding = selftest.remembered(path, lambda: _examined(arithmetic, weights, cache, threads))
    if not finding.is_right:
        raise selftest.wrong_numbers(arithmetic, finding)
    note = ""
    if arithmetic.half and finding.fast_db < selftest.FAST_DB:
        arithmetic.half = ""
        note = "This card's half precision gives wrong numbers, so the exact one is used."
    is_close = finding.fast_db >= precision.LEAST_DB and finding.gain >= CARD_GAIN
    is_fast = bool(arithmetic.half) and (asked == "fast" or (asked == "auto" and is_close))
    if is_fast:
        large = np.tile(precision.picture(arithmetic.architecture), (1, 1, _REPEAT, _REPEAT))
        arithmetic.use(arithmetic.fastest_way(path.with_name(path.name.replace("device", "way")), large))
    loaded = DeviceEngine(arithmetic, threads, spool)
    loaded.prefer("fast" if is_fast else "exact", note if asked == "fast" else "")
    return loaded


def _examined(arithmetic: PaddleCard, weights: Weights, cache: Path, threads: int) -> selftest.Finding:
    processor = paddle_engine.load(weights, cache, threads=threads)

    def reference(image: Array) -> Array:
        return processor.tail(engine.trunk(processor, image))

    return selftest.examine(arithmetic, reference, _REPEAT)
