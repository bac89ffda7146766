"""Small networks of every kind: scales, pixel-unshuffling, gray and colour."""

from __future__ import annotations

from bsrgan_backend.models.weights import Architecture

ARCHITECTURES = [
    Architecture(features=6, blocks=2, growth=3, in_channels=3, out_channels=3, scale=4),
    Architecture(features=4, blocks=1, growth=2, in_channels=1, out_channels=1, scale=2),
    Architecture(features=4, blocks=1, growth=2, in_channels=3, out_channels=3, scale=1),
    Architecture(features=4, blocks=1, growth=2, in_channels=3, out_channels=1, scale=8),
    Architecture(features=5, blocks=1, growth=2, in_channels=3, out_channels=3, scale=2, unshuffle=2),
    Architecture(features=5, blocks=1, growth=3, in_channels=1, out_channels=1, scale=1, unshuffle=4),
]
