"""Tiny trained-by-nobody networks and one cache of saved programs for all tests of the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from bsrgan_backend.models import synthetic
from bsrgan_backend.models.weights import Weights


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for saved programs that all tests share, so that each network is saved once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def tiny() -> Weights:
    """A small x4 network."""
    return synthetic.random_weights(synthetic.TINY, 5)
