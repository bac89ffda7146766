"""Weights written the way that training code and converters write them; only for tests."""

from __future__ import annotations

import io
import json
import math
import re
import struct
import zipfile
from collections.abc import Mapping

import hypothesis.strategies as st
import numpy as np
import numpy.typing as npt

from bsrgan_backend.models.weights import Architecture, Weights

LAYOUTS = ("esrgan", "bsrgan", "realesrgan")
Arrays = dict[str, npt.NDArray[np.float32]]


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    """Small networks of every scale, unshuffle factor and channel count."""
    scale = draw(st.sampled_from((1, 2, 4, 8)))
    unshuffle = draw(st.sampled_from((1, 2, 4)))
    out_channels = draw(st.sampled_from((1, 3)))
    in_channels = out_channels if unshuffle > 1 else draw(st.sampled_from((1, 3)))
    features, growth = draw(st.integers(1, 9)), draw(st.integers(1, 5))
    return Architecture(features, draw(st.integers(1, 3)), growth, in_channels, out_channels, scale, unshuffle)


def renamed(weights: Weights, layout: str) -> Arrays:
    """The tensors under the names of one of the three layouts."""
    arch = weights.architecture
    return {_name(name, layout, arch): array for name, array in weights.tensors.items()}


def _name(name: str, layout: str, arch: Architecture) -> str:
    stem, _, kind = name.rpartition(".")
    if layout == "realesrgan":
        return name
    if layout == "bsrgan":
        stem = re.sub(r"^body\.(\d+)\.rdb(\d)", r"RRDB_trunk.\1.RDB\2", stem)
        stem = {"conv_body": "trunk_conv", "conv_hr": "HRconv"}.get(stem, stem)
        return f"{stem.replace('conv_up', 'upconv')}.{kind}"
    ups = arch.doublings
    old: Mapping[str, str] = {
        "conv_first": "model.0",
        "conv_body": f"model.1.sub.{arch.blocks}",
        "conv_hr": f"model.{3 * ups + 2}",
        "conv_last": f"model.{3 * ups + 4}",
        **{f"conv_up{k}": f"model.{3 * k}" for k in range(1, ups + 1)},
    }
    stem = re.sub(r"^body\.(\d+)\.rdb(\d)\.conv(\d)$", r"model.1.sub.\1.RDB\2.conv\3.0", stem)
    return f"{old.get(stem, stem)}.{kind}"


# --- torch files, assembled by hand: no torch is needed to write what torch writes ---------------------------------

CODES = {"f2": "HalfStorage", "f4": "FloatStorage", "f8": "DoubleStorage", "bf16": "BFloat16Storage"}
_LEGACY_HEAD = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19." + b"\x80\x02M\xe9\x03."


def bfloat16(array: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """The upper half of the bits."""
    return (np.ascontiguousarray(array).view(np.uint32) >> 16).astype(np.uint16)


def raw_bytes(array: npt.NDArray[np.float32], dtype: str, order: str = "<") -> bytes:
    """The numbers as a storage holds them."""
    stored = bfloat16(array) if dtype == "bf16" else array.astype(f"{order}{dtype}")
    return stored.astype(stored.dtype.newbyteorder(order)).tobytes()


def name_opcode(module: str, name: str) -> bytes:
    """Push an object by its name: what malicious pickles are made of."""
    return f"c{module}\n{name}\n".encode()


def text_opcode(text: str) -> bytes:
    """Push a string."""
    encoded = text.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def int_opcode(value: int) -> bytes:
    """Push an integer of any size and sign."""
    encoded = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(encoded)]) + encoded


def tuple_opcode(*parts: bytes) -> bytes:
    """Push a tuple of what the parts push."""
    return b"(" + b"".join(parts) + b"t"


def tensor_opcode(
    key: str,
    kind: str,
    numel: int,
    size: tuple[int, ...],
    stride: tuple[int, ...] | None = None,
    offset: int = 0,
    view: bytes = b"",
) -> bytes:
    """Push a tensor as torch's rebuild function and its arguments."""
    steps = contiguous(size) if stride is None else stride
    storage = tuple_opcode(
        text_opcode("storage"),
        name_opcode("torch", kind),
        text_opcode(key),
        text_opcode("cpu"),
        int_opcode(numel),
        view,
    )
    return b"".join(
        (
            name_opcode("torch._utils", "_rebuild_tensor_v2"),
            b"(" + storage + b"Q" + int_opcode(offset),
            tuple_opcode(*map(int_opcode, size)) + tuple_opcode(*map(int_opcode, steps)),
            b"\x89" + name_opcode("collections", "OrderedDict") + b")R" + b"tR",
        )
    )


