"""A square matrix product in OpenVINO: what the processor's multipliers can do at most."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np

openvino: Any = importlib.import_module("openvino")
opset: Any = importlib.import_module("openvino.opset13")

TYPES = {"fp32": "f32", "bf16": "bf16"}


def load(request: Mapping[str, Any], tensors: Mapping[str, Any], image: Any) -> dict[str, Any]:  # noqa: ARG001 (random numbers do)
    """A constant matrix times one that is given, of `request["side"]` rows and columns, in `request["precision"]`."""
    side = request["side"]
    generator = np.random.default_rng(0)
    one, other = (generator.random((side, side), np.float32) for _ in range(2))
    given = opset.parameter([side, side], np.float32)
    model = openvino.Model([opset.matmul(given, opset.constant(other), False, False)], [given])
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": TYPES[request["precision"]],
        "INFERENCE_NUM_THREADS": request["threads"],
    }
    asked = openvino.Core().compile_model(model, "CPU", options).create_infer_request()

    def run() -> None:
        asked.infer({0: one}, share_inputs=True)

    return {"run": run, "versions": {"openvino": openvino.__version__}}
