"""The fine texture of a picture without its noise: what a network smooths away and a slider brings back.

Plain blending with the source brings back everything, noise and JPEG blocks included. Here only this comes back:

    w = Y - b * b * Y           the fine band of the luminance: details of about 1 to 2 px
    v = mean of w² in 9 x 9 px  its energy around a pixel
    F                           energy that noise has in the band: the floor, one number for a picture
    m = |sum of gradients of Y| / sum of |gradients of Y|  in 9 x 9 px: 1 at an edge, near 0 where Y goes up and down
    texture = clip(w, ±0.08) · max(0, 1 - (2.5 F / v)²) · (1 for m below 0.4, falling to 0 at 0.75)

Y is Rec. 709 luma of the non-linear values; b is the binomial of 9 taps (deviation √2 px). The last line is a local
Wiener rule (Lee 1980, "Digital image enhancement and noise filtering by use of local statistics") with the noise
taken 2.5 times (over-subtraction, Berouti et al. 1979) and a steeper knee: where the energy could be noise, exactly
nothing returns. Edges are left to the network, which draws them itself: the factor of m and the clip keep them, and the
ringing that a JPEG leaves beside them, from being added once more.

The floor is the larger of three:
* white noise: the median absolute deviation of the finest diagonal band (second differences in both directions,
  Immerkær 1996, "Fast noise variance estimation"; the median and 0.6745 of Donoho & Johnstone 1994), per tile, the
  lower quartile of all tiles, times the share of white noise that the band lets through. The diagonal band holds less
  of a picture's structure than any other, so a picture full of fabric is not taken for noise;
* where a grid of 8 x 8 px is found (steps at one of eight phases stand out in both directions, as Wang, Sheikh &
  Bovik 2002 measure blockiness), noise is no longer white and the tile energies of the band itself count: their
  lower seventh, so that calm areas with blocks and ringing are the floor;
* half a step of 8 bit: rounding, and what nobody sees.

Known limits: noise that is not white and has no grid (a picture enlarged before) counts as texture in part, and a
picture that is filled by one diagonal weave may be taken for noise.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from bsrgan_backend.imaging.boxes import Box, Part, Size
from bsrgan_backend.imaging.pixels import Floats
from bsrgan_backend.imaging.resampling import resize_box, taps

_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
_BINOMIAL = np.array([1, 8, 28, 56, 70, 56, 28, 8, 1], np.float32) / np.float32(256)
_WINDOW = np.full(9, 1 / 9, np.float32)
_REACH = 4
"""Pixels that either of the two reaches to each side."""

_DIAGONAL = np.array([1, -2, 1], np.float32)
_DIAGONAL_GAIN = 6.0
"""Deviation of white noise of deviation 1 after second differences in both directions."""
_GAUSS_MAD = 0.6745
"""Median of the absolute value of a normal variable of deviation 1."""
_WHITE_SHARE = 1.0 - 2.0 * float(_BINOMIAL[4]) ** 2 + float((_BINOMIAL**2).sum()) ** 2
"""Part of white noise's energy in the fine band."""

_LEAST = _WHITE_SHARE * (0.5 / 255.0) ** 2
"""Energy of half a step of 8 bit."""
_CAUTION = 2.5
"""How many times the floor an energy must be to be more than noise: 80 pixels of noise vary by a sixth."""
_EDGE = np.float32(0.08)
"""Largest difference that counts as texture."""

_NO_EDGE, _ALL_EDGE = np.float32(0.4), np.float32(0.75)
"""Of m: below the first all is texture, above the second nothing is."""
_FLAT = np.float32(1e-9)

_CALM = 1 / 7
"""Part of the tiles that is taken for calm where a picture has a grid."""
_TILE = 32
_BLOCK = 8
_BAND_PX = 256 * 1024
_STEP, _USUAL = np.float32(0.03), np.float32(4.0)
"""In the search for a grid a step between two pixels counts as no more than so, or than so many medians."""
_STANDS_OUT = 3.2
"""Deviations; noise without a grid reached 3.9 in both directions in 300 pictures, nearly all stay below 3."""
_GRID_PX = 3 * _TILE
"""Sides below this have too few blocks for a verdict."""


def luminance(colour: Floats) -> Floats:
    """Rec. 709 luma of non-linear colour; gray is its own.

    Args:
        colour: (H, W, 1 or 3) float32.

    Returns:
        (H, W) float32.
    """
    if colour.shape[2] == 1:
        return colour[..., 0]
    # Sums in one order for every pixel: a matrix product may add differently with the number of rows.
    luma: Floats = colour[..., 0] * _LUMA[0] + colour[..., 1] * _LUMA[1] + colour[..., 2] * _LUMA[2]
    return luma


