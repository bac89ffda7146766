"""A square matrix product in PyTorch: what the processor's multipliers can do at most."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

torch: Any = importlib.import_module("torch")

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def load(request: Mapping[str, Any], tensors: Mapping[str, Any], image: Any) -> dict[str, Any]:  # noqa: ARG001 (random numbers do)
    """Two matrices of `request["side"]` rows and columns in `request["precision"]`."""
    torch.set_num_threads(request["threads"])
    side, kind = request["side"], TYPES[request["precision"]]
    one, other, result = (torch.rand(side, side).to(kind) for _ in range(3))

    def run() -> None:
        with torch.inference_mode():
            torch.mm(one, other, out=result)

    return {"run": run, "versions": {"torch": torch.__version__}}
