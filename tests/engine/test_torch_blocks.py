"""The ways of the blocks: the same numbers, chosen once by time, one program for all blocks."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from bsrgan_backend.engine import precision
from bsrgan_backend.models import synthetic
from bsrgan_backend.models.weights import Architecture, Weights
from support import torch_here

torch_here.required()
from bsrgan_backend.engine import torch_blocks, torch_network, torch_runtime  # noqa: E402
from bsrgan_backend.engine.torch_runtime import torch  # noqa: E402

ARCHITECTURE = Architecture(features=16, blocks=3, growth=8, in_channels=3, out_channels=3, scale=4)


@pytest.fixture(scope="module")
def weights() -> Weights:
    """A network of three small blocks."""
    return synthetic.random_weights(ARCHITECTURE, 2)


@pytest.fixture
def network(weights: Weights) -> torch_network.TorchNetwork:
    """It on the processor."""
    return torch_network.TorchNetwork(weights, torch_runtime.find("cpu"), "bf16", 1)


def test_every_way_computes_the_same(network: torch_network.TorchNetwork) -> None:
    """In float32 the wide way differs from the joined one by rounding only, for every block."""
    features = network.head(network.upload(precision.picture(ARCHITECTURE)[:, :, :24, :30].copy()))
    for index in range(ARCHITECTURE.blocks):
        plain = network._block_weights(index, "exact")
        wide = plain | network._widened(plain)
        with torch.inference_mode():
            wanted = torch_blocks.block_by("joined")(features, wide)
            found = torch_blocks.block_by("wide")(features, wide)
        assert float((found - wanted).abs().max()) < 1e-5 * float(wanted.abs().max())


def test_the_chosen_way_is_what_runs(network: torch_network.TorchNetwork) -> None:
    """A network that is told to use the wide way gives its numbers in fast and keeps exact as it was."""
    features = network.head(network.upload(precision.picture(ARCHITECTURE)[:, :, :24, :30].copy()))
    before = [network.block(1, features, which).float() for which in ("exact", "fast")]
    network.use("wide")
    after = [network.block(1, features, which).float() for which in ("exact", "fast")]
    assert bool((before[0] == after[0]).all())
    assert 0 < float((before[1] - after[1]).abs().max()) < 0.02 * float(before[1].abs().max())


def test_the_fastest_way_is_remembered(
    network: torch_network.TorchNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way is measured once; a slow one and one with wrong numbers are not taken."""
    picture = precision.picture(ARCHITECTURE)[:, :, :24, :30].copy()
    calls = []

    def slow(values: object, weights: torch_blocks.Tensors, prefix: str) -> object:
        calls.append(prefix)
        time.sleep(0.02)
        return torch_blocks.joined(values, weights, prefix)

    def wrong(values: object, weights: torch_blocks.Tensors, prefix: str) -> object:
        return torch_blocks.joined(values, weights, prefix) * 2

    monkeypatch.setattr(torch_blocks, "WAYS", {"joined": slow, "wide": torch_blocks.wide, "third": wrong})
    path = tmp_path / "way.json"
    assert network.fastest_way(path, picture, may_compile=False) == "wide"
    assert "third" not in json.loads(path.read_text())["seconds"]
    calls.clear()
    assert network.fastest_way(path, picture, may_compile=False) == "wide"
    assert not calls


def test_a_compiler_that_fails_costs_nothing(
    network: torch_network.TorchNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing can be compiled, one of the plain ways runs."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("Cannot find a working triton installation")

    monkeypatch.setattr(torch, "compile", broken)
    picture = precision.picture(ARCHITECTURE)[:, :, :24, :30].copy()
    assert network.fastest_way(tmp_path / "way.json", picture, may_compile=True) in torch_blocks.WAYS


def test_one_program_serves_all_blocks_and_sizes(
    network: torch_network.TorchNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compiled way is not made anew for each block, nor for each size of picture."""
    made = []

    def count(graph: object, _inputs: object) -> object:
        made.append(graph)
        return graph

    compiled = torch.compile
    monkeypatch.setattr(torch, "compile", lambda block, dynamic: compiled(block, dynamic=dynamic, backend=count))
    network.use("joined compiled")
    picture = precision.picture(ARCHITECTURE)
    for height, width in ((24, 30), (40, 33)):
        features = network.head(network.upload(picture[:, :, :height, :width].copy()))
        for index in range(ARCHITECTURE.blocks):
            features = network.block(index, features, "fast")
    # The first block gets float32 from the convolution before it, and so may have one of its own.
    assert 1 <= len(made) <= 2
