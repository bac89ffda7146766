"""RRDBNet in OpenVINO as its own pip package gives it: the whole net, its shape fixed, one picture at a time."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

openvino: Any = importlib.import_module("openvino")
Array = npt.NDArray[np.float32]

TYPES = {"fp32": "f32", "bf16": "bf16"}


def load(request: Mapping[str, Any], tensors: Mapping[str, Array], image: Array) -> dict[str, Any]:  # noqa: ARG001 (they are in the model's file)
    """Compile the ONNX file at `request["model"]` for the picture's shape."""
    core = openvino.Core()
    wanted = TYPES[request["precision"]]
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": wanted,
        "INFERENCE_NUM_THREADS": request["threads"],
    }
    compiled = core.compile_model(core.read_model(request["model"]), "CPU", options)
    used = str(compiled.get_property("INFERENCE_PRECISION_HINT").to_string())
    names = {code: name for name, code in TYPES.items()}
    asked = compiled.create_infer_request()

    def run() -> Array:
        asked.infer({0: image}, share_inputs=True)
        result: Array = asked.get_output_tensor().data
        return result

    return {
        "run": run,
        "versions": {"openvino": openvino.__version__},
        "note": "whole net, fixed shape, latency hint",
        "precision": names.get(used, used),
    }