def contiguous(size: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of a C-contiguous tensor, in elements."""
    return tuple(math.prod(size[axis + 1 :]) for axis in range(len(size)))


def state_dict_pickle(items: Mapping[str, bytes], wrappers: tuple[str, ...] = ()) -> bytes:
    """The pickle of an OrderedDict with torch's `_metadata` attribute, inside plain dicts."""
    body = name_opcode("collections", "OrderedDict") + b")R("
    body += b"".join(text_opcode(name) + item for name, item in items.items()) + b"u"
    body += b"}" + text_opcode("_metadata") + name_opcode("collections", "OrderedDict") + b")Rsb"
    for word in reversed(wrappers):
        body = b"}(" + text_opcode("epoch") + b"K\x07" + text_opcode(word) + body + b"u"
    return b"\x80\x02" + body + b"."


def torch_zip(
    arrays: Arrays, dtype: str = "f4", wrappers: tuple[str, ...] = (), order: str = "<", byteorder: bool = True
) -> bytes:
    """A `.pth` as torch has written it since 1.6."""
    items, storages = _items(arrays, dtype, order)
    entries = {"data.pkl": state_dict_pickle(items, wrappers), "version": b"3\n"}
    if byteorder:
        entries["byteorder"] = b"little" if order == "<" else b"big"
    return zip_of(entries | {f"data/{key}": raw for key, raw in storages.items()})


def zip_of(entries: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive with everything below `archive/`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(f"archive/{name}"), content, compression)
    return buffer.getvalue()


def torch_legacy(arrays: Arrays, dtype: str = "f4", wrappers: tuple[str, ...] = ()) -> bytes:
    """A `.pth` as torch wrote it before 1.6."""
    items, storages = _items(arrays, dtype, "<", b"N")
    return legacy_of(state_dict_pickle(items, wrappers), storages, 2 if dtype == "bf16" else int(dtype[1:]))


def legacy_of(pickled: bytes, storages: Mapping[str, bytes], item_bytes: int = 4) -> bytes:
    """The frame of the legacy format around an object and its storages."""
    system = b"\x80\x02}(" + text_opcode("protocol_version") + b"M\xe9\x03"
    system += text_opcode("little_endian") + b"\x88" + b"u."
    keys = b"\x80\x02](" + b"".join(map(text_opcode, storages)) + b"e."
    tail = b"".join(struct.pack("<q", len(raw) // item_bytes) + raw for raw in storages.values())
    return _LEGACY_HEAD + system + pickled + keys + tail


def _items(arrays: Arrays, dtype: str, order: str, view: bytes = b"") -> tuple[dict[str, bytes], dict[str, bytes]]:
    items, storages = {}, {}
    for index, (name, array) in enumerate(arrays.items()):
        items[name] = tensor_opcode(str(index), CODES[dtype], array.size, array.shape, view=view)
        storages[str(index)] = raw_bytes(array, dtype, order)
    return items, storages


# --- safetensors and ncnn -------------------------------------------------------------------------------------------


def safetensors(arrays: Arrays, dtype: str = "f4") -> bytes:
    """A safetensors file written by hand, for dtypes that NumPy has not."""
    code = {"f2": "F16", "f4": "F32", "f8": "F64", "bf16": "BF16"}[dtype]
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    body = b""
    for name, array in arrays.items():
        raw = raw_bytes(array, dtype)
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    return safetensors_of(header, body)


def safetensors_of(header: object, body: bytes) -> bytes:
    """The frame of the format around a header and the bytes."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def ncnn(weights: Weights, half: bool) -> tuple[bytes, bytes]:
    """The `.param` and `.bin` that a converter makes of a network."""
    graph = _NcnnGraph(weights, half)
    graph.build()
    lines = ["7767517", f"{len(graph.lines)} {graph.blobs}", *graph.lines]
    return ("\n".join(lines) + "\n").encode(), b"".join(graph.numbers)


class _NcnnGraph:
    def __init__(self, weights: Weights, half: bool) -> None:
        self.weights, self.half = weights, half
        self.lines: list[str] = []
        self.numbers: list[bytes] = []
        self.blobs = 0

    def layer(self, kind: str, inputs: list[str], options: str = "") -> str:
        self.blobs += 1
        out = f"b{self.blobs}"
        self.lines.append(f"{kind:24} l{len(self.lines)} {len(inputs)} 1 {' '.join([*inputs, out])} {options}".rstrip())
        return out

    def conv(self, name: str, fed: str, rectified: bool = False) -> str:
        weight, bias = (self.weights.tensors[f"{name}.{kind}"] for kind in ("weight", "bias"))
        raw = weight.astype("<f2" if self.half else "<f4").tobytes()
        tag = struct.pack("<I", 0x01306B47 if self.half else 0)
        self.numbers.append(tag + raw + b"\0" * (-len(raw) % 4) + bias.astype("<f4").tobytes())
        act = " 9=2 -23310=1,2.000000e-01" if rectified else ""
        return self.layer("Convolution", [fed], f"0={weight.shape[0]} 1=3 4=1 5=1 6={weight.size}{act}")

    def build(self) -> None:
        arch = self.weights.architecture
        data = self.layer("Input", [])
        if arch.unshuffle > 1:
            data = self.layer("Reorg", [data], f"0={arch.unshuffle}")
        first = block = self.conv("conv_first", data)
        for number in range(arch.blocks):
            rdb = block
            for r in (1, 2, 3):
                joined = [rdb]
                for c in (1, 2, 3, 4, 5):
                    fed = joined[0] if c == 1 else self.layer("Concat", joined)
                    joined.append(self.conv(f"body.{number}.rdb{r}.conv{c}", fed, rectified=c < 5))
                rdb = self.layer("Eltwise", [joined[-1], rdb], "0=1 -23301=2,2.000000e-01,1.000000e+00")
            # The other way that converters write it: a product, then a sum.
            block = self.layer("BinaryOp", [self.layer("BinaryOp", [rdb], "0=2 1=1 2=2.000000e-01"), block])
        result = self.layer("BinaryOp", [first, self.conv("conv_body", block)], "0=0")
        for k in range(arch.doublings):
            doubled = self.layer("Interp", [result], "0=1 1=2.000000e+00 2=2.000000e+00")
            result = self.conv(f"conv_up{k + 1}", doubled, rectified=True)
        plain = self.conv("conv_hr", result)
        self.conv("conv_last", self.layer("ReLU", [plain], "0=2.000000e-01"))
