"""Noise: Gaussian (independent, gray, correlated), speckle and Poisson.

A field is drawn at unit variance from a generator of its own and then scaled, so a change of the level does not change
the pattern. A gray picture gets one field: the independent kind has the same meaning there as the gray one, and the
correlated kind keeps its mean variance.
Source: K. Zhang et al., ICCV 2021, section 3.3; speckle and Poisson come from the released code's *plus* variant.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from bsrgan_backend.degradation.pictures import clipped, luma
from bsrgan_backend.imaging.pixels import Floats

Matrix = npt.NDArray[np.float64]

INDEPENDENT, GRAY, CORRELATED = "independent", "gray", "correlated"
KINDS = (INDEPENDENT, GRAY, CORRELATED)
COLOUR = "colour"
POISSON_KINDS = (COLOUR, GRAY)

_TOP = 255.0


def generator(seed: int) -> np.random.Generator:
    """The generator of one noise field.

    Args:
        seed: 0 or more, from the recipe.
    """
    return np.random.Generator(np.random.SFC64(seed))


def covariance(eigenvalues: Matrix, mixing: Matrix, level: float) -> Matrix:
    """Covariance of the three channels for correlated noise, from six random numbers of the model.

    Args:
        eigenvalues: (3,) in 0..1.
        mixing: (3, 3) in 0..1, of which the left singular vectors are taken.
        level: 8-bit levels, the standard deviation that an eigenvalue of 1 stands for.

    Returns:
        (3, 3) float64 in squared 8-bit levels, symmetric, positive semidefinite; every entry is made positive, so all
        correlations are.
    """
    basis = np.linalg.svd(mixing)[0]
    mixed: Matrix = np.abs(level**2 * basis.T @ np.diag(eigenvalues) @ basis)
    symmetric: Matrix = 0.5 * (mixed + mixed.T)
    return symmetric


def root(matrix: Matrix) -> Matrix:
    """The symmetric square root of a covariance.

    Args:
        matrix: (3, 3) symmetric, positive semidefinite up to rounding.

    Returns:
        (3, 3) float64 whose square is `matrix`; eigenvalues below 0 count as 0.
    """
    values, vectors = np.linalg.eigh(matrix)
    square: Matrix = vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T
    return square


def add_gaussian(image: Floats, kind: str, level: float, matrix: Matrix, rng: np.random.Generator) -> Floats:
    """Add Gaussian noise.

    Args:
        image: (H, W, 1 or 3) float32 in 0..1.
        kind: "independent" for each channel, "gray" the same for all, "correlated" by `matrix`.
        level: standard deviation in 8-bit levels; not used for "correlated".
        matrix: (3, 3) covariance in squared 8-bit levels; used for "correlated" only.
        rng: where the field comes from.

    Returns:
        (H, W, 1 or 3) float32 in 0..1, a new array.
    """
    return clipped(image + _field(image, kind, level, matrix, rng))


def multiply_speckle(image: Floats, kind: str, level: float, matrix: Matrix, rng: np.random.Generator) -> Floats:
    """Add Gaussian noise in proportion to each value: black stays black.

    Args:
        image: (H, W, 1 or 3) float32, clipped to 0..1 first.
        kind: as in `add_gaussian`.
        level: standard deviation at white, in 8-bit levels.
        matrix: as in `add_gaussian`.
        rng: where the field comes from.

    Returns:
        (H, W, 1 or 3) float32 in 0..1, a new array.
    """
    base = np.clip(image, 0.0, 1.0)
    noise = _field(base, kind, level, matrix, rng)
    return clipped(base + base * noise)


def add_poisson(image: Floats, kind: str, peak: float, rng: np.random.Generator) -> Floats:
    """Replace values by photon counts: the variance is value/peak.

    The picture is rounded to 8 bit first, as the released code does.

    Args:
        image: (H, W, 1 or 3) float32.
        kind: "colour" counts each channel, "gray" counts the brightness and adds its noise to all channels.
        peak: mean photons of white; fewer are noisier.
        rng: where the counts come from.

    Returns:
        (H, W, 1 or 3) float32 in 0..1, a new array.
    """
    base = _rounded(image)
    if kind == COLOUR:
        return clipped((rng.poisson(base * peak) / peak).astype(np.float32))
    brightness = _rounded(luma(base))
    noise = (rng.poisson(brightness * peak) / peak - brightness).astype(np.float32)
    return clipped(base + noise)


def _field(image: Floats, kind: str, level: float, matrix: Matrix, rng: np.random.Generator) -> Floats:
    """(H, W, 1 or 3) noise, one channel where all are the same."""
    height, width, channels = image.shape
    one = channels == 1 or kind == GRAY
    field: Floats = rng.standard_normal((height, width, 1 if one else channels), dtype=np.float32)
    if kind != CORRELATED:
        field *= np.float32(level / _TOP)
    elif one:
        field *= np.float32(math.sqrt(np.trace(matrix) / 3.0) / _TOP)
    else:
        field = cv2.transform(field, (root(matrix) / _TOP).astype(np.float32))
    return field


def _rounded(image: Floats) -> Floats:
    levels = np.rint(np.clip(image, 0.0, 1.0) * np.float32(_TOP))
    unit: Floats = levels / np.float32(_TOP)
    return unit
