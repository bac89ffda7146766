"""There and back: a degraded picture through the daemon, and how near the result comes to the original."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bsrgan_backend.cli import batch, degrade_work, job
from bsrgan_backend.cli.degrade_items import LQ, TRIP, Item
from bsrgan_backend.cli.degrade_work import Done
from bsrgan_backend.cli.language import _
from bsrgan_backend.degradation import layers, read_recipe
from bsrgan_backend.imaging import metrics, pixels
from bsrgan_backend.imaging.pictures import read_picture, write_picture
from bsrgan_backend.imaging.pixels import Floats, Pixels
from bsrgan_wire.client import Client


@dataclass(frozen=True)
class Trip:
    """What a round trip gave; PSNR over all colours in dB, SSIM of the brightness (`imaging.metrics`).

    Attributes:
        file: original, degraded and restored side by side.
        model: that restored it.
        degraded: PSNR and SSIM of the degraded picture, enlarged by bicubic, against the original.
        restored: the same of the restored one.
        notes: the daemon's sentences.
    """

    file: Path
    model: str
    degraded: tuple[float, float]
    restored: tuple[float, float]
    notes: tuple[str, ...]

    def sentence(self, name: str) -> str:
        """Both comparisons on one line."""
        before, after = (f"PSNR {_decibels(psnr)}, SSIM {ssim:.4f}" for psnr, ssim in (self.degraded, self.restored))
        told = _("{name}  degraded: {before}  restored: {after}  ({model})")
        return told.format(name=name, before=before, after=after, model=self.model)

    def facts(self) -> dict[str, Any]:
        """For programs; PSNR of equal pictures is null."""
        pairs = {"degraded": self.degraded, "restored": self.restored}
        told = {
            name: {"psnr": psnr if math.isfinite(psnr) else None, "ssim": ssim} for name, (psnr, ssim) in pairs.items()
        }
        return {"trip": self.file.name, "model": self.model, **told}


def run(item: Item, done: Done, client: Client, model: str, show: Callable[[str], None]) -> Trip:
    """Upscale a result to its source's size and compare.

    Args:
        item: what was degraded.
        done: what became of it.
        client: connected.
        model: id, empty for the daemon's default.
        show: given one line of progress now and then.

    Raises:
        WireError: the daemon refused or failed.
        BackendError: a file cannot be read or written.
        OSError: the same.
    """
    recipe = read_recipe(degrade_work.recipe_of(done))
    full = layers.enlarged_size(recipe)
    lq_file = item.target(LQ)
    target = lq_file.with_name(f"{lq_file.stem}{batch.MARK}.png")
    wanted = job.Wanted(width=full[1], height=full[0])
    prepared = job.prepare(batch.Item(lq_file, target, is_named=True), model, wanted, "auto")
    upscaled = job.run(prepared, client, show)
    original, _ = degrade_work.clean(item)
    height, width = original.shape[:2]
    restored = read_picture(target).pixels[:height, :width]
    degraded = prepared.picture.pixels
    file = item.target(TRIP)
    _write_beside(file, item, (original, layers.enlarged(degraded, recipe), restored))
    seen = _seen(original)
    plain = metrics.enlarged_bicubic(_seen(degraded), full)[:height, :width]
    return Trip(file, upscaled.model, _compared(seen, plain), _compared(seen, _seen(restored)), upscaled.notes)


def _write_beside(file: Path, item: Item, pictures: tuple[Pixels, ...]) -> None:
    picture = read_picture(item.source)
    dtype = "u8" if picture.pixels.dtype == np.uint8 else "u16"
    row = np.concatenate([layers.converted(part, dtype) for part in pictures], axis=1)
    write_picture(file, replace(picture, pixels=row))


def _compared(original: Floats, other: Floats) -> tuple[float, float]:
    return metrics.psnr(original, other), metrics.ssim(original, other)


def _seen(picture: Pixels) -> Floats:
    """Colour as it is seen on black; what alpha hides does not count."""
    colour, alpha = pixels.split(picture)
    return metrics.over_black(colour, alpha)


def _decibels(value: float) -> str:
    return f"{value:.2f} dB" if math.isfinite(value) else _("infinite")
