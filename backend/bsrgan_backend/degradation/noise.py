"""Noise: Gaussian (independent, gray, correlated), speckle and Poisson.

A field is drawn at unit variance from a generator of its own and then scaled, so a change of the level does not change
the pattern. A gray picture gets one field: the independent kind has the same meaning there as the gray one, and the
correlated kind keeps its mean variance.
Source: K. Zhang et al., ICCV 2021, section 3.3; speckle and Poisson come from the released code's *plus* variant.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

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
_BAND_PX = 64 * 1024


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
    result: Floats = np.empty_like(image)
    for rows, field in _fields(image, kind, level, matrix, rng):
        clipped(np.add(image[rows], field, out=result[rows]))
    return result


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
    result: Floats = np.clip(image, 0.0, 1.0)
    for rows, field in _fields(image, kind, level, matrix, rng):
        clipped(np.add(result[rows], result[rows] * field, out=result[rows]))
    return result


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
    result = _rounded(image)
    for rows in _bands(image):
        base = result[rows]
        counted = base if kind == COLOUR else _rounded(luma(base))
        noise = rng.poisson(counted * peak) / peak - counted
        clipped(np.add(base, noise, out=base, casting="same_kind"))
    return result


def _bands(image: Floats) -> Iterator[slice]:
    """Bands of rows: less memory, and they stay in the processor's cache. The field is that of the whole."""
    step = max(1, _BAND_PX // image.shape[1])
    for first in range(0, image.shape[0], step):
        yield slice(first, first + step)


def _fields(
    image: Floats, kind: str, level: float, matrix: Matrix, rng: np.random.Generator
) -> Iterator[tuple[slice, Floats]]:
    """Noise for each band of rows: (rows, W, 1 or 3), one channel where all are the same."""
    one = image.shape[2] == 1 or kind == GRAY
    mixing = (root(matrix) / _TOP).astype(np.float32)
    deviation = np.float32((math.sqrt(np.trace(matrix) / 3.0) if kind == CORRELATED else level) / _TOP)
    for rows in _bands(image):
        height, width, channels = image[rows].shape
        field: Floats = rng.standard_normal((height, width, 1 if one else channels), dtype=np.float32)
        if kind == CORRELATED and not one:
            yield rows, cv2.transform(field, mixing)
        else:
            yield rows, np.multiply(field, deviation, out=field)


def _rounded(image: Floats) -> Floats:
    levels = np.rint(np.clip(image, 0.0, 1.0) * np.float32(_TOP))
    unit: Floats = levels / np.float32(_TOP)
    return unit
