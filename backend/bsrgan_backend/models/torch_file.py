"""Reader of PyTorch's `.pth` files, zip and legacy, without PyTorch: a restricted pickle and raw storages.

A tensor in the pickle is a storage's key with offset, sizes and strides. Descriptions are collected first; arrays are
made afterwards, as views of the file's bytes, and only after each has been compared with the bytes that are there.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from bsrgan_backend.models import layouts
from bsrgan_backend.models.layouts import refuse
from bsrgan_backend.models.pickles import damaged, load
from bsrgan_backend.models.safetensors_file import widen

LEGACY_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_LEGACY_PROTOCOL = 1001
_ENTRIES_MAX = 50_000
_DIMENSIONS_MAX = 8
# Training code saves the same numbers under a few names (params, params_ema), never under many.
_SHARED_MAX = 4
_DTYPES = {
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "BFloat16Storage": "u2",
    "DoubleStorage": "f8",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
_ERRORS: tuple[type[Exception], ...] = (
    *(zipfile.BadZipFile, NotImplementedError, struct.error, ValueError, RuntimeError, EOFError, KeyError),
    *(OSError, zlib.error, IndexError, OverflowError),
)


@dataclass
class _Storage:
    """A flat run of numbers, known by its key before its bytes are read."""

    kind: str
    numel: int
    offset: int = 0
    key: str = ""

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(_DTYPES[self.kind])

    def __setstate__(self, state: object) -> None:
        # A pickle can set attributes of whatever it has made, after they were checked.
        raise damaged("storage with attributes")


@dataclass(frozen=True)
class _Tensor:
    """A tensor's description; its sizes and strides are already known to stay inside its storage."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def __setstate__(self, state: object) -> None:
        # `frozen` does not stop a pickle, which writes into `__dict__`.
        raise damaged("tensor with attributes")


class _Rebuild:
    """Stand-in for torch's function that makes a tensor of a storage; one for each file, so it carries no state on."""

    __slots__ = ()

    def __call__(self, storage: object, offset: object, size: object, stride: object, *_ignored: object) -> _Tensor:
        sizes, strides = _sizes(size), _sizes(stride)
        if not isinstance(storage, _Storage) or len(sizes) != len(strides) or len(sizes) > _DIMENSIONS_MAX:
            raise damaged("tensor")
        (start,) = _sizes((offset,))
        _check_inside(start, sizes, strides, storage.numel)
        return _Tensor(storage, start, sizes, strides)


class _Parameter:
    """Stand-in for torch's function that marks a tensor as trainable."""

    __slots__ = ()

    def __call__(self, tensor: object, *_ignored: object) -> _Tensor:
        if not isinstance(tensor, _Tensor):
            raise damaged("parameter")
        return tensor


@dataclass
class _Storages:
    """Every storage that the pickle names, by key."""

    found: dict[str, _Storage] = field(default_factory=dict)

    def persistent(self, identity: Any) -> _Storage:
        """The storage of a persistent id ('storage', type, key, device, numel[, view])."""
        if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] not in ("storage", b"storage"):
            raise damaged("persistent id")
        kind, key, numel = identity[1], identity[2], identity[4]
        if not isinstance(kind, str) or kind not in _DTYPES or not isinstance(key, str):
            raise damaged("storage type")
        (count,) = _sizes((numel,))
        root = self.found.setdefault(key, _Storage(kind, count, key=key))
        if (root.kind, root.numel) != (kind, count):
            raise damaged("one storage with two sizes")
        view = identity[5] if len(identity) > 5 else None
        if view is None:
            return root
        if not isinstance(view, tuple) or len(view) != 3:
            raise damaged("storage view")
        start, length = _sizes((view[1], view[2]))
        if start + length > count:
            raise damaged("storage view outside of its storage")
        return _Storage(kind, length, start, key)


def is_zip(head: bytes) -> bool:
    """Whether a file that starts with `head` is a zip archive, as torch writes since 1.6."""
    return head[:4] == b"PK\x03\x04"


def is_legacy(head: bytes) -> bool:
    """Whether a file that starts with `head` is torch's format before 1.6."""
    return head.startswith(LEGACY_MAGIC)


