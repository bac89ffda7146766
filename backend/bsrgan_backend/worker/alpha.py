"""Transparency through the network, after the colour: only at hard edges, into rows that are in the spool already."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bsrgan_backend.imaging import alpha_edges, pixels, transparency
from bsrgan_backend.imaging.alpha_edges import Weights
from bsrgan_backend.imaging.boxes import Box, Size
from bsrgan_backend.imaging.pixels import Floats, PixelFormat
from bsrgan_backend.worker import passes, spool


@dataclass(frozen=True)
class Piece:
    """A box of the picture with hard edges of alpha.

    Attributes:
        seen: what goes through the network: the box with its context.
        passes: from there to the box in the result.
    """

    seen: Box
    passes: list[passes.Pass]

    @property
    def areas(self) -> list[int]:
        """Pixels that enter each pass."""
        return [step.seen.area for step in self.passes]


def pieces(weights: Weights, out_size: Size, scale: int) -> list[Piece]:
    """What of an alpha plane goes through the network; elsewhere the kernel's result stays as it is.

    Args:
        weights: (H, W), of `alpha_edges.edge_weights`.
        out_size: (height, width) of the whole result.
        scale: of the network.
    """
    size = (weights.shape[0], weights.shape[1])
    found = []
    for box in alpha_edges.edge_boxes(weights):
        seen = box.grown(passes.CONTEXT_PX, size, passes.ALIGN_PX)
        steps = passes.plan(size, out_size, scale, seen, box.at(size, out_size))
        found.append(Piece(seen, steps))
    return found


class Rewriter:
    """Puts the network's alpha into rows of the result that hold the kernel's."""

    def __init__(
        self, alpha: Floats, weights: Weights, out_size: Size, layout: PixelFormat, strength: float, target: int
    ) -> None:
        """Prepare.

        Args:
            alpha: (H, W) float32, the source's.
            weights: (H, W), how far the network's alpha counts.
            out_size: (height, width) of the result.
            layout: of the result's pixels.
            strength: share of the network's alpha, above 0 to 1; the rest is the kernel's.
            target: descriptor of the file that holds all rows of the result.
        """
        self._alpha = alpha
        self._weights = weights
        self._size = out_size
        self._layout = layout
        self._strength = strength
        self._target = target

    def run(self, piece: Piece, runner: passes.Runner) -> None:
        """Run a piece through the network and put it where it belongs."""
        image = self._alpha[piece.seen.slices][..., None]
        wanted = piece.passes[-1].wanted

        def take(first: int, band: Floats) -> None:
            self._put(Box(first, wanted.left, first + band.shape[0], wanted.right), band[..., 0])

        runner.run(image, piece.passes, take)

    def _put(self, box: Box, band: Floats) -> None:
        """Replace the alpha in a box of the result."""
        kernel = transparency.enlarge_box(self._alpha, self._size, box)
        values = alpha_edges.merge(band, kernel, self._alpha, self._weights, self._size, box)
        if self._strength < 1.0:
            values = kernel + np.float32(self._strength) * (values - kernel)
        row_bytes = self._size[1] * self._layout.pixel_bytes
        data = bytearray(spool.read_rows(self._target, row_bytes, box.top, box.bottom))
        rows = pixels.unpack(data, self._size[1], self._layout)
        rows[:, box.left : box.right, -1] = pixels.quantised(values, self._layout)
        spool.write_rows(self._target, rows, box.top)
