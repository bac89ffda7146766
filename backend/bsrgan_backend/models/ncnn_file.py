"""Reader of RRDBNets converted for ncnn: a text graph (`.param`) and its numbers (`.bin`).

The `.bin` has no names, only numbers in the order of the graph, so the graph is followed symbolically: what every
convolution is fed must be exactly what that convolution of an RRDBNet is fed. A value is a tuple (a concatenation)
of linear combinations of outputs of convolutions; the network adds, scales, joins and doubles, nothing else.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bsrgan_backend.models.layouts import BLOCKS_MAX, DOUBLINGS_MAX, refuse

PARAM_MAGIC = b"7767517"
FLOAT16_TAG = 0x01306B47
PARAM_BYTES_MAX = 4 * 1024 * 1024
_LAYERS_MAX = 5_000
_PARTS_MAX = 8
_ATOMS_MAX = 4 * BLOCKS_MAX
_SLOPE = 0.2

_AGAIN = "convert the network again or choose its .pth or .safetensors file"

# (convolution, whether the leaky ReLU follows, how often doubled) -> factor; convolution -1 is the picture.
_Atom = tuple[int, bool, int]
_Sum = dict[_Atom, float]
_Value = tuple[_Sum, ...]


@dataclass(frozen=True)
class _Conv:
    """One convolution as the graph declares it."""

    outputs: int
    inputs: int
    fed: _Value
    is_rectified: bool


@dataclass
class _Graph:
    """What following the graph has found so far."""

    values: dict[str, _Value]
    convs: list[_Conv]
    unshuffle: int = 1
    doublings: int = 0


def partner(path: Path) -> Path:
    """The other file of the pair: `.param` for anything else, `.bin` for a `.param`."""
    return path.with_suffix(".bin" if path.suffix.lower() == ".param" else ".param")


def read_pair(param: bytes, numbers: bytes) -> dict[str, object]:
    """Canonical names to float32 arrays.

    Args:
        param: content of the `.param` file.
        numbers: content of the `.bin` file.

    Raises:
        BackendError: MODEL_LOAD when the graph is no RRDBNet or the numbers do not fit it.
    """
    graph = _follow(param)
    names = _names(graph)
    _check(graph, names)
    tensors: dict[str, object] = {}
    offset = 0
    for name, conv in zip(names, graph.convs, strict=True):
        weight, offset = _weight(numbers, offset, conv)
        bias, offset = _floats(numbers, offset, conv.outputs, "<f4")
        tensors[f"{name}.weight"] = weight.reshape(conv.outputs, conv.inputs, 3, 3)
        tensors[f"{name}.bias"] = bias
    if offset != len(numbers):
        raise refuse(f"The .bin and .param files do not belong together; {_AGAIN}.", f"{len(numbers) - offset} left")
    return tensors


def _weight(numbers: bytes, offset: int, conv: _Conv) -> tuple[npt.NDArray[np.float32], int]:
    count = conv.outputs * conv.inputs * 9
    if offset + 4 > len(numbers):
        raise _short()
    (tag,) = struct.unpack_from("<I", numbers, offset)
    if tag == FLOAT16_TAG:
        weight, end = _floats(numbers, offset + 4, count, "<f2")
        return weight, end + (-2 * count) % 4
    if tag == 0:
        return _floats(numbers, offset + 4, count, "<f4")
    raise refuse(f"This ncnn file stores its numbers in a way that is not float16 or float32; {_AGAIN}.", hex(tag))


def _floats(numbers: bytes, offset: int, count: int, dtype: str) -> tuple[npt.NDArray[np.float32], int]:
    end = offset + count * np.dtype(dtype).itemsize
    if end > len(numbers):
        raise _short()
    return np.frombuffer(numbers, dtype, count, offset).astype(np.float32), end


def _short() -> Exception:
    return refuse("The .bin file is incomplete or does not belong to its .param file; download both again.")


def _follow(param: bytes) -> _Graph:
    """Read the graph layer by layer; each layer's result is found by the names of its blobs."""
    lines = _lines(param)
    graph = _Graph({}, [])
    for line in lines:
        kind, name, inputs, outputs, options = _layer(line)
        try:
            fed = [graph.values[blob] for blob in inputs]
            value = _apply(graph, kind, fed, options)
        except (KeyError, ValueError, IndexError, OverflowError) as error:
            raise refuse(f"This ncnn network is no RRDBNet (layer '{name[:40]}', {kind[:40]}); {_AGAIN}.") from error
        if len(value) > _PARTS_MAX or any(len(part) > _ATOMS_MAX for part in value):
            raise refuse(f"This ncnn network is no RRDBNet (layer '{name[:40]}' joins too much); {_AGAIN}.")
        for blob in outputs:
            graph.values[blob] = value
    return graph