def read_zip(content: bytes) -> dict[str, object]:
    """Dotted names to arrays (and other plain values) of a zip `.pth`; bfloat16 becomes float32.

    Args:
        content: the whole file.

    Raises:
        BackendError: MODEL_LOAD when it is another archive, damaged, or holds more than data.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _read_archive(archive, len(content))
    except _ERRORS as error:
        raise damaged(f"{type(error).__name__}: {str(error)[:120]}") from error


def _read_archive(archive: zipfile.ZipFile, length: int) -> dict[str, object]:
    infos = {info.filename: info for info in archive.infolist()}
    root = _root(infos)
    # torch stores and never packs, so a packed entry is somebody's trick or mistake.
    if any(info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size for info in infos.values()):
        raise refuse("This .pth file was packed again after it was saved; download the original file.")
    if len(infos) > _ENTRIES_MAX or sum(info.file_size for info in infos.values()) > length:
        raise damaged("entries larger than the file")
    order = archive.read(f"{root}byteorder").strip() if f"{root}byteorder" in infos else b"little"
    if order not in (b"little", b"big"):
        raise damaged("byte order")
    storages = _Storages()
    tree, _ = load(archive.read(f"{root}data.pkl"), 0, _names(), storages.persistent)
    data: dict[str, npt.NDArray[np.generic]] = {}
    for key, storage in storages.found.items():
        data[key] = _numbers(archive.read(f"{root}data/{key}"), storage, "<" if order == b"little" else ">")
    return _arrays(tree, data, length)


def _root(infos: Mapping[str, zipfile.ZipInfo]) -> str:
    """The folder of a torch archive, with its slash; refuses other archives with what they are."""
    pickles = [name for name in infos if name == "data.pkl" or name.endswith("/data.pkl")]
    if any("/code/" in name or name.endswith("constants.pkl") for name in infos) and pickles:
        raise refuse("This is a TorchScript program, which is not read for safety; choose its weights (.pth).")
    if len(pickles) != 1:
        what = "an archive of several models" if pickles else "a zip archive, not a .pth file (unpack it first)"
        raise refuse(f"This file is {what}; choose a .pth, .safetensors or ncnn file of an RRDBNet.")
    return pickles[0][: -len("data.pkl")]


def read_legacy(content: bytes) -> dict[str, object]:
    """Dotted names to arrays of a `.pth` from before torch 1.6: five pickles, then the storages' bytes.

    Args:
        content: the whole file.

    Raises:
        BackendError: MODEL_LOAD when it is damaged or holds more than data.
    """
    try:
        return _read_parts(content)
    except _ERRORS as error:
        raise damaged(f"{type(error).__name__}: {str(error)[:120]}") from error


def _read_parts(content: bytes) -> dict[str, object]:
    protocol, end = load(content, len(LEGACY_MAGIC), {})
    system, end = load(content, end, {})
    if protocol != _LEGACY_PROTOCOL or not isinstance(system, dict):
        raise damaged("protocol")
    order = "<" if system.get("little_endian", True) is True else ">"
    storages = _Storages()
    tree, end = load(content, end, _names(), storages.persistent)
    keys, end = load(content, end, {})
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise damaged("storage keys")
    data: dict[str, npt.NDArray[np.generic]] = {}
    for key in keys:
        storage = storages.found.get(key)
        if storage is None or len(content) < end + 8:
            raise damaged("storage")
        (numel,) = struct.unpack_from(f"{order}q", content, end)
        stop = end + 8 + storage.numel * storage.dtype.itemsize
        if numel != storage.numel or stop > len(content):
            raise damaged("storage size")
        data[key] = _numbers(memoryview(content)[end + 8 : stop], storage, order)
        end = stop
    return _arrays(tree, data, len(content))


def read_pickle(content: bytes) -> dict[str, object]:
    """Always refuses: a pickle that is no torch file, named by what it asks for."""
    load(content, 0, _names())
    raise refuse("This pickle holds no PyTorch weights; choose a .pth, .safetensors or ncnn file of an RRDBNet.")


def _names() -> dict[tuple[str, str], object]:
    """Stand-ins for the names of torch that a state dict needs; made anew for each file."""
    rebuild, parameter = _Rebuild(), _Parameter()
    names: dict[tuple[str, str], object] = {("torch", kind): kind for kind in _DTYPES}
    names["torch._utils", "_rebuild_tensor"] = rebuild
    names["torch._utils", "_rebuild_tensor_v2"] = rebuild
    names["torch._utils", "_rebuild_parameter"] = parameter
    return names


def _sizes(value: object) -> tuple[int, ...]:
    if not isinstance(value, (tuple, list)) or not all(type(item) is int and 0 <= item < 2**40 for item in value):
        raise damaged("size")
    return tuple(value)


def _check_inside(start: int, sizes: tuple[int, ...], strides: tuple[int, ...], numel: int) -> None:
    """Raise unless a tensor stays inside of `numel` numbers."""
    count = math.prod(sizes)
    last = start + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
    # Numbers used more than once (stride 0) would let a small file ask for any amount of memory.
    if min((start, *sizes, *strides)) < 0 or count > numel or (count and last >= numel):
        raise damaged("tensor outside of its storage")


def _numbers(raw: bytes | memoryview, storage: _Storage, order: str) -> npt.NDArray[np.generic]:
    dtype = storage.dtype.newbyteorder("<" if order == "<" else ">")
    if len(raw) != storage.numel * dtype.itemsize:
        raise damaged("storage size")
    numbers = np.frombuffer(raw, dtype)
    return widen(numbers) if storage.kind == "BFloat16Storage" else numbers


def _arrays(tree: object, data: Mapping[str, npt.NDArray[np.generic]], length: int) -> dict[str, object]:
    """The pickle's tree with its descriptions made arrays."""
    if isinstance(tree, _Tensor) or not isinstance(tree, Mapping):
        raise refuse("This .pth file holds no named tensors; choose one that was saved as a state dict.")
    flat = layouts.flatten(tree)
    # Each name may become an array of its own, also where names share a tensor or its storage.
    tensors = [leaf for leaf in flat.values() if isinstance(leaf, _Tensor)]
    total = sum(math.prod(t.size) * t.storage.dtype.itemsize for t in tensors)
    if total > _SHARED_MAX * length:
        raise damaged("tensors larger than the file")
    return {name: _view(leaf, data) if isinstance(leaf, _Tensor) else leaf for name, leaf in flat.items()}


def _view(tensor: _Tensor, data: Mapping[str, npt.NDArray[np.generic]]) -> npt.NDArray[np.generic]:
    numbers = data.get(tensor.storage.key)
    if numbers is None:
        raise damaged("storage without bytes")
    if 0 in tensor.size:
        return np.empty(tensor.size, numbers.dtype)
    start = tensor.storage.offset + tensor.offset
    # as_strided compares nothing, so the numbers that are there are compared here, whatever was done before.
    _check_inside(start, tensor.size, tensor.stride, numbers.size)
    steps = [step * numbers.itemsize for step in tensor.stride]
    return np.lib.stride_tricks.as_strided(numbers[start:], tensor.size, steps, writeable=False)
