"""The trained network on the photos that its authors published, against the results that they published."""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from bsrgan_backend.engine import paddle_engine, planning
from bsrgan_backend.engine.engine import trunk, unshuffled
from support.trained_weights import shared_cache, trained

PHOTOS = Path(__file__).resolve().parents[3] / "shared" / "reference" / "realsrset"
NAMES = ("Lincoln", "building", "butterfly2", "chip", "comic1", "oldphoto2")
LEAST_DB = 50.0
"""Below this the difference could be seen; the engines reach about 55 dB, the rest is the authors' float16."""

Array = npt.NDArray[np.float32]
pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def realsr() -> paddle_engine.PaddleEngine:
    """RealSR DF2K-JPEG on the best engine of this machine."""
    return paddle_engine.load(trained("realsr-jpeg"), shared_cache() / "programs")


def photo(name: str) -> Array:
    """One of the published photos, 0..1; skips where they are not there."""
    path = PHOTOS / "lr" / f"{name}.png"
    if not path.is_file():
        pytest.skip(f"the published photos are not there: {path.parent} is missing")
    return np.asarray(Image.open(path).convert("RGB"), dtype=np.float32) / np.float32(255)


def run(engine: paddle_engine.PaddleEngine, image: Array, tile: int | None = None) -> Array:
    """The whole result."""
    strips: list[Array] = []
    engine.upscale(image, lambda _, strip: strips.append(strip), lambda *_: None, lambda: False, tile=tile)
    return np.concatenate(strips)


def rounded(result: Array) -> npt.NDArray[np.uint8]:
    """To 8 bit as the product does: one clamp, one rounding."""
    return np.rint(np.clip(result, 0, 1) * 255).astype(np.uint8)


@pytest.mark.parametrize("name", NAMES)
def test_published_results_are_reached(
    name: str, realsr: paddle_engine.PaddleEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    """RealSR-JPEG on a published photo gives the published result within 50 dB PSNR."""
    image = photo(name)
    started = time.monotonic()
    got = rounded(run(realsr, image)).astype(np.float64)
    seconds = time.monotonic() - started
    wanted = np.asarray(Image.open(PHOTOS / "sr_realsr_jpeg" / f"{name}_RealSR_JPEG.png").convert("RGB"), np.float64)
    assert got.shape == wanted.shape
    psnr = 10 * np.log10(255**2 / np.mean((got - wanted) ** 2))
    with capsys.disabled():
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        sys.stdout.write(
            f"\n{name}: {psnr:.1f} dB, largest difference {np.abs(got - wanted).max():.0f} of 255, "
            f"{seconds:.1f} s, peak {peak:.0f} MB ({realsr.facts.engine}, {os.cpu_count()} cores)\n"
        )
    assert psnr >= LEAST_DB


def test_trunk_and_strips_equal_one_pass(realsr: paddle_engine.PaddleEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """With trained weights the trunk and the tail in strips give bit for bit one pass over the photo."""
    image = photo("butterfly2")[:72, :88]
    whole = realsr.tail(trunk(realsr, unshuffled(image, 1)))[0].transpose(1, 2, 0)
    monkeypatch.setattr(planning, "TAIL_TILE_MACS", 40 * 60 * planning.tail_macs(realsr.architecture))
    assert np.array_equal(run(realsr, image), whole)


def test_tiles_equal_one_pass(realsr: paddle_engine.PaddleEngine) -> None:
    """With trained weights stages in tiles give bit for bit one pass over the photo."""
    image = photo("butterfly2")[:72, :88]
    whole = realsr.tail(trunk(realsr, unshuffled(image, 1)))[0].transpose(1, 2, 0)
    assert np.array_equal(run(realsr, image, tile=44), whole)
