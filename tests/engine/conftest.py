"""Networks trained by nobody, a small and a wide one, and one cache of saved programs for all tests of the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from bsrgan_backend.engine import paddle_engine, processor, saving
from bsrgan_backend.models import synthetic
from bsrgan_backend.models.weights import Weights
from support.wide_network import WIDE


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for saved programs that all tests share, so that each network is saved once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def tiny() -> Weights:
    """A small x4 network."""
    return synthetic.random_weights(synthetic.TINY, 5)


@pytest.fixture(scope="module")
def wide() -> Weights:
    """Random weights of the real width, two blocks deep."""
    return synthetic.random_weights(WIDE, 11)


@pytest.fixture(scope="module")
def tiled(wide: Weights, cache: Path) -> paddle_engine.PaddleEngine:
    """The wide net by Paddle."""
    return paddle_engine.load(wide, cache, threads=2)


@pytest.fixture
def rows(wide: Weights, tiled: paddle_engine.PaddleEngine, cache: Path) -> processor.ProcessorEngine:
    """The wide net by rows."""
    return processor.ProcessorEngine(wide, tiled, saving.prepare(wide, cache))
