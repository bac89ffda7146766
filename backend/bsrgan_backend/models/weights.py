"""Weights as the engine takes them: canonical names, float32, and the architecture read from their shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Architecture:
    """What the tensors' shapes say of an RRDBNet (ESRGAN, BSRGAN §4).

    Attributes:
        features: channels of the trunk, nf.
        blocks: residual-in-residual dense blocks, nb.
        growth: channels that each dense convolution adds, gc.
        in_channels: channels of the picture that the network takes (before pixel-unshuffle), 1 or 3.
        out_channels: channels that it gives.
        scale: factor from the picture given to the picture returned: 1, 2, 4 or 8.
        unshuffle: pixel-unshuffle factor in front of conv_first, 1, 2 or 4; the picture's sides must be
            multiples of it, and the tail doubles log2(scale * unshuffle) times.
    """

    features: int
    blocks: int
    growth: int
    in_channels: int
    out_channels: int
    scale: int
    unshuffle: int = 1

    @property
    def doublings(self) -> int:
        """How many nearest-neighbour doublings the tail holds."""
        return (self.scale * self.unshuffle).bit_length() - 1


@dataclass(frozen=True)
class Weights:
    """A trained RRDBNet as plain data.

    Attributes:
        architecture: read from the shapes.
        tensors: canonical name to C-contiguous float32 array. Names: `conv_first`, `body.N.rdbR.convC`
            (N from 0, R 1..3, C 1..5), `conv_body`, `conv_up1` … `conv_upD`, `conv_hr`, `conv_last`, each with
            `.weight` (out, in, 3, 3) and `.bias` (out,).
        digest: SHA-256 (hex) over names, shapes and bytes: the key of every cache.
    """

    architecture: Architecture
    tensors: Mapping[str, npt.NDArray[np.float32]]
    digest: str
