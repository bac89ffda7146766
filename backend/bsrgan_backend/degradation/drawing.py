"""The distributions: one function for each step, from a stream of its own to plain numbers.

Source: the released code's ranges and K. Zhang et al., ICCV 2021, section 3; `profiles` says where they differ.
`scale` is the reduction that is left: 2 after a picture was halved in advance for scale 4.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TypeVar

import numpy as np

from bsrgan_backend.degradation import camera, mosaic, noise
from bsrgan_backend.degradation.profiles import Profile
from bsrgan_backend.degradation.steps import (
    RATIO,
    TARGET,
    Blur,
    Camera,
    Classical,
    Gaussian,
    Jpeg,
    Poisson,
    Resize,
    Speckle,
    Step,
)
from bsrgan_backend.degradation.streams import field_seed

_INTERPOLATIONS = ("linear", "cubic", "area")
_PLAIN = ("linear", "cubic")
_MOST_LEVEL = 25
_QUALITIES = (30, 95)

ISOTROPIC, ANISOTROPIC = "isotropic", "anisotropic"

Normal = TypeVar("Normal", Gaussian, Speckle)


def chance(rng: np.random.Generator, probability: float) -> bool:
    """Whether something of that probability happens."""
    return bool(rng.random() < probability)


def draw_blur(rng: np.random.Generator, scale: int, profile: Profile, kind: str | None = None) -> Blur:
    """A Gaussian blur, anisotropic with probability 0.5 unless `kind` says which; the size is drawn on its own."""
    by_chance = ISOTROPIC if chance(rng, 0.5) else ANISOTROPIC
    size = int(rng.choice(profile.kernel_sizes))
    if (kind or by_chance) == ISOTROPIC:
        variance = rng.uniform(profile.least_sigma, 2.0 + 0.2 * scale) ** 2
        return Blur(variance, variance, 0.0, size)
    along, across = rng.uniform(profile.least_variance, 4.0 + scale, 2)
    return Blur(float(along), float(across), rng.uniform(0.0, math.pi), size)


def draw_halving(rng: np.random.Generator) -> Resize:
    """A reduction by 2: antialiased with probability 0.5, else one of OpenCV's interpolations."""
    antialiased = chance(rng, 0.5)
    return Resize(RATIO, 2.0, "antialiased" if antialiased else _one_of(rng, _INTERPOLATIONS))


def draw_reduction(rng: np.random.Generator, scale: int) -> Step:
    """The first change of size: by 1 to 2 x scale, or classical with probability 0.25."""
    if chance(rng, 0.75):
        return Resize(RATIO, rng.uniform(1.0, 2.0 * scale), _one_of(rng, _INTERPOLATIONS))
    return Classical(scale, rng.uniform(0.1, 0.6 * scale))


def draw_to_target(rng: np.random.Generator) -> Resize:
    """The change to the final size; nothing happens where it is reached already."""
    return Resize(TARGET, 1.0, _one_of(rng, _INTERPOLATIONS))


def draw_joined_sizes(rng: np.random.Generator, scale: int) -> list[Step]:
    """The paper's change of size: linear, cubic, classical or down-up, equally likely."""
    kind = int(rng.integers(4))
    if kind < len(_PLAIN):
        return [Resize(TARGET, 1.0, _PLAIN[kind])]
    if kind == len(_PLAIN):
        # The second step does nothing, unless strength made another size of the first.
        return [Classical(scale, rng.uniform(0.1, 0.6 * scale)), Resize(TARGET, 1.0, "linear")]
    first = Resize(RATIO, rng.uniform(0.5, scale), _one_of(rng, _PLAIN))
    return [first, Resize(TARGET, 1.0, _one_of(rng, _PLAIN))]


def draw_plus_resize(rng: np.random.Generator, scale: int) -> Resize | None:
    """The *plus* variant's change of size: larger with probability 0.2, smaller 0.7, else none."""
    u = rng.random()
    interpolation = _one_of(rng, _INTERPOLATIONS)
    if u > 0.8:
        return Resize(RATIO, 1.0 / rng.uniform(1.0, 2.0), interpolation)
    if u < 0.7:
        return Resize(RATIO, 1.0 / rng.uniform(0.5 / scale, 1.0), interpolation)
    return None


def draw_normal(rng: np.random.Generator, kind: type[Normal], profile: Profile) -> Normal:
    """Gaussian or speckle noise: independent 0.4, gray 0.4, correlated 0.2."""
    level = float(rng.integers(profile.least_level, _MOST_LEVEL, endpoint=True))
    u = rng.random()
    branch = noise.INDEPENDENT if u > 0.6 else noise.GRAY if u < 0.4 else noise.CORRELATED
    return completed_normal(kind(branch, level), rng, profile.correlated_level)


def completed_normal(step: Normal, rng: np.random.Generator, correlated_level: float | None) -> Normal:
    """Noise with its covariance and the seed of its field, where they are not there yet."""
    if step.seed is None:
        step = replace(step, seed=field_seed(rng))
    if step.kind == noise.CORRELATED and step.covariance is None:
        level = step.level if correlated_level is None else correlated_level
        matrix = noise.covariance(rng.random(3), rng.random((3, 3)), level)
        step = replace(step, covariance=tuple(float(item) for item in matrix.ravel()))
    return step


def draw_poisson(rng: np.random.Generator) -> Poisson:
    """Photon noise with 10^2 to 10^4 photons at white, colour or gray."""
    kind = noise.COLOUR if chance(rng, 0.5) else noise.GRAY
    return Poisson(kind, 10.0 ** rng.uniform(2.0, 4.0), field_seed(rng))


def draw_jpeg(rng: np.random.Generator) -> Jpeg:
    """JPEG of quality 30 to 95."""
    return Jpeg(int(rng.integers(*_QUALITIES, endpoint=True)))


def draw_camera(rng: np.random.Generator, profile: Profile) -> Camera:
    """A camera: colours, exposure, white balance, filter pattern, noise and tone curves."""
    mix = tuple(float(item) for item in np.maximum(rng.random(camera.CAMERAS), 1e-6))
    shot = math.exp(rng.uniform(math.log(1e-4), math.log(0.012)))
    read = read_noise(shot, rng.normal(0.0, 0.26))
    gain = 2.0 ** rng.uniform(-0.1, 0.3) if profile.own_curves else _exposure(rng)
    step = Camera(
        shot=shot,
        read=read,
        mix=mix,
        illuminant=profile.illuminant,
        gain=gain,
        red_gain=rng.uniform(*profile.red_gain),
        blue_gain=rng.uniform(*profile.blue_gain),
        pattern=_one_of(rng, mosaic.PATTERNS),
        seed=field_seed(rng),
    )
    if not profile.own_curves:
        return step
    before, after = rng.uniform(1.6, 2.6, 2)
    first, second = rng.random(2)
    return replace(
        step,
        gamma_before=float(before),
        curve_before=float(first),
        gamma_after=float(after),
        curve_after=float(second),
    )


def read_noise(shot: float, deviation: float = 0.0) -> float:
    """Variance of the read noise that goes with a shot noise: a line in natural logarithms (T. Brooks et al., 2019).

    Args:
        shot: variance per unit of signal, above 0.
        deviation: how far from the line; drawn from N(0, 0.26).
    """
    return math.exp(2.18 * math.log(shot) + 1.20 + deviation)


def _exposure(rng: np.random.Generator) -> float:
    """One over N(0.8, 0.1), which is not allowed below 0.5."""
    while (inverse := rng.normal(0.8, 0.1)) <= 0.5:
        pass
    return float(1.0 / inverse)


def _one_of(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]
