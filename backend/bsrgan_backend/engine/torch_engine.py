"""RRDBNet by PyTorch: the second engine, for devices that Paddle does not serve."""

from __future__ import annotations

import importlib.util
import logging
import re
import time
from pathlib import Path

import numpy as np

from bsrgan_backend.engine import host, precision, selftest, torch_runtime
from bsrgan_backend.engine.arithmetic import Arithmetic
from bsrgan_backend.engine.device_engine import DeviceEngine
from bsrgan_backend.engine.torch_network import TorchNetwork
from bsrgan_backend.engine.torch_runtime import TorchDevice, torch
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.weights import Weights

CARD_GAIN = 1.2
"""How many times as fast the fast precision must be on a card; less is not worth its rounding."""

_GAIN_REPEAT = 4
"""A card is timed on the trial's picture repeated so often along each side: a small one keeps it waiting."""

_log = logging.getLogger(__name__)


def half_of(device: TorchDevice) -> str:
    """Type of the products in the fast precision; the trial decides whether it is used unasked.

    Half precision gives black pictures or no numbers on the GTX 16 series; cards before Pascal's server ones compute
    it slower than float32, which the trial finds out.
    """
    if device.kind == "cpu":
        return "bf16" if host.has_bfloat16() else ""
    if device.kind == "cuda" and re.search(r"GTX 16\d\d|TU11[67]|T[456]00\b|MX[45]50", device.name):
        return ""
    return "fp16"


def load(
    weights: Weights,
    cache: Path,
    *,
    device: str = "auto",
    threads: int = 0,
    spool: Path | None = None,
    precision: str = "exact",
) -> DeviceEngine:
    """Make a model ready in the calling thread, which is then the only one that may use it.

    Args:
        weights: the net.
        cache: folder for what is found out about devices, `ROOT/cache`.
        device: "auto" for a card where there is one that works, "cpu", "gpu" or "gpu:N".
        threads: for the arithmetic of the processor; 0 for as many as the machine gives to this process.
        spool: folder for the features of images that do not fit into memory; None for none.
        precision: "exact", "fast", or "auto" for what a trial on this device shows to be better.

    Raises:
        BackendError: DEVICE when the device is missing or gives wrong numbers; INTERNAL when PyTorch does not work.
    """
    started = time.monotonic()
    threads = threads or host.usable_threads()
    note = ""
    try:
        loaded = _on(torch_runtime.find(device), weights, cache, threads, spool, precision)
    except (BackendError, MemoryError) as error:
        if device != "auto" or (isinstance(error, BackendError) and error.code != "DEVICE"):
            raise
        note = f"The processor is used: {error.text if isinstance(error, BackendError) else 'the card is full'}"
        _log.warning("%s", note)
        loaded = _on(torch_runtime.find("cpu"), weights, cache, threads, spool, precision)
    loaded.add_notes((note,) if note else ())
    _log.info("torch on %s, ready after %.1f s", loaded.facts.device, time.monotonic() - started)
    return loaded


def _on(
    device: TorchDevice, weights: Weights, cache: Path, threads: int, spool: Path | None, asked: str
) -> DeviceEngine:
    network = TorchNetwork(weights, device, half_of(device), threads)
    loaded = DeviceEngine(network, threads, spool)
    if device.kind == "cpu":
        _settle_processor(loaded, weights, cache, asked)
    else:
        _settle_card(loaded, network, weights, cache, device, asked)
    return loaded


def _settle_processor(loaded: DeviceEngine, weights: Weights, cache: Path, asked: str) -> None:
    """The trial of `precision`, as for Paddle: both are held to the same ratio and the same gain."""
    if asked == "exact":
        return
    if not loaded.arithmetic.half:
        loaded.prefer("exact", precision.NO_BFLOAT16 if asked == "fast" else "")
    elif asked == "fast":
        loaded.prefer("fast")
    else:
        folder = cache / f"torch-{weights.digest[:16]}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        loaded.prefer("fast" if precision.remembered(precision.Staged(loaded), folder).passes() else "exact")


def _settle_card(
    loaded: DeviceEngine, network: TorchNetwork, weights: Weights, cache: Path, device: TorchDevice, asked: str
) -> None:
    """Hold a card to the processor, then choose the precision.

    Raises:
        BackendError: DEVICE for wrong numbers.
    """
    facts = (device.kind, device.name, network.engine_version, f"{torch.version.cuda} {torch.backends.cudnn.version()}")
    path = selftest.file_for(cache, weights.digest, *facts)
    finding = selftest.remembered(path, lambda: _examined(network, weights, loaded.facts.threads))
    if not finding.is_right:
        raise selftest.wrong_numbers(network, finding)
    if network.half and finding.fast_db < selftest.FAST_DB:
        # GTX 16xx by another name, say: what half precision gives there is never used.
        network.half = ""
    is_close = finding.fast_db >= precision.LEAST_DB and finding.gain >= CARD_GAIN
    if network.half and (asked == "fast" or (asked == "auto" and is_close)):
        loaded.prefer("fast")
        _take_fastest_way(network, path.with_name(path.name.replace("device", "way")))
    elif asked == "fast":
        loaded.prefer("exact", "This card's half precision gives wrong numbers, so the exact one is used.")


def _take_fastest_way(network: TorchNetwork, path: Path) -> None:
    image = np.tile(precision.picture(network.architecture), (1, 1, _GAIN_REPEAT, _GAIN_REPEAT))
    # PyTorch's compiler needs Triton, which only some of its builds carry.
    may_compile = importlib.util.find_spec("triton") is not None
    network.use(network.fastest_way(path, np.ascontiguousarray(image), may_compile=may_compile))


def _examined(network: Arithmetic, weights: Weights, threads: int) -> selftest.Finding:
    processor = TorchNetwork(weights, torch_runtime.find("cpu"), "", threads)
    return selftest.examine(network, lambda image: selftest.whole(processor, image, "exact"), _GAIN_REPEAT)
