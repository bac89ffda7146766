"""Where a network draws transparency better than a kernel: at hard edges, and there without rims.

A network takes every edge for a sharp one that was blurred. For text, cut-outs and hair that is right, for a feather or
a soft brush it is wrong: measured on masks reduced by 4, it gains 3 dB on text and 6 dB on polygons, and loses 40 dB on
a mask blurred by 2.5 px. So the network's alpha counts as far as an edge is hard:

    hardness = largest |a(x-1) - 2 a(x) + a(x+1)| of rows and columns in 3 x 3 px / (max - min of a in 7 x 7 px)
    weight   = hardness from 0.5 to 0.9, as 0 to 1
    alpha    = kernel + weight · (network kept between min and max of a in 3 x 3 px - kernel)

A step between two pixels has the hardness 1, an edge blurred by 1 px a quarter. Where alpha is even the weight is 0, so
the kernel's exact value stays and the network need not run.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from bsrgan_backend.imaging.boxes import Box, Part, Size
from bsrgan_backend.imaging.pixels import Floats
from bsrgan_backend.imaging.resampling import resize_box

Weights = npt.NDArray[np.uint8]
"""(H, W), 0..255 for 0..1."""

_SOFT, _HARD = 0.5, 0.9
_LEAST_CONTRAST = np.float32(0.03)
"""Smaller differences of alpha nobody sees, and rounding makes them look hard."""
_NEAR = np.ones((3, 3), np.uint8)
_AROUND = np.ones((7, 7), np.uint8)
_REACH = 5
"""Pixels that the hardness of one depends on, to each side."""

_CELL = 64
"""Side of the squares in which hard edges are looked for, in pixels."""
_BAND_PX = 1024 * 1024


def edge_weights(alpha: Floats) -> Weights:
    """How far the network's alpha counts, for each pixel of the source.

    Args:
        alpha: (H, W) float32 in 0..1.

    Returns:
        (H, W) uint8, 0 for the kernel alone to 255 for the network alone.
    """
    weights: Weights = np.zeros(alpha.shape, np.uint8)
    step = max(1, _BAND_PX // alpha.shape[1])
    for first in range(0, alpha.shape[0], step):
        last = min(first + step, alpha.shape[0])
        low, high = max(0, first - _REACH), min(alpha.shape[0], last + _REACH)
        weights[first:last] = _weights(alpha[low:high])[first - low : last - low]
    return weights


def _weights(alpha: Floats) -> Weights:
    contrast = cv2.dilate(alpha, _AROUND) - cv2.erode(alpha, _AROUND)
    hardness = cv2.dilate(_bend(alpha), _NEAR) / np.maximum(contrast, _LEAST_CONTRAST)
    share = (hardness - np.float32(_SOFT)) / np.float32(_HARD - _SOFT)
    weights: Weights = np.rint(np.clip(share, 0.0, 1.0) * np.float32(255)).astype(np.uint8)
    weights[contrast < _LEAST_CONTRAST] = 0
    return weights


def _bend(alpha: Floats) -> Floats:
    """The larger of the second differences along rows and columns; edges repeat."""
    padded = np.pad(alpha, 1, mode="edge")
    twice = 2 * alpha
    across = np.abs(padded[1:-1, :-2] - twice + padded[1:-1, 2:])
    down = np.abs(padded[:-2, 1:-1] - twice + padded[2:, 1:-1])
    bend: Floats = np.maximum(across, down)
    return bend


def edge_boxes(weights: Weights) -> list[Box]:
    """Boxes that hold every pixel of weight above 0 and 64 px around it; none overlaps another.

    Args:
        weights: of `edge_weights`.
    """
    cells = _cells(weights)
    # A cell more on each side: the weight reaches a few pixels further at the result's size.
    cells = cv2.dilate(cells, _NEAR)
    _count, _labels, found, _centres = cv2.connectedComponentsWithStats(cells, connectivity=8)
    boxes = [Box(int(y), int(x), int(y + h), int(x + w)) for x, y, w, h, _area in found[1:]]
    size = (weights.shape[0], weights.shape[1])
    return [box.times(_CELL).within(Box.whole(size)) for box in _disjoint(boxes)]


def _cells(weights: Weights) -> Weights:
    """1 for each cell of pixels that has any weight."""
    rows = np.arange(0, weights.shape[0], _CELL)
    columns = np.arange(0, weights.shape[1], _CELL)
    largest = np.maximum.reduceat(np.maximum.reduceat(weights, rows, axis=0), columns, axis=1)
    cells: Weights = (largest > 0).astype(np.uint8)
    return cells


def _disjoint(boxes: list[Box]) -> list[Box]:
    """The boxes, with those that overlap replaced by the box around them."""
    done: list[Box] = []
    for box in boxes:
        merged = box
        while overlapping := [other for other in done if other.within(merged).area]:
            done = [other for other in done if other not in overlapping]
            merged = _around([merged, *overlapping])
        done.append(merged)
    return done


def _around(boxes: list[Box]) -> Box:
    return Box(
        min(box.top for box in boxes),
        min(box.left for box in boxes),
        max(box.bottom for box in boxes),
        max(box.right for box in boxes),
    )


def merge(network: Floats, kernel: Floats, alpha: Floats, weights: Weights, size: Size, wanted: Box) -> Floats:
    """Alpha of a rectangle of the result, by the formula above.

    Args:
        network: (height, width) of `wanted`, float32, any range. Changed in place.
        kernel: the same, of `transparency.enlarge_box`.
        alpha: (H, W) float32, the whole source plane.
        weights: of `edge_weights`.
        size: (height, width) of the whole result.
        wanted: the rectangle.

    Returns:
        (height, width) float32 in 0..1; `kernel`'s value exactly where the weight is 0.
    """
    _limit(network, alpha, size, wanted)
    network -= kernel
    network *= _shares(weights, size, wanted)
    network += kernel
    return network


def _shares(weights: Weights, size: Size, wanted: Box) -> Floats:
    """Weights at the result's size, 0..1."""
    seen = _under(wanted, (weights.shape[0], weights.shape[1]), size)
    plane = weights[seen.slices].astype(np.float32) / np.float32(255)
    part = Part(plane[..., None], (weights.shape[0], weights.shape[1]), seen)
    return np.clip(resize_box(part, size, wanted, "bicubic")[..., 0], 0.0, 1.0)


