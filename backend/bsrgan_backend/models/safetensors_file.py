"""Reader and writer of safetensors: a JSON header of names, dtypes, shapes and offsets, then the bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.layouts import refuse
from bsrgan_backend.models.weights import Weights

HEADER_BYTES_MAX = 4 * 1024 * 1024
_DTYPES = {"F16": "<f2", "BF16": "<u2", "F32": "<f4", "F64": "<f8", "I64": "<i8", "I32": "<i4", "I16": "<i2"}
_DTYPES |= {"I8": "i1", "U8": "u1", "BOOL": "?"}


def is_safetensors(head: bytes, size: int) -> bool:
    """Whether a file of `size` bytes that starts with `head` (9 bytes or more) claims to be safetensors."""
    return len(head) >= 9 and 2 <= int.from_bytes(head[:8], "little") <= size - 8 and head[8:9] == b"{"


def read(content: bytes) -> dict[str, object]:
    """Names to arrays; bfloat16 becomes float32, other dtypes stay.

    Every declared shape and offset is compared with the bytes that are there, before anything is made of it.

    Args:
        content: the whole file.

    Raises:
        BackendError: MODEL_LOAD when the header is damaged or does not fit the bytes.
    """
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(len(content) - 8, HEADER_BYTES_MAX):
        raise _damaged("header longer than the file")
    try:
        header = json.loads(content[8 : 8 + length])
        entries = {str(name): facts for name, facts in header.items() if name != "__metadata__"}
        _check_apart(entries)
        return {name: _array(content, 8 + length, facts) for name, facts in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise _damaged(f"{type(error).__name__}: {str(error)[:120]}") from error


def _check_apart(entries: Mapping[str, dict[str, object]]) -> None:
    """Raise ValueError, KeyError or TypeError unless each tensor has bytes of its own, as the format demands.

    A few bytes under many names would become a large network.
    """
    spans = sorted(_span(facts) for facts in entries.values())
    if any(second[0] < first[1] for first, second in pairwise(spans)):
        raise ValueError("tensors share bytes")


def _array(content: bytes, base: int, facts: dict[str, object]) -> npt.NDArray[np.generic]:
    """A read-only view of one tensor; raises ValueError, KeyError or TypeError when it does not fit."""
    code, shape = str(facts["dtype"]), facts["shape"]
    if code not in _DTYPES:
        raise refuse(
            f"This file stores tensors as {code[:12]}, which is not supported; choose a float16 or float32 file."
        )
    if not isinstance(shape, list) or not _are_sizes(shape):
        raise TypeError("shape")
    begin, end = _span(facts)
    dtype, count = np.dtype(_DTYPES[code]), math.prod(shape)
    if len(shape) > 8 or end - begin != count * dtype.itemsize or base + end > len(content):
        raise ValueError("a tensor's bytes do not fit its shape")
    flat = np.frombuffer(content, dtype, count, base + begin)
    return (widen(flat) if code == "BF16" else flat).reshape(shape)


def _span(facts: dict[str, object]) -> tuple[int, int]:
    """Where a tensor's bytes begin and end behind the header; raises as `_array` does."""
    offsets = facts["data_offsets"]
    if not isinstance(offsets, list) or not _are_sizes(offsets):
        raise TypeError("offsets")
    begin, end = offsets
    return begin, end


def _are_sizes(value: object) -> bool:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def widen(bits: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    """bfloat16 given as its bits (any shape, uint16) to the same numbers in float32: the upper half of the bits."""
    wide: npt.NDArray[np.uint32] = bits.astype(np.uint32) << np.uint32(16)
    return wide.view(np.float32)


def _damaged(detail: str) -> BackendError:
    return refuse("This safetensors file is incomplete or damaged; download it again.", detail)


def encode(weights: Weights) -> bytes:
    """The bytes of a safetensors file with the canonical names, float32; the same bytes for the same weights."""
    content: bytes = save({name: np.ascontiguousarray(array) for name, array in weights.tensors.items()})
    return content
