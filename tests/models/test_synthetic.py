"""Untrained weights for tests and benchmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings

from bsrgan_backend.models import layouts, synthetic
from bsrgan_backend.models.reading import read_weights
from bsrgan_backend.models.weights import Architecture, Weights
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


def test_written_files_are_read_back(tmp_path: Path) -> None:
    """A written network is an ordinary model file."""
    weights = synthetic.random_weights(synthetic.TINY, 7)
    synthetic.write(weights, tmp_path / "tiny.safetensors")
    assert read_weights(tmp_path / "tiny.safetensors").digest == weights.digest


@pytest.mark.parametrize("blocks", [1, 23])
def test_outputs_stay_near_the_range_of_pictures(blocks: int) -> None:
    """However deep the network, noise in 0..1 gives finite results around the middle, not all the same."""
    weights = synthetic.random_weights(Architecture(8, blocks, 4, 3, 3, 4), 1)
    result = forward(weights, np.random.default_rng(2).random((3, 10, 10), dtype=np.float32))
    assert result.shape == (3, 40, 40)
    assert -0.5 < result.min() < result.max() < 1.5
    assert result.std() > 0.01


def forward(weights: Weights, picture: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The network in plain NumPy, (channels, height, width) to the same at its scale."""

    def conv(name: str, fed: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(fed, ((0, 0), (1, 1), (1, 1))), (3, 3), (1, 2))
        result = np.einsum("cyxij,ocij->oyx", windows, weights.tensors[f"{name}.weight"], optimize=True)
        return result + weights.tensors[f"{name}.bias"][:, None, None]

    def rectified(name: str, fed: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        result = conv(name, fed)
        return np.where(result > 0, result, 0.2 * result)

    first = trunk = conv("conv_first", picture)
    for block in range(weights.architecture.blocks):
        start = trunk
        for rdb in (1, 2, 3):
            parts = [trunk]
            for number in (1, 2, 3, 4):
                parts.append(rectified(f"body.{block}.rdb{rdb}.conv{number}", np.concatenate(parts)))
            trunk = trunk + 0.2 * conv(f"body.{block}.rdb{rdb}.conv5", np.concatenate(parts))
        trunk = start + 0.2 * trunk
    result = first + conv("conv_body", trunk)
    for number in range(weights.architecture.doublings):
        result = rectified(f"conv_up{number + 1}", result.repeat(2, axis=1).repeat(2, axis=2))
    return conv("conv_last", rectified("conv_hr", result))
