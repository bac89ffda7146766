"""RRDBNet as an ONNX file, built node by node from the tensors: what OpenVINO and ONNX Runtime get."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

onnx: Any = importlib.import_module("onnx")
Array = npt.NDArray[np.float32]

OPSET = 13
IR_VERSION = 8


class Graph:
    """Nodes and constants while they are put together; every method returns the name of its result."""

    def __init__(self, tensors: Mapping[str, Array]) -> None:
        self.nodes: list[Any] = []
        self.constants = [onnx.numpy_helper.from_array(np.array(array), name) for name, array in tensors.items()]
        self._constant("share", np.array(0.2, np.float32))
        self._constant("double", np.array([1, 1, 2, 2], np.float32))

    def conv(self, features: str, name: str) -> str:
        """3x3 with its bias."""
        inputs = [features, f"{name}.weight", f"{name}.bias"]
        return self._node("Conv", inputs, kernel_shape=[3, 3], pads=[1, 1, 1, 1])

    def rectified(self, features: str, name: str) -> str:
        """A convolution and the leaky ReLU."""
        return self._node("LeakyRelu", [self.conv(features, name)], alpha=0.2)

    def dense(self, features: str, name: str) -> str:
        """One residual dense block."""
        seen = [features]
        for number in (1, 2, 3, 4):
            joined = seen[0] if number == 1 else self._node("Concat", seen, axis=1)
            seen.append(self.rectified(joined, f"{name}.conv{number}"))
        return self.added(features, self.conv(self._node("Concat", seen, axis=1), f"{name}.conv5"))

    def block(self, features: str, name: str) -> str:
        """One residual-in-residual dense block."""
        inner = features
        for number in (1, 2, 3):
            inner = self.dense(inner, f"{name}.rdb{number}")
        return self.added(features, inner)

    def added(self, features: str, inner: str) -> str:
        """`features + 0.2 * inner`."""
        return self._node("Add", [features, self._node("Mul", [inner, "share"])])

    def sum(self, one: str, other: str, result: str = "") -> str:
        """`one + other`."""
        return self._node("Add", [one, other], result)

    def doubled(self, features: str) -> str:
        """Each pixel becomes 2x2 of itself."""
        options = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self._node("Resize", [features, "", "double"], **options)

    def renamed(self, features: str, result: str) -> None:
        """Give a result its name outside."""
        self._node("Identity", [features], result)

    def _constant(self, name: str, array: npt.NDArray[Any]) -> None:
        self.constants.append(onnx.numpy_helper.from_array(array, name))

    def _node(self, kind: str, inputs: list[str], result: str = "", **options: Any) -> str:
        result = result or f"n{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(kind, inputs, [result], **options))
        return result


def build(tensors: Mapping[str, Array], blocks: int, doublings: int, size: tuple[int, int]) -> Any:
    """The model for pictures of one (height, width): input `image`, output `result`."""
    graph = Graph(tensors)
    first = graph.conv("image", "conv_first")
    features = first
    for index in range(blocks):
        features = graph.block(features, f"body.{index}")
    features = graph.sum(first, graph.conv(features, "conv_body"))
    for number in range(1, doublings + 1):
        features = graph.rectified(graph.doubled(features), f"conv_up{number}")
    graph.renamed(graph.conv(graph.rectified(features, "conv_hr"), "conv_last"), "result")
    return _model(graph, tensors, size, 2**doublings)


def _model(graph: Graph, tensors: Mapping[str, Array], size: tuple[int, int], factor: int) -> Any:
    channels = tensors["conv_first.weight"].shape[1], tensors["conv_last.weight"].shape[0]
    sizes = size, (size[0] * factor, size[1] * factor)
    image, result = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, count, *sides])
        for name, count, sides in zip(("image", "result"), channels, sizes, strict=True)
    )
    whole = onnx.helper.make_graph(graph.nodes, "RRDBNet", [image], [result], graph.constants)
    model = onnx.helper.make_model(whole, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return model


def load(request: Mapping[str, Any], tensors: Mapping[str, Array], image: Array) -> dict[str, Any]:
    """Write the file to `request["model"]`; there is nothing to run then."""
    height, width = image.shape[2:]
    onnx.save(build(tensors, request["blocks"], request["doublings"], (height, width)), request["model"])
    return {"run": lambda: None, "versions": {"onnx": onnx.__version__}}
