"""The last step of a job: network rows, source, texture and alpha become rows of the result in the spool."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bsrgan_backend.engine.engine import OnProgress
from bsrgan_backend.imaging import pixels, strength, texture, transparency
from bsrgan_backend.imaging.boxes import Box, Part, Size
from bsrgan_backend.imaging.pixels import Floats, PixelFormat
from bsrgan_backend.worker import passes, spool
from bsrgan_backend.worker.options import Options
from bsrgan_backend.worker.work import Cancelled, ShouldStop

Alpha = Floats | float | None
"""The source's alpha plane (H, W), its one value, or None where the format has none."""


@dataclass(frozen=True)
class Mixture:
    """The sliders over one picture.

    Attributes:
        source: the picture's colour, filled under alpha 0; None where no slider needs it.
        size: (height, width) of the whole result.
        strength: 0..1.
        keep: keep texture, 0..1.
        floor: of `texture.noise_floor`; counts where `keep` is above 0.
    """

    source: Part | None
    size: Size
    strength: float = 1.0
    keep: float = 0.0
    floor: float = 1.0

    @classmethod
    def of(cls, source: Part, alpha: Floats | None, size: Size, options: Options) -> Mixture:
        """The sliders as a job asks for them; `alpha` belongs to `source`, None for opaque."""
        keep = options.texture if options.strength > 0.0 else 0.0
        floor = texture.noise_floor(source.image, alpha) if keep else 1.0
        is_needed = keep > 0.0 or options.strength < 1.0
        return cls(source if is_needed else None, size, options.strength, keep, floor)

    def rows(self, wanted: Box, sr: Floats | None) -> Floats:
        """A rectangle of the result.

        Args:
            wanted: which.
            sr: the network's pixels there, (height, width, C) float32; None at strength 0.

        Returns:
            (height, width, C) float32, not clamped.
        """
        if self.source is None:
            assert sr is not None
            return sr
        base = strength.base_box(self.source, self.size, wanted) if self.strength < 1.0 else None
        fine = texture.texture_box(self.source, self.floor, self.size, wanted) if self.keep else None
        return strength.mix(sr, base, fine, self.strength, self.keep)


class Result:
    """Takes rows of colour and leaves them with their alpha in the spool."""

    def __init__(self, layout: PixelFormat, mixture: Mixture, wanted: Box, alpha: Alpha, target: int) -> None:
        self._layout = layout
        self._mixture = mixture
        self._wanted = wanted
        self._alpha = alpha
        self._target = target

    def take(self, first: int, band: Floats | None, rows: int = 0) -> None:
        """Finish rows.

        Args:
            first: index of the first one.
            band: (n, wanted width, C) float32 from the network; None at strength 0.
            rows: how many, without a band.
        """
        last = first + (rows if band is None else band.shape[0])
        colour = self._mixture.rows(Box(first, self._wanted.left, last, self._wanted.right), band)
        width = self._mixture.size[1]
        if self._wanted.size[1] != width:
            wide = np.zeros((last - first, width, colour.shape[2]), np.float32)
            wide[:, self._wanted.left : self._wanted.right] = colour
            colour = wide
        spool.write_rows(self._target, pixels.join(colour, self._alpha_rows(first, last), self._layout), first)

    def resized(self, on_progress: OnProgress, should_stop: ShouldStop) -> None:
        """Write all rows without the network.

        Args:
            on_progress: as the engine's.
            should_stop: asked before every band.

        Raises:
            Cancelled: `should_stop` said so.
        """
        rows, step = self._wanted.size[0], max(1, passes.BAND_PX // self._mixture.size[1])
        for first in range(0, rows, step):
            if should_stop():
                raise Cancelled
            count = min(step, rows - first)
            self.take(self._wanted.top + first, None, count)
            on_progress(first + count, rows, 0, 0)

    def _alpha_rows(self, first: int, last: int) -> Floats | None:
        if self._alpha is None:
            return None
        if isinstance(self._alpha, float):
            return np.full((last - first, self._mixture.size[1]), self._alpha, np.float32)
        return transparency.enlarge_rows(self._alpha, self._mixture.size, first, last)
