"""Weight files read as users read them, and what they are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.reading import read_weights
from bsrgan_backend.models.weights import Weights


def read(content: bytes, folder: Path, name: str = "model.pth") -> Weights:
    """Read bytes through a file, as users do."""
    path = folder / name
    path.write_bytes(content)
    return read_weights(path)


def refusal(content: bytes, folder: Path, name: str = "model.pth") -> str:
    """The sentence about a file that must be refused."""
    with pytest.raises(BackendError) as caught:
        read(content, folder, name)
    assert_sentence(caught.value)
    return caught.value.text


def assert_sentence(error: BackendError) -> None:
    """The error is one that a user can be shown."""
    assert error.code == "MODEL_LOAD"
    assert error.text.endswith(".")
    assert "\n" not in error.text
    assert len(error.text) < 250