def fine_rows(colour: Floats, first: int, last: int) -> Floats:
    """The fine band w of some rows, noise and all; edges repeat.

    Args:
        colour: (H, W, 1 or 3) float32, the whole picture.
        first: first row; may lie outside, where the edge's row counts again.
        last: row after the last one.

    Returns:
        (last - first, W) float32, signed.
    """
    return _fine(luminance(_rows(colour, first - _REACH, last + _REACH)))


def texture_rows(colour: Floats, floor: float, first: int, last: int) -> Floats:
    """The texture of some rows at the picture's own size; the rows of the whole, however they are cut.

    Args:
        colour: (H, W, 1 or 3) float32, the whole picture.
        floor: of `noise_floor`.
        first: first row.
        last: row after the last one.

    Returns:
        (last - first, W) float32, signed.
    """
    # Outside of the picture its edge counts again, as in every filter here.
    luma = luminance(_rows(colour, first - 2 * _REACH, last + 2 * _REACH))
    fine = _fine(luma)
    limit = np.float32(_CAUTION * floor)
    share = limit / np.maximum(_around(fine * fine), limit)
    texture: Floats = np.clip(fine[_REACH:-_REACH], -_EDGE, _EDGE)
    texture *= np.float32(1.0) - share * share
    texture *= np.clip((_ALL_EDGE - _edgeness(luma)) / (_ALL_EDGE - _NO_EDGE), 0.0, 1.0)
    return texture


def _fine(luma: Floats) -> Floats:
    """The fine band of a plane's rows but the first and last four."""
    smooth = _along_columns(_along_rows(luma, _BINOMIAL), _BINOMIAL)
    fine: Floats = luma[_REACH:-_REACH] - smooth
    return fine


def _around(plane: Floats) -> Floats:
    """The mean of 9 x 9 px around each pixel of a plane's rows but the first and last four."""
    return _along_columns(_along_rows(plane, _WINDOW), _WINDOW)


def _edgeness(luma: Floats) -> Floats:
    """How much of an edge there is (m of the formula, 0..1), for a plane's rows but the first and last eight."""
    seen = luma[_REACH : -_REACH + 1]
    down = np.diff(seen, axis=0)
    across = np.diff(seen[:-1], axis=1, append=seen[:-1, -1:])
    slopes = _around(np.sqrt(across * across + down * down))
    across, down = _around(across), _around(down)
    edgeness: Floats = np.sqrt(across * across + down * down) / np.maximum(slopes, _FLAT)
    return edgeness


def texture_box(part: Part, floor: float, size: Size, wanted: Box) -> Floats:
    """The texture at the asked size: the rows of `texture_rows` resampled by Lanczos 3, antialiased.

    Args:
        part: the source, or a part of it that reaches 8 px and the kernel further than `wanted`.
        floor: of `noise_floor`.
        size: (height, width) of the whole result.
        wanted: what of the result to make.

    Returns:
        (height, width, 1) of `wanted`, float32, signed.
    """
    down = taps(part.source[0], size[0], "lanczos3", wanted.top, wanted.bottom)
    low, high = (wanted.top, wanted.bottom) if down is None else (int(down.first[0]), int(down.last[-1]))
    seen = Box(low, part.seen.left, high, part.seen.right)
    rows = texture_rows(part.image, floor, low - part.seen.top, high - part.seen.top)
    return resize_box(Part(rows[..., None], part.source, seen), size, wanted)


def noise_floor(colour: Floats, alpha: Floats | None = None) -> float:
    """The energy in the fine band that is noise, blocks or rounding and not texture.

    Args:
        colour: (H, W, 1 or 3) float32 in 0..1.
        alpha: (H, W) float32; tiles with invisible pixels do not count. None for opaque.

    Returns:
        A mean square of values in 0..1, above 0.
    """
    deviations, energies = [], []
    for first in range(0, colour.shape[0], _TILE):
        last = min(first + _TILE, colour.shape[0])
        shown = None if alpha is None else alpha[first:last]
        for deviation, energy in _tile_facts(colour, shown, first, last):
            deviations.append(deviation)
            energies.append(energy)
    if not deviations:
        return _LEAST
    white = _WHITE_SHARE * float(np.quantile(deviations, 0.25)) ** 2
    blocky = float(np.quantile(energies, _CALM)) if _has_blocks(colour) else 0.0
    return max(white, blocky, _LEAST)


