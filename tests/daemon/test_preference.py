"""Which model a job gets that names none."""

from __future__ import annotations

import pytest

from bsrgan_backend.preference import preferred_model

BOTH = ["realesrgan-x4plus", "bsrgan-x4", "bsrgan-x2"]


@pytest.mark.parametrize(
    ("installed", "default", "factor", "model"),
    [
        (BOTH, "bsrgan-x4", 2.0, "bsrgan-x2"),
        (BOTH, "bsrgan-x4", 1.0, "bsrgan-x2"),
        (BOTH, "bsrgan-x4", 2.01, "bsrgan-x4"),
        (BOTH, "realesrgan-x4plus", 2.0, "realesrgan-x4plus"),
        (["bsrgan-x4"], "bsrgan-x4", 2.0, "bsrgan-x4"),
    ],
)
def test_the_small_network_takes_small_factors(installed, default, factor, model):
    """Up to twice the size the authors' x2 network stands in for their x4 network, where it is installed."""
    assert preferred_model(installed, default, factor) == model
