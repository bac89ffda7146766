"""Untrained weights for tests and benchmarks."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from bsrgan_backend.models import layouts, synthetic
from bsrgan_backend.models.weights import Architecture
from support import weight_files as files


@settings(deadline=None, max_examples=20)
@given(files.architectures())
def test_a_seed_gives_one_network(architecture: Architecture) -> None:
    """The same seed gives the same weights, another seed others, all of the right shapes."""
    weights = synthetic.random_weights(architecture, 5)
    assert weights.digest == synthetic.random_weights(architecture, 5).digest
    assert weights.digest != synthetic.random_weights(architecture, 6).digest
    assert {name: array.shape for name, array in weights.tensors.items()} == layouts.shapes(architecture)
    assert layouts.weights_from(weights.tensors).digest == weights.digest


def test_the_full_network_has_the_published_size() -> None:
    """23 blocks of 64 and 32 channels are 702 tensors and 16,697,987 numbers."""
    shapes = layouts.shapes(synthetic.BSRGAN)
    assert len(shapes) == 702
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 16_697_987


def test_layers_keep_the_signal() -> None:
    """No layer's weights are so large or small that a deep network would overflow or die."""
    for name, array in synthetic.random_weights(synthetic.BSRGAN, 1).tensors.items():
        if name.endswith(".weight"):
            assert 0.05 < float(np.sqrt(np.square(array).sum() / array.shape[0])) < 2.0, name
