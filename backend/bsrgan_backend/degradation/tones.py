"""Tone curves: from scene-linear values to what a picture file holds, and exactly back.

A family with two numbers stands for the measured curves of cameras, which may not be passed on:
y = (1 - w)·q + w·(3q² - 2q³) with q = x^(1/gamma). Gamma 2.2 with w = 1 is the curve of T. Brooks et al., "Unprocessing
Images for Learned Raw Denoising", CVPR 2019.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bsrgan_backend.imaging.pixels import Floats

Values = npt.NDArray[np.float64]
_KNOTS = 65536
_STRAIGHT = 1e-9


@dataclass(frozen=True)
class ToneCurve:
    """One curve of the family.

    Attributes:
        gamma: exponent, about 1.6..2.6.
        weight: 0..1, how much of the S-shape is mixed in.
    """

    gamma: float = 2.2
    weight: float = 1.0

    def encode(self, linear: Values) -> Values:
        """Scene-linear to encoded.

        Args:
            linear: any shape, float64 in 0..1.

        Returns:
            The same shape, float64 in 0..1.
        """
        q = np.power(linear, 1.0 / self.gamma)
        mixed: Values = (1.0 - self.weight) * q + self.weight * (3.0 - 2.0 * q) * q * q
        return mixed

    def decode(self, encoded: Values) -> Values:
        """Encoded to scene-linear: the exact inverse of `encode`.

        Args:
            encoded: any shape, float64 in 0..1.

        Returns:
            The same shape, float64 in 0..1.
        """
        q = encoded if self.weight < _STRAIGHT else _unmixed(encoded, self.weight)
        linear: Values = np.power(np.clip(q, 0.0, 1.0), self.gamma)
        return linear


def _unmixed(encoded: Values, weight: float) -> Values:
    """The middle root of the cubic, which is odd around (1/2, 1/2): u³ - p·u + r = 0 with u = q - 1/2."""
    p = (1.0 + 0.5 * weight) / (2.0 * weight)
    r = (encoded - 0.5) / (2.0 * weight)
    sine = np.clip(1.5 * math.sqrt(3.0) * r / p**1.5, -1.0, 1.0)
    middle: Values = 0.5 + 2.0 * math.sqrt(p / 3.0) * np.sin(np.arcsin(sine) / 3.0)
    return middle


def decoded(image: Floats, curve: ToneCurve) -> Floats:
    """A picture in scene-linear values, by a table of 65536 knots.

    Args:
        image: float32 in 0..1, encoded.
        curve: the curve that it was encoded with.

    Returns:
        The same shape, float32 in 0..1, a new array.
    """
    return np.take(_decoding(curve), _index(image))


def encoded(linear: Floats, curve: ToneCurve) -> Floats:
    """A scene-linear picture as a file would hold it, by a table of 65536 knots over the square root.

    Curves are steepest near black, where the square root spreads the knots: nothing moves by more than 0.03 of an
    8-bit level for the gammas that are drawn, up to 2.6, and 0.1 for the largest one that is allowed, 3.

    Args:
        linear: float32 in 0..1.
        curve: the curve to encode with.

    Returns:
        The same shape, float32 in 0..1, a new array.
    """
    return np.take(_encoding(curve), _index(np.sqrt(linear)))


def _index(values: Floats) -> npt.NDArray[np.uint16]:
    index: npt.NDArray[np.uint16] = (values * np.float32(_KNOTS - 1) + np.float32(0.5)).astype(np.uint16)
    return index


@functools.lru_cache(maxsize=16)
def _decoding(curve: ToneCurve) -> Floats:
    return curve.decode(np.linspace(0.0, 1.0, _KNOTS)).astype(np.float32)


@functools.lru_cache(maxsize=16)
def _encoding(curve: ToneCurve) -> Floats:
    return curve.encode(np.linspace(0.0, 1.0, _KNOTS) ** 2).astype(np.float32)
