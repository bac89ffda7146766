"""Ten ready-made degradations with fixed numbers, which a seed can vary."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from bsrgan_backend.degradation.drawing import read_noise
from bsrgan_backend.degradation.noise import GRAY
from bsrgan_backend.degradation.parameters import Integer, Real, kind_of
from bsrgan_backend.degradation.steps import RATIO, SOURCE, TARGET, Blur, Camera, Gaussian, Jpeg, Resize, Sharpen, Step


@dataclass(frozen=True)
class Preset:
    """One ready-made degradation.

    Attributes:
        title: what a person reads.
        scale: source size over target size, unless the caller asks for another.
        steps: in order; empty for a random mode.
    """

    title: str
    scale: int
    steps: tuple[Step, ...] = ()

    @property
    def is_random(self) -> bool:
        """Whether the steps are drawn by the `bsrgan` mode."""
        return not self.steps


_LOW_LIGHT_SHOT = 0.012
_PHONE_SHOT = 0.006

PRESETS = {
    "bsrgan-x4": Preset("BSRGAN random x4", 4),
    "bsrgan-x2": Preset("BSRGAN random x2", 2),
    "old-phone-camera": Preset(
        "Old phone camera",
        2,
        (
            Blur(1.0, 1.0),
            Resize(TARGET, 1.0, "area"),
            Camera(shot=_PHONE_SHOT, read=read_noise(_PHONE_SHOT)),
            Jpeg(70),
            Sharpen(0.5),
            Jpeg(60),
        ),
    ),
    "web-jpeg": Preset("Web JPEG", 1, (Resize(RATIO, 2.0, "cubic"), Jpeg(45))),
    "re-shared-image": Preset(
        "Re-shared image",
        1,
        (
            Resize(RATIO, 1 / 0.75, "cubic"),
            Jpeg(75),
            Resize(RATIO, 1 / 0.8, "cubic"),
            Jpeg(55),
            Resize(RATIO, 1 / 1.25, "cubic"),
            Jpeg(40),
        ),
    ),
    "scanned-print": Preset(
        "Scanned print", 2, (Blur(2.5, 1.2), Gaussian(GRAY, 8.0), Resize(TARGET, 1.0, "area"), Jpeg(85))
    ),
    "low-light": Preset(
        "Low light",
        1,
        (Camera(shot=_LOW_LIGHT_SHOT, read=read_noise(_LOW_LIGHT_SHOT)), Gaussian(GRAY, 10.0), Jpeg(80)),
    ),
    "thumbnail-enlarged": Preset(
        "Thumbnail enlarged", 4, (Resize(TARGET, 1.0, "area"), Jpeg(80), Resize(SOURCE, 1.0, "nearest"))
    ),
    "old-dvd-frame": Preset(
        "Old DVD frame", 2, (Blur(6.0, 0.5), Resize(TARGET, 1.0, "linear"), Gaussian(GRAY, 5.0), Jpeg(50))
    ),
    "clean-bicubic": Preset("Clean bicubic", 4, (Resize(TARGET, 1.0, "antialiased"),)),
}


def varied(step: Step, rng: np.random.Generator, variation: float) -> Step:
    """The step with each of its strengths multiplied by a number around 1.

    Kinds, angles, patterns and whole scales stay; isotropic blurs stay isotropic.

    Args:
        step: the fixed numbers.
        rng: where the factors come from.
        variation: 0..1; 0.2 draws the factors from 0.8..1.2.
    """
    changed: dict[str, float] = {}
    for of in fields(step):
        kind = kind_of(of)
        if not isinstance(kind, (Real, Integer)) or not kind.varies:
            continue
        value = float(np.clip(getattr(step, of.name) * rng.uniform(1 - variation, 1 + variation), kind.low, kind.high))
        changed[of.name] = round(value) if isinstance(kind, Integer) else value
    if isinstance(step, Blur) and step.along == step.across:
        changed["across"] = changed["along"]
    if isinstance(step, Resize) and step.to != RATIO:
        changed = {}
    return replace(step, **changed)
