"""Whether a device computes the right numbers, asked with a fixed picture before it is trusted with one of the user's.

A library built for other cards has been seen to return wrong numbers without a word. So a card's result is held to
the processor's in both precisions. The answer is remembered for the device, its library and the model.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bsrgan_backend.engine import precision
from bsrgan_backend.engine.arithmetic import Arithmetic
from bsrgan_backend.errors import BackendError

Array = npt.NDArray[np.float32]

EXACT_DB = 80.0
"""Least ratio of a float32 result to the processor's; another order of addition leaves more than 110 dB."""

FAST_DB = 45.0
"""Least ratio of a result in half precision below which a device is not used for it."""

_ROUNDS = 3
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finding:
    """What a device did with the picture.

    Attributes:
        exact_db: its float32 result against the processor's.
        fast_db: that in half precision; 0 where it has none or gave values that are no numbers.
        gain: time of exact over that of fast, for one block.
    """

    exact_db: float
    fast_db: float
    gain: float

    @property
    def is_right(self) -> bool:
        """Whether the device can be used at all."""
        return self.exact_db >= EXACT_DB


def decibels(result: Array, wanted: Array) -> float:
    """Peak signal-to-noise ratio of values in 0..1, clamped to it; 0 for other shapes or values that are no numbers.

    Args:
        result: any shape, float32.
        wanted: the same shape.
    """
    if result.shape != wanted.shape or not np.isfinite(result).all():
        return 0.0
    error = np.mean((np.clip(result, 0, 1) - np.clip(wanted, 0, 1)) ** 2, dtype=np.float64)
    # 200 dB stands for no difference at all, which has no ratio.
    return 200.0 if error <= 1e-20 else float(-10 * np.log10(error))


def whole(arithmetic: Arithmetic, image: Array, which: str) -> Array:
    """One pass over a small picture: (1, C·u², H, W) → (1, C_out, fH, fW)."""
    pixels = arithmetic.upload(image)
    features = arithmetic.head(pixels)
    for index in range(arithmetic.architecture.blocks):
        features = arithmetic.block(index, features, which)
    return arithmetic.download(arithmetic.tail(arithmetic.join(pixels, features), which))()


def examine(arithmetic: Arithmetic, reference: Callable[[Array], Array], repeat: int = 1) -> Finding:
    """Run the picture in every precision that the device has.

    Args:
        arithmetic: the network on the device.
        reference: the processor's result in float32 for an unshuffled image.
        repeat: the blocks are timed on the picture repeated so often along each side.

    Raises:
        MemoryError: not even this fits.
        BackendError: the device cannot run the network.
    """
    image = precision.picture(arithmetic.architecture)
    wanted = reference(image)
    exact_db = decibels(whole(arithmetic, image, "exact"), wanted)
    fast_db = decibels(whole(arithmetic, image, "fast"), wanted) if arithmetic.half else 0.0
    gain = gain_of(arithmetic, image, repeat) if fast_db else 0.0
    _log.info("self-test of %s: exact %.1f dB, fast %.1f dB, gain %.2f", arithmetic.device, exact_db, fast_db, gain)
    return Finding(exact_db, fast_db, gain)


def gain_of(arithmetic: Arithmetic, image: Array, repeat: int) -> float:
    """Time of a block in exact over that in fast, on the picture repeated `repeat` times along each side."""
    large = np.ascontiguousarray(np.tile(image, (1, 1, repeat, repeat)))
    features = arithmetic.head(arithmetic.upload(large))
    seconds = {which: min(_timed(arithmetic, features, which) for _ in range(_ROUNDS)) for which in ("exact", "fast")}
    return seconds["exact"] / seconds["fast"]


def _timed(arithmetic: Arithmetic, features: object, which: str) -> float:
    arithmetic.finish()
    started = time.perf_counter()
    arithmetic.block(0, features, which)
    arithmetic.finish()
    return time.perf_counter() - started


def remembered(path: Path, find: Callable[[], Finding]) -> Finding:
    """The finding in a file, or what `find` finds now; a wrong one is never remembered, as a driver may be mended."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Finding(float(values["exact_db"]), float(values["fast_db"]), float(values["gain"]))
    except (OSError, ValueError, KeyError, TypeError):
        finding = find()
    if finding.is_right:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_text(json.dumps(asdict(finding)), encoding="utf-8")
        except OSError:
            _log.info("the outcome of the self-test cannot be remembered")
    return finding


def file_for(folder: Path, digest: str, *facts: str) -> Path:
    """Where the finding for a model on a device is kept.

    Args:
        folder: the cache.
        digest: of the weights.
        facts: whatever may change the numbers: device, driver, library and its version.
    """
    key = hashlib.sha256("\0".join((digest, *facts)).encode()).hexdigest()[:16]
    return folder / f"device-{key}.json"


def wrong_numbers(arithmetic: Arithmetic, finding: Finding) -> BackendError:
    """What to say of a device that failed."""
    text = (
        f"{arithmetic.device_name} gave wrong numbers with {arithmetic.engine_version}; "
        "update the driver and run the installer again, or choose the device 'cpu'."
    )
    return BackendError("DEVICE", text, f"exact {finding.exact_db:.1f} dB")
