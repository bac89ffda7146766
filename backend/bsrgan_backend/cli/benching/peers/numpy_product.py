"""A square float32 matrix product in numpy: a ceiling that needs no other runtime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def load(request: Mapping[str, Any], tensors: Mapping[str, Any], image: Any) -> dict[str, Any]:  # noqa: ARG001 (random numbers do)
    """Two matrices of `request["side"]` rows and columns; numpy's library takes its threads from the environment."""
    side = request["side"]
    generator = np.random.default_rng(0)
    one, other = (generator.random((side, side), np.float32) for _ in range(2))
    result = np.empty((side, side), np.float32)

    def run() -> None:
        np.matmul(one, other, out=result)

    return {"run": run, "versions": {"numpy": np.__version__}}
