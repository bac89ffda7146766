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

from bsrgan_backend.engine import paddle_engine, planning, processor, saving
from bsrgan_backend.engine.engine import Engine, trunk, unshuffled
from support.trained_weights import shared_cache, trained

PHOTOS = Path(__file__).resolve().parents[3] / "shared" / "reference" / "realsrset"
NAMES = ("Lincoln", "building", "butterfly2", "chip", "comic1", "oldphoto2")
LEAST_DB = 50.0
"""Below this the difference could be seen; the engines reach about 55 dB, the rest is the authors' float16."""

CLOSE = 1e-4
"""Largest difference of float32 sums in another order, on results in 0..1: a fortieth of a level of 8 bit."""

Array = npt.NDArray[np.float32]
pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def best() -> Engine:
    """RealSR DF2K-JPEG in the fastest way of this machine."""
    return processor.load(trained("realsr-jpeg"), shared_cache() / "programs")


@pytest.fixture(scope="module")
def realsr() -> paddle_engine.PaddleEngine:
    """The same by Paddle alone."""
    return paddle_engine.load(trained("realsr-jpeg"), shared_cache() / "programs")


def photo(name: str) -> Array:
    """One of the published photos, 0..1; skips where they are not there."""
    path = PHOTOS / "lr" / f"{name}.png"
    if not path.is_file():
        pytest.skip(f"the published photos are not there: {path.parent} is missing")
    return np.asarray(Image.open(path).convert("RGB"), dtype=np.float32) / np.float32(255)


def run(engine: Engine, image: Array, tile: int | None = None, precision: str = "exact") -> Array:
    """The whole result."""
    strips: list[Array] = []

    def take(_first: int, strip: Array) -> None:
        strips.append(strip)

    engine.upscale(image, take, lambda *_: None, lambda: False, tile=tile, precision=precision)
    return np.concatenate(strips)


def rounded(result: Array) -> npt.NDArray[np.uint8]:
    """To 8 bit as the product does: one clamp, one rounding."""
    return np.rint(np.clip(result, 0, 1) * 255).astype(np.uint8)


@pytest.mark.parametrize("name", NAMES)
def test_published_results_are_reached(name: str, best: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    """RealSR-JPEG on a published photo gives the published result within 50 dB PSNR."""
    image = photo(name)
    started = time.monotonic()
    got = rounded(run(best, image)).astype(np.float64)
    seconds = time.monotonic() - started
    wanted = np.asarray(Image.open(PHOTOS / "sr_realsr_jpeg" / f"{name}_RealSR_JPEG.png").convert("RGB"), np.float64)
    assert got.shape == wanted.shape
    psnr = 10 * np.log10(255**2 / np.mean((got - wanted) ** 2))
    with capsys.disabled():
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        sys.stdout.write(
            f"\n{name}: {psnr:.1f} dB, largest difference {np.abs(got - wanted).max():.0f} of 255, "
            f"{seconds:.1f} s, peak {peak:.0f} MB ({best.facts.engine}, {os.cpu_count()} cores)\n"
        )
    assert psnr >= LEAST_DB


def test_trunk_and_strips_equal_one_pass(realsr: paddle_engine.PaddleEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """With trained weights the trunk and the tail in strips give bit for bit one pass over the photo."""
    image = photo("butterfly2")[:72, :88]
    whole = realsr.tail(trunk(realsr, unshuffled(image, 1)))[0].transpose(1, 2, 0)
    monkeypatch.setattr(planning, "TAIL_TILE_MACS", 40 * 60 * planning.tail_macs(realsr.architecture))
    assert np.array_equal(run(realsr, image), whole)


def content(name: str) -> Array:
    """A picture of 72 x 88 that shows seams in its own way."""
    if name == "photo":
        return photo("butterfly2")[:72, :88]
    if name == "noise":
        return np.random.default_rng(5).random((72, 88, 3), dtype=np.float32)
    y, x = np.mgrid[0:72, 0:88].astype(np.float32)
    return np.stack([x / 88, y / 72, (x + y) / 160], axis=-1)


@pytest.mark.parametrize("tile", [29, 44])
@pytest.mark.parametrize("name", ["photo", "gradient", "noise"])
def test_exact_tiles_equal_one_pass(name: str, tile: int, realsr: paddle_engine.PaddleEngine) -> None:
    """With trained weights stages in tiles of any size give bit for bit one pass over the picture."""
    image = content(name)
    whole = realsr.tail(trunk(realsr, unshuffled(image, 1)))[0].transpose(1, 2, 0)
    assert np.array_equal(run(realsr, image, tile), whole)


@pytest.mark.parametrize("name", ["photo", "gradient", "noise"])
def test_rows_equal_paddle_closely(name: str, realsr: paddle_engine.PaddleEngine) -> None:
    """With trained weights fast convolutions differ from Paddle's by rounding only, those of larger tiles too."""
    image = content(name)
    weights = trained("realsr-jpeg")
    rows = processor.ProcessorEngine(weights, realsr, saving.prepare(weights, shared_cache() / "programs"))
    whole = run(rows, image, precision="exact")
    assert np.abs(whole - run(realsr, image)).max() < CLOSE
    assert np.array_equal(run(rows, image, 20), whole)
    larger = rows.whole(unshuffled(image, 1), "fast")[0].transpose(1, 2, 0)
    assert 0 < np.abs(larger - whole).max() < CLOSE


@pytest.mark.parametrize("name", ["photo", "gradient", "noise"])
def test_fast_tiles_have_no_seam(name: str, realsr: paddle_engine.PaddleEngine) -> None:
    """In fast, tiles differ from one pass by no more than one level of 255."""
    image = content(name)
    whole, tiled = (rounded(run(realsr, image, tile, "fast")).astype(int) for tile in (None, 31))
    assert np.abs(whole - tiled).max() <= 1
