"""Processed camera sensor noise: back to raw, noise there, and through the camera's processing again.

K. Zhang et al., ICCV 2021, section 3.3 describe the step but never released it. This one follows T. Brooks et al.,
"Unprocessing Images for Learned Raw Denoising", CVPR 2019: its matrices, gains and noise line. Malvar's demosaicing is
replaced by the bilinear one.

A gray picture is seen by a sensor without colour filters: same curve, exposure and noise, but no matrix, no white
balance and no mosaic.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from bsrgan_backend.degradation.mosaic import demosaic, mosaic, sites
from bsrgan_backend.degradation.pictures import clipped
from bsrgan_backend.degradation.tones import ToneCurve, decoded, encoded
from bsrgan_backend.imaging.pixels import Floats

Matrix = npt.NDArray[np.float64]

_XYZ_TO_CAMERAS = np.array(
    [
        [[1.0234, -0.2969, -0.2266], [-0.5625, 1.6328, -0.0469], [-0.0703, 0.2188, 0.6406]],
        [[0.4913, -0.0541, -0.0202], [-0.613, 1.3513, 0.2906], [-0.1564, 0.2151, 0.7183]],
        [[0.838, -0.263, -0.0639], [-0.2887, 1.0725, 0.2496], [-0.0627, 0.1427, 0.5438]],
        [[0.6596, -0.2079, -0.0562], [-0.4782, 1.3016, 0.1933], [-0.097, 0.1581, 0.5181]],
    ]
)
_RGB_TO_XYZ = {
    "D65": [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ],
    "D50": [
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ],
}
ILLUMINANTS = tuple(_RGB_TO_XYZ)
CAMERAS = len(_XYZ_TO_CAMERAS)

_BRIGHT = 0.9
"""Above this mean the gains fade out, or highlights would come back coloured."""


@dataclass(frozen=True)
class Sensor:
    """Everything between the scene and the picture but the tone curve.

    Attributes:
        mix: four weights of the cameras whose colour matrices are averaged; at least one is above 0.
        illuminant: "D65" or "D50", the white of the matrices.
        gain: brightening after the sensor.
        red_gain: white balance of red.
        blue_gain: white balance of blue.
        pattern: colour filters, one of `mosaic.PATTERNS`.
        shot: variance of the noise per unit of signal.
        read: variance of the noise without signal.
    """

    mix: tuple[float, ...]
    illuminant: str
    gain: float
    red_gain: float
    blue_gain: float
    pattern: str
    shot: float
    read: float


def colour_matrix(mix: tuple[float, ...], illuminant: str) -> Matrix:
    """Linear RGB to the camera's own colours.

    Args:
        mix: (4,) weights, at least one above 0.
        illuminant: "D65" or "D50".

    Returns:
        (3, 3) float64; every row sums to 1, so that neutral stays neutral.
    """
    to_camera = np.tensordot(np.array(mix) / sum(mix), _XYZ_TO_CAMERAS, axes=1)
    matrix: Matrix = to_camera @ np.array(_RGB_TO_XYZ[illuminant])
    matrix /= matrix.sum(axis=1, keepdims=True)
    return matrix


def shoot(
    image: Floats, sensor: Sensor, before: ToneCurve, after: ToneCurve, rng: np.random.Generator | None
) -> Floats:
    """Photograph a picture.

    Args:
        image: (H, W, 1 or 3) float32 in 0..1; values outside are clipped.
        sensor: the camera.
        before: curve that the picture is taken to have.
        after: curve of the camera.
        rng: where the noise comes from; None for none.

    Returns:
        (H, W, 1 or 3) float32 in 0..1, a new array.
    """
    scene = decoded(np.clip(image, 0.0, 1.0), before)
    linear = _monochrome(scene, sensor, rng) if image.shape[2] == 1 else _colour(scene, sensor, rng)
    return encoded(clipped(linear), after)


def add_sensor_noise(raw: Floats, shot: float, read: float, rng: np.random.Generator) -> Floats:
    """Shot and read noise, as one Gaussian with the variance shot·signal + read.

    Args:
        raw: float32 in 0..1, the noise-free signal.
        shot: variance per unit of signal.
        read: variance without signal.
        rng: where the noise comes from.

    Returns:
        The same shape, float32, a new array; not clipped.
    """
    field: Floats = rng.standard_normal(raw.shape, dtype=np.float32)
    field *= np.sqrt(raw * np.float32(shot) + np.float32(read))
    field += raw
    return field


def uncorrected(linear: Floats, gains: tuple[float, float, float]) -> Floats:
    """Divide the gains out again without turning highlights into coloured ones.

    Args:
        linear: (H, W, C) float32 in the camera's colours.
        gains: inverse gain of each channel; of one channel the middle counts.

    Returns:
        (H, W, C) float32, a new array; where all channels are near 1 they keep their values.
    """
    inverse = np.array(gains if linear.shape[2] == 3 else gains[1:2], np.float32)
    mean = linear.mean(axis=2, keepdims=True) if linear.shape[2] == 1 else _mean(linear)
    if float(mean.max()) <= _BRIGHT:
        plain: Floats = linear * inverse
        return plain
    mask: Floats = np.square(np.maximum(mean - np.float32(_BRIGHT), 0.0) * np.float32(1.0 / (1.0 - _BRIGHT)))
    faded: Floats = linear * np.maximum(mask + (np.float32(1.0) - mask) * inverse, inverse)
    return faded


def _mean(linear: Floats) -> Floats:
    mean: Floats = cv2.transform(linear, np.full((1, 3), 1.0 / 3.0, np.float32)).reshape(*linear.shape[:2], 1)
    return mean


def _inverse_gains(sensor: Sensor) -> tuple[float, float, float]:
    return 1.0 / (sensor.gain * sensor.red_gain), 1.0 / sensor.gain, 1.0 / (sensor.gain * sensor.blue_gain)


def _monochrome(scene: Floats, sensor: Sensor, rng: np.random.Generator | None) -> Floats:
    raw = clipped(uncorrected(scene, _inverse_gains(sensor)))
    if rng is not None:
        raw = clipped(add_sensor_noise(raw, sensor.shot, sensor.read, rng))
    linear: Floats = raw * np.float32(sensor.gain)
    return linear


def _colour(scene: Floats, sensor: Sensor, rng: np.random.Generator | None) -> Floats:
    height, width = scene.shape[:2]
    # A line of single pixels has no place for all three colours.
    scene = cv2.copyMakeBorder(scene, 0, int(height < 2), 0, int(width < 2), cv2.BORDER_REPLICATE)
    matrix = colour_matrix(sensor.mix, sensor.illuminant)
    colours = cv2.transform(scene, matrix.astype(np.float32))
    raw = mosaic(clipped(uncorrected(colours, _inverse_gains(sensor))), sensor.pattern)
    if rng is not None:
        raw = add_sensor_noise(raw, sensor.shot, sensor.read, rng)
    red, blue = sites(sensor.pattern)
    raw[red] *= np.float32(sensor.red_gain)
    raw[blue] *= np.float32(sensor.blue_gain)
    developed = demosaic(clipped(raw), sensor.pattern)[:height, :width]
    back = np.linalg.inv(matrix) * sensor.gain
    linear: Floats = cv2.transform(developed, back.astype(np.float32))
    return linear