def _limit(network: Floats, alpha: Floats, size: Size, wanted: Box) -> None:
    """Keep the network's alpha between the smallest and largest of the source nearby, in place."""
    rows = _nearest(wanted.top, wanted.bottom, alpha.shape[0], size[0])
    columns = _nearest(wanted.left, wanted.right, alpha.shape[1], size[1])
    seen = _under(wanted, (alpha.shape[0], alpha.shape[1]), size)
    # A reduced pixel shows several of the source.
    reach = 1 + max(alpha.shape[0] // size[0], alpha.shape[1] // size[1])
    square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    index = np.ix_(rows - seen.top, columns - seen.left)
    np.maximum(network, cv2.erode(alpha[seen.slices], square)[index], out=network)
    np.minimum(network, cv2.dilate(alpha[seen.slices], square)[index], out=network)


def _nearest(begin: int, end: int, source: int, target: int) -> npt.NDArray[np.int64]:
    """The source sample under the middle of each result sample."""
    return (2 * np.arange(begin, end, dtype=np.int64) + 1) * source // (2 * target)


def _under(wanted: Box, source: Size, target: Size) -> Box:
    """What of the source a rectangle of the result can depend on, by any of the kernels here."""
    reach = 4 * (1 + max(source[0] // target[0], source[1] // target[1]))
    return wanted.at(target, source).grown(reach, source)