def _lines(param: bytes) -> Iterator[str]:
    if len(param) > PARAM_BYTES_MAX:
        raise refuse(f"The .param file is too long for a network of this kind; {_AGAIN}.")
    try:
        lines = [line for line in param.decode("ascii").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise refuse(f"The .param file is not the text form of an ncnn graph; {_AGAIN}.") from error
    if len(lines) < 3 or lines[0].strip().encode() != PARAM_MAGIC or len(lines) > _LAYERS_MAX:
        raise refuse(f"The .param file is not the text form of an ncnn graph; {_AGAIN}.")
    declared = lines[1].split()[0]
    if declared != str(len(lines) - 2):
        raise refuse("The .param file is incomplete; download it again.", f"{declared} layers declared")
    return iter(lines[2:])


def _layer(line: str) -> tuple[str, str, list[str], list[str], dict[int, list[float]]]:
    words = line.split()
    try:
        kind, name, ins, outs = words[0], words[1], int(words[2]), int(words[3])
        options = dict(_option(word) for word in words[4 + ins + outs :])
    except (ValueError, IndexError) as error:
        raise refuse("The .param file is damaged; download it again.", line[:80]) from error
    if ins < 0 or outs < 0 or 4 + ins + outs > len(words):
        raise refuse("The .param file is damaged; download it again.", line[:80])
    return kind, name, words[4 : 4 + ins], words[4 + ins : 4 + ins + outs], options


def _option(word: str) -> tuple[int, list[float]]:
    """`0=64` or an array `-23310=1,0.2`, whose key counts down from -23300."""
    key, _, text = word.partition("=")
    number, values = int(key), [float(part) for part in text.split(",")]
    if number > -23300:
        return number, values
    if values[0] != len(values) - 1:
        raise ValueError(word)
    return -number - 23300, values[1:]


def _apply(graph: _Graph, kind: str, fed: list[_Value], options: Mapping[int, list[float]]) -> _Value:
    """The value that a layer gives; ValueError or KeyError when an RRDBNet has no such layer."""
    first = {key: values[0] for key, values in options.items() if values}
    if kind == "Input":
        return ({(-1, False, 0): 1.0},)
    if kind in ("Split", "Noop"):
        return fed[0]
    if kind == "Convolution":
        return _convolve(graph, fed[0], first, options)
    if kind == "ReLU":
        return _rectify(graph, fed[0], first.get(0, 0.0))
    if kind == "Concat" and first.get(0, 0) == 0:
        return tuple(part for value in fed for part in value)
    if kind == "Interp":
        return _double(graph, fed[0], first)
    if kind == "Eltwise" and first.get(0, 0) == 1:
        return _add(fed, options.get(1) or [1.0] * len(fed))
    if kind == "BinaryOp" and first.get(0, 0) == 0 and not first.get(1, 0):
        return _add(fed, [1.0, 1.0])
    if kind == "BinaryOp" and first.get(0, 0) == 2 and first.get(1, 0) == 1:
        return _add(fed, [first[2]])
    if kind == "Reorg" and first.get(1, 0) == 0 and fed[0] == ({(-1, False, 0): 1.0},) and not graph.convs:
        graph.unshuffle = int(first[0])
        return fed[0]
    raise ValueError(kind)


def _convolve(graph: _Graph, fed: _Value, first: Mapping[int, float], options: Mapping[int, list[float]]) -> _Value:
    outputs, count = int(first[0]), int(first[6])
    fixed = [(1, 3), (11, 3), (2, 1), (3, 1), (4, 1), (14, 1), (5, 1), (8, 0), (18, 0), (19, 0)]
    defaults = {11: first.get(1), 2: 1, 3: 1, 14: first.get(4), 5: 0, 8: 0, 18: 0, 19: 0}
    if (
        any(first.get(key, defaults.get(key)) != value for key, value in fixed)
        or outputs < 1
        or count < 1
        or count % (outputs * 9)
    ):
        raise ValueError("convolution")
    activation = first.get(9, 0)
    if activation not in (0, 2) or (activation == 2 and not _near(options[10][0], _SLOPE)):
        raise ValueError("activation")
    graph.convs.append(_Conv(outputs, count // (outputs * 9), fed, activation == 2))
    return ({(len(graph.convs) - 1, activation == 2, 0): 1.0},)


def _rectify(graph: _Graph, fed: _Value, slope: float) -> _Value:
    ((atom, factor),) = fed[0].items()
    index, is_rectified, doubled = atom
    if len(fed) != 1 or factor != 1.0 or is_rectified or doubled or index < 0 or not _near(slope, _SLOPE):
        raise ValueError("activation")
    conv = graph.convs[index]
    graph.convs[index] = _Conv(conv.outputs, conv.inputs, conv.fed, is_rectified=True)
    return ({(index, True, 0): 1.0},)


def _double(graph: _Graph, fed: _Value, first: Mapping[int, float]) -> _Value:
    if first.get(0) != 1 or first.get(1) != 2 or first.get(2) != 2:  # nearest neighbour, height and width doubled
        raise ValueError("resize")
    graph.doublings += 1
    return tuple({(index, act, doubled + 1): f for (index, act, doubled), f in part.items()} for part in fed)


def _add(fed: list[_Value], factors: list[float]) -> _Value:
    if len(fed) != len(factors) or any(len(value) != 1 for value in fed):
        raise ValueError("sum")
    total: _Sum = {}
    for value, factor in zip(fed, factors, strict=True):
        for atom, inner in value[0].items():
            total[atom] = total.get(atom, 0.0) + inner * factor
    return (total,)


def _names(graph: _Graph) -> list[str]:
    dense = len(graph.convs) - 4 - graph.doublings
    blocks, rest = divmod(dense, 15)
    if rest or not 1 <= blocks <= BLOCKS_MAX or graph.doublings > DOUBLINGS_MAX:
        raise refuse(f"This ncnn network is no RRDBNet ({len(graph.convs)} convolutions); {_AGAIN}.")
    names = ["conv_first"]
    names += [f"body.{b}.rdb{r}.conv{c}" for b in range(blocks) for r in (1, 2, 3) for c in (1, 2, 3, 4, 5)]
    return [*names, "conv_body", *(f"conv_up{k + 1}" for k in range(graph.doublings)), "conv_hr", "conv_last"]


def _check(graph: _Graph, names: list[str]) -> None:
    """Every convolution is fed and rectified as its namesake in an RRDBNet."""
    if graph.convs[0].inputs not in (graph.unshuffle**2, 3 * graph.unshuffle**2):
        raise refuse(f"This ncnn network takes {graph.convs[0].inputs} channels, but only gray and RGB can be used.")
    for name, conv, (fed, is_rectified) in zip(names, graph.convs, _expected(names), strict=True):
        if conv.is_rectified != is_rectified or not _same(conv.fed, fed):
            raise refuse(f"This ncnn network is no RRDBNet (its convolution for '{name}' differs); {_AGAIN}.")


def _expected(names: list[str]) -> Iterator[tuple[_Value, bool]]:
    """What each convolution of an RRDBNet is fed, in network order, and whether a leaky ReLU follows it."""
    first = trunk = rdb = block = {(-1, False, 0): 1.0}
    joined: list[_Sum] = []
    for index, name in enumerate(names):
        plain, rectified = {(index, False, 0): 1.0}, {(index, True, 0): 1.0}
        stem = name.rpartition(".")[2]
        if name == "conv_first":
            yield (trunk,), False
            first = rdb = block = plain
            joined = [rdb]
        elif name.startswith("body."):
            yield tuple(joined), stem != "conv5"
            joined.append(rectified)
            if stem == "conv5":
                (rdb,) = _add([(plain,), (rdb,)], [_SLOPE, 1.0])  # both residual factors of the network are 0.2 too
                if ".rdb3." in name:
                    (rdb,) = _add([(rdb,), (block,)], [_SLOPE, 1.0])
                    block = rdb
                joined = [rdb]
        elif name == "conv_body":
            yield (block,), False
            (trunk,) = _add([(first,), (plain,)], [1.0, 1.0])
        elif name.startswith("conv_up"):
            yield ({(i, act, doubled + 1): f for (i, act, doubled), f in trunk.items()},), True
            trunk = rectified
        else:
            yield (trunk,), name == "conv_hr"
            trunk = rectified


def _same(left: _Value, right: _Value) -> bool:
    return len(left) == len(right) and all(
        a.keys() == b.keys() and all(_near(a[atom], b[atom]) for atom in a) for a, b in zip(left, right, strict=True)
    )


def _near(left: float, right: float) -> bool:
    return abs(left - right) <= 1e-4
