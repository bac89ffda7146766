"""The nine kinds of step: their numbers, what they do to a picture, and what less of them means.

`weakened(t)` is the rule of strength. It moves the numbers of a step on a straight line towards the ones that change
nothing, in the unit that the eye judges: standard deviations, not variances; for JPEG the distance of the quality
from 100; for a change of size the ratio minus 1. At 0 a step is left out, except the change to the final size.

Two steps would jump there. JPEG halves the chroma at quality 100 too, so its last tenth is a mix with its source. And
a ratio that moves no side by a whole pixel would round it to one and resample everything, so it is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from bsrgan_backend.degradation import blur, camera, jpeg, mosaic, noise, resizing, sharpening
from bsrgan_backend.degradation.parameters import LARGEST_SEED, Choice, Integer, Real, Reals, parameter
from bsrgan_backend.degradation.pictures import Size
from bsrgan_backend.degradation.tones import ToneCurve
from bsrgan_backend.imaging.pixels import Floats

FAMILIES = ("blur", "resize", "noise", "jpeg", "camera", "sharpen")
"""What can be switched off as one."""

_SEED = Integer(0, LARGEST_SEED, optional=True)
_NO_COVARIANCE = np.zeros((3, 3))
_WHOLE_JPEG = 0.1
"""Strength from which on JPEG is not mixed with its source: what a file really holds, not half of it."""


@dataclass(frozen=True)
class Canvas:
    """What a change of size refers to.

    Attributes:
        source: (height, width) of the whole picture, a multiple of `scale`.
        scale: source size over target size.
    """

    source: Size
    scale: int


@dataclass(frozen=True)
class Step:
    """One operation with all of its numbers.

    Attributes:
        name: what recipes call it.
        family: which switch it belongs to.
    """

    name: ClassVar[str]
    family: ClassVar[str]

    def changed(self, image: Floats) -> Floats:
        """(H, W, 1 or 3) float32 in 0..1 to a new array of the same kind."""
        raise NotImplementedError

    def apply(self, image: Floats, canvas: Canvas) -> Floats:  # noqa: ARG002 - only some changes of size need it
        """The same where the result depends on the size of the whole picture."""
        return self.changed(image)

    def weakened(self, strength: float) -> Step | None:
        """The step at a strength of 0..1; None when nothing of it is left."""
        raise NotImplementedError

    def size_after(self, size: Size, canvas: Canvas) -> Size:  # noqa: ARG002 - most steps keep the size
        """(height, width) that the step makes of another one."""
        return size

    def is_idle(self, size: Size) -> bool:  # noqa: ARG002 - only a change of size by a ratio can be
        """Whether a weakened step changes so little of a (height, width) that it is left out."""
        return False


@dataclass(frozen=True)
class Blur(Step):
    """A Gaussian blur; equal variances are isotropic, `size` 0 takes the taps that the variances need."""

    name: ClassVar[str] = "blur"
    family: ClassVar[str] = "blur"
    along: float = parameter(Real(0.0, 400.0, "px²", varies=True), 1.0)
    across: float = parameter(Real(0.0, 400.0, "px²", varies=True), 1.0)
    theta: float = parameter(Real(0.0, np.pi, "radians"), 0.0)
    size: int = parameter(Integer(0, 121, "taps", odd=True), 0)

    def changed(self, image: Floats) -> Floats:
        """Blur."""
        taps = self.size or blur.full_size(max(self.along, self.across))
        return blur.blur(image, taps, self.along, self.across, self.theta)

    def weakened(self, strength: float) -> Step | None:
        """Less deviation."""
        return _kept(replace(self, along=self.along * strength**2, across=self.across * strength**2), strength)


RATIO, TARGET, SOURCE = "ratio", "target", "source"


@dataclass(frozen=True)
class Resize(Step):
    """A change of size: by a `ratio` of old to new width, to the "target" (source / scale) or to the "source" size."""

    name: ClassVar[str] = "resize"
    family: ClassVar[str] = "resize"
    to: str = parameter(Choice((RATIO, TARGET, SOURCE)), TARGET)
    ratio: float = parameter(Real(0.125, 128.0, varies=True), 1.0)
    interpolation: str = parameter(Choice(resizing.INTERPOLATIONS), "cubic")

    def apply(self, image: Floats, canvas: Canvas) -> Floats:
        """Resize."""
        height, width = image.shape[:2]
        return resizing.resize(image, self.size_after((height, width), canvas), self.interpolation)

    def weakened(self, strength: float) -> Step | None:
        """A ratio nearer to 1; the way to the target or the source stays."""
        if self.to != RATIO:
            return self
        return _kept(replace(self, ratio=1.0 + (self.ratio - 1.0) * strength), strength)

    def size_after(self, size: Size, canvas: Canvas) -> Size:
        """Source, source / scale, or the size divided by the ratio."""
        if self.to == SOURCE:
            return canvas.source
        if self.to == TARGET:
            return canvas.source[0] // canvas.scale, canvas.source[1] // canvas.scale
        return resizing.reduced(size, self.ratio)

    def is_idle(self, size: Size) -> bool:
        """Whether the ratio moves neither side by a whole pixel."""
        return self.to == RATIO and all(abs(side / self.ratio - side) < 1.0 for side in size)


@dataclass(frozen=True)
class Classical(Step):
    """A Gaussian blur, then every `scale`-th pixel, aligned by centres."""

    name: ClassVar[str] = "classical"
    family: ClassVar[str] = "resize"
    scale: int = parameter(Integer(1, 8), 2)
    sigma: float = parameter(Real(0.0, 6.0, "px", varies=True), 1.0)

    def changed(self, image: Floats) -> Floats:
        """Blur and sample."""
        return resizing.classical(image, self.scale, self.sigma)

    def weakened(self, strength: float) -> Step | None:
        """Less blur before the same sampling."""
        return replace(self, sigma=self.sigma * strength)

    def size_after(self, size: Size, canvas: Canvas) -> Size:  # noqa: ARG002
        """The size over the scale, rounded up."""
        return -(-size[0] // self.scale), -(-size[1] // self.scale)


@dataclass(frozen=True)
class _NormalNoise(Step):
    family: ClassVar[str] = "noise"
    kind: str = parameter(Choice(noise.KINDS), noise.INDEPENDENT)
    level: float = parameter(Real(0.0, 255.0, "8-bit levels", varies=True), 10.0)
    covariance: tuple[float, ...] | None = parameter(
        Reals(9, 0.0, 65025.0, "squared 8-bit levels", optional=True), None
    )
    seed: int | None = parameter(_SEED, None)

    def weakened(self, strength: float) -> Step | None:
        """Less deviation, the same pattern."""
        spread = None if self.covariance is None else tuple(item * strength**2 for item in self.covariance)
        return _kept(replace(self, level=self.level * strength, covariance=spread), strength)

    def _matrix(self) -> noise.Matrix:
        return _NO_COVARIANCE if self.covariance is None else np.array(self.covariance).reshape(3, 3)


@dataclass(frozen=True)
class Gaussian(_NormalNoise):
    """Additive Gaussian noise; `covariance` (3 x 3, row by row) counts for the correlated kind only."""

    name: ClassVar[str] = "gaussian"

    def changed(self, image: Floats) -> Floats:
        """Add noise."""
        return noise.add_gaussian(image, self.kind, self.level, self._matrix(), noise.generator(self.seed or 0))


@dataclass(frozen=True)
class Speckle(_NormalNoise):
    """Multiplicative Gaussian noise; the numbers are those of `Gaussian`, for white."""

    name: ClassVar[str] = "speckle"

    def changed(self, image: Floats) -> Floats:
        """Multiply noise in."""
        return noise.multiply_speckle(image, self.kind, self.level, self._matrix(), noise.generator(self.seed or 0))


@dataclass(frozen=True)
class Poisson(Step):
    """Photon noise with `peak` photons at white, for each channel or for the brightness."""

    name: ClassVar[str] = "poisson"
    family: ClassVar[str] = "noise"
    kind: str = parameter(Choice(noise.POISSON_KINDS), noise.COLOUR)
    peak: float = parameter(Real(1.0, 1e15, "photons", varies=True), 1000.0)
    seed: int | None = parameter(_SEED, None)

    def changed(self, image: Floats) -> Floats:
        """Count photons."""
        return noise.add_poisson(image, self.kind, self.peak, noise.generator(self.seed or 0))

    def weakened(self, strength: float) -> Step | None:
        """More photons: the deviation goes with one over the root of their number."""
        return _kept(replace(self, peak=min(self.peak / max(strength**2, 1e-12), 1e15)), strength)


@dataclass(frozen=True)
class Jpeg(Step):
    """JPEG compression and back; `amount` is the share of the difference that counts."""

    name: ClassVar[str] = "jpeg"
    family: ClassVar[str] = "jpeg"
    quality: int = parameter(Integer(1, 100, varies=True), 75)
    amount: float = parameter(Real(0.0, 1.0), 1.0)

    def changed(self, image: Floats) -> Floats:
        """Compress and read back."""
        mixed = jpeg.compress(image, self.quality)
        if self.amount < 1.0:
            mixed -= image
            mixed *= np.float32(self.amount)
            mixed += image
        return mixed

    def weakened(self, strength: float) -> Step | None:
        """A quality nearer to 100, and close to 0 less of the difference."""
        quality = 100 - round((100 - self.quality) * strength)
        amount = self.amount * min(1.0, strength / _WHOLE_JPEG)
        return _kept(replace(self, quality=quality, amount=amount), strength)


@dataclass(frozen=True)
class Camera(Step):
    """Processed camera sensor noise; the default is the middle of what is drawn."""

    name: ClassVar[str] = "camera"
    family: ClassVar[str] = "camera"
    shot: float = parameter(Real(0.0, 1.0, varies=True), 0.0011)
    read: float = parameter(Real(0.0, 1.0, varies=True), 1.2e-6)
    mix: tuple[float, ...] = parameter(Reals(camera.CAMERAS, 1e-6, 1.0), (0.5, 0.5, 0.5, 0.5))
    illuminant: str = parameter(Choice(camera.ILLUMINANTS), "D65")
    gain: float = parameter(Real(0.25, 4.0), 1.25)
    red_gain: float = parameter(Real(1.0, 4.0), 2.15)
    blue_gain: float = parameter(Real(1.0, 4.0), 1.7)
    pattern: str = parameter(Choice(mosaic.PATTERNS), "RGGB")
    gamma_before: float = parameter(Real(1.0, 3.0), 2.2)
    curve_before: float = parameter(Real(0.0, 1.0), 1.0)
    gamma_after: float = parameter(Real(1.0, 3.0), 2.2)
    curve_after: float = parameter(Real(0.0, 1.0), 1.0)
    amount: float = parameter(Real(0.0, 1.0), 1.0)
    seed: int | None = parameter(_SEED, None)

    def changed(self, image: Floats) -> Floats:
        """Photograph the picture."""
        sensor = camera.Sensor(
            self.mix,
            self.illuminant,
            self.gain,
            self.red_gain,
            self.blue_gain,
            self.pattern,
            self.shot,
            self.read,
        )
        before, after = self.curves()
        shot = camera.shoot(image, sensor, before, after, noise.generator(self.seed or 0))
        if self.amount == 1.0:
            return shot
        mixed: Floats = image + np.float32(self.amount) * (shot - image)
        return mixed

    def weakened(self, strength: float) -> Step | None:
        """Less of the difference: noise, demosaicing and tones fade together."""
        return _kept(replace(self, amount=self.amount * strength), strength)

    def curves(self) -> tuple[ToneCurve, ToneCurve]:
        """The tone curve that is taken off and the one that is put on."""
        return ToneCurve(self.gamma_before, self.curve_before), ToneCurve(self.gamma_after, self.curve_after)


@dataclass(frozen=True)
class Sharpen(Step):
    """Unsharp masking with a threshold."""

    name: ClassVar[str] = "sharpen"
    family: ClassVar[str] = "sharpen"
    weight: float = parameter(Real(0.0, 4.0, varies=True), 0.5)
    radius: int = parameter(Integer(1, 200, "taps"), 50)
    threshold: float = parameter(Real(0.0, 255.0, "8-bit levels"), 10.0)

    def changed(self, image: Floats) -> Floats:
        """Sharpen."""
        return sharpening.sharpen(image, self.weight, self.radius, self.threshold)

    def weakened(self, strength: float) -> Step | None:
        """Less weight."""
        return _kept(replace(self, weight=self.weight * strength), strength)


STEPS: dict[str, type[Step]] = {
    kind.name: kind for kind in (Blur, Resize, Classical, Gaussian, Speckle, Poisson, Jpeg, Camera, Sharpen)
}


def _kept(step: Step, strength: float) -> Step | None:
    return step if strength > 0.0 else None
