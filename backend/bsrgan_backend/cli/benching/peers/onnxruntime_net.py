"""RRDBNet in ONNX Runtime: the whole net, its shape fixed, every optimisation of its processor provider."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

onnxruntime: Any = importlib.import_module("onnxruntime")
Array = npt.NDArray[np.float32]


def load(request: Mapping[str, Any], tensors: Mapping[str, Array], image: Array) -> dict[str, Any]:  # noqa: ARG001 (they are in the model's file)
    """Open the ONNX file at `request["model"]`, which is of the picture's shape."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = request["threads"]
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(request["model"], options, providers=["CPUExecutionProvider"])

    def run() -> Array:
        result: Array = session.run(["result"], {"image": image})[0]
        return result

    note = "whole net, fixed shape, all optimisations"
    return {"run": run, "versions": {"onnxruntime": onnxruntime.__version__}, "note": note}
