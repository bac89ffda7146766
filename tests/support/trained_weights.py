"""Trained weights for tests that need them: fetched once, kept in the test cache."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bsrgan_backend.errors import BackendError
from bsrgan_backend.models import catalog
from bsrgan_backend.models.download import download
from bsrgan_backend.models.store import ModelStore
from bsrgan_backend.models.weights import Weights

CACHE_VARIABLE = "GIMP_BSRGAN_TEST_CACHE"


def shared_cache() -> Path:
    """The folder that test runs share, as `tests/run.py` has it."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "gimp-bsrgan-tests")


def trained(model_id: str) -> Weights:
    """The weights of a published model; skips the test, with the reason, where they cannot be had."""
    entry = catalog.find(model_id)
    assert entry is not None
    store = ModelStore(shared_cache() / "models")
    try:
        return store.load(model_id)
    except BackendError:
        pass
    try:
        download(entry, store, lambda done, total: None)
        return store.load(model_id)
    except BackendError as error:
        pytest.skip(f"the weights of {model_id} cannot be had here: {error.text}")