def _tile_facts(colour: Floats, shown: Floats | None, first: int, last: int) -> Iterator[tuple[float, float]]:
    """(deviation of white noise, mean energy of the fine band) of each tile of a row of tiles.

    Tiles of one value (clipped skies, drawings) say nothing about noise and are left out.
    """
    fine = fine_rows(colour, first, last)
    luma = luminance(_rows(colour, first - 1, last + 1))
    diagonal = np.abs(_along_columns(_along_rows(luma, _DIAGONAL), _DIAGONAL))
    energy = fine * fine
    whole = fine.shape[1] // _TILE * _TILE
    for columns in (slice(0, whole), slice(whole, None)):
        tiles = _tiles(diagonal[:, columns])
        counts = tiles.any(axis=1)
        if shown is not None:
            counts &= _tiles(shown[:, columns]).all(axis=1)
        deviations = np.median(tiles[counts], axis=1) / (_GAUSS_MAD * _DIAGONAL_GAIN)
        energies = _tiles(energy[:, columns])[counts].mean(axis=1)
        yield from zip(deviations.tolist(), energies.tolist(), strict=True)


def _tiles(rows: Floats) -> Floats:
    """(tiles, pixels of each) of a row of tiles of 32 columns, or of one narrower tile."""
    height, width = rows.shape
    across = min(width, _TILE) or 1
    tiles: Floats = rows.reshape(height, -1, across).swapaxes(0, 1).reshape(-1, height * across)
    return tiles


def _has_blocks(colour: Floats) -> bool:
    """Whether steps stand out at one of eight phases in both directions: the grid of a JPEG."""
    if min(colour.shape[:2]) < _GRID_PX:
        return False
    across, down = np.zeros(_BLOCK), np.zeros(_BLOCK)
    rows = _BLOCK * max(1, _BAND_PX // (_BLOCK * colour.shape[1]))
    for first in range(0, colour.shape[0], rows):
        last = min(first + rows, colour.shape[0])
        luma = luminance(_rows(colour, first - 1, last + 2))
        across += _by_phase(_excess(luma[1:-2]).sum(axis=0))
        down += _by_phase(_excess(luma.T).sum(axis=0), first)
    return _stands_out(across) and _stands_out(down)


def _excess(luma: Floats) -> npt.NDArray[np.float64]:
    """How much larger each step between columns is than those beside it; (H, W - 3) for steps 1..W-3."""
    steps = np.abs(np.diff(luma, axis=1))
    # Edges of the picture would drown the grid.
    steps = np.minimum(steps, max(_STEP, _USUAL * np.median(steps))).astype(np.float64)
    excess: npt.NDArray[np.float64] = steps[:, 1:-1] - 0.5 * (steps[:, :-2] + steps[:, 2:])
    return excess


def _by_phase(sums: npt.NDArray[np.float64], first: int = 0) -> npt.NDArray[np.float64]:
    padded = np.zeros(-(-len(sums) // _BLOCK) * _BLOCK)
    padded[: len(sums)] = sums
    return np.roll(padded.reshape(-1, _BLOCK).sum(axis=0), first)


def _stands_out(phases: npt.NDArray[np.float64]) -> bool:
    """One phase is far from the others; its two neighbours are lower because of it and do not count."""
    best = int(np.argmax(phases))
    others = np.roll(phases, -best)[2:-1]
    return bool(phases[best] > others.mean() + _STANDS_OUT * others.std() and phases[best] > 0.0)


def _rows(colour: Floats, first: int, last: int) -> Floats:
    """Rows first..last, of which those outside are the edge again."""
    if first >= 0 and last <= colour.shape[0]:
        return colour[first:last]
    return colour[np.clip(np.arange(first, last), 0, colour.shape[0] - 1)]


def _along_columns(plane: Floats, kernel: Floats) -> Floats:
    """A symmetric kernel down the columns, for the rows that have all their neighbours."""
    count = plane.shape[0] - len(kernel) + 1
    total: Floats = plane[:count] * kernel[0]
    for tap in range(1, len(kernel)):
        total += plane[tap : tap + count] * kernel[tap]
    return total


def _along_rows(plane: Floats, kernel: Floats) -> Floats:
    """A symmetric kernel along the rows; edges repeat."""
    reach, width = len(kernel) // 2, plane.shape[1]
    padded = np.pad(plane, ((0, 0), (reach, reach)), mode="edge")
    total: Floats = padded[:, :width] * kernel[0]
    for tap in range(1, len(kernel)):
        total += padded[:, tap : tap + width] * kernel[tap]
    return total
