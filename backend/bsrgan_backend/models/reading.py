"""Weights from any file that a user may give, told apart by content, never by name."""

from __future__ import annotations

from pathlib import Path

from bsrgan_backend.errors import BackendError
from bsrgan_backend.models import layouts, ncnn_file, safetensors_file, torch_file
from bsrgan_backend.models.layouts import refuse
from bsrgan_backend.models.weights import Weights

FILE_BYTES_MAX = 1024**3
"""Longer files are refused unread; the networks meant here take 67 MB, with training states some 300 MB."""

_HEAD_BYTES = 512
_CHOOSE = "choose a .pth, .safetensors or ncnn file of an RRDBNet"

# First bytes -> what such a file is; compared in this order.
_MAGICS: tuple[tuple[bytes, str], ...] = (
    (b"GGUF", "a GGUF language model"),
    (b"ggml", "a GGML model"),
    (b"\x89HDF\r\n", "a Keras or HDF5 file"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"RIFF", "a picture or a sound"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x1f\x8b", "a packed archive (unpack it first)"),
    (b"7z\xbc\xaf\x27\x1c", "a packed archive (unpack it first)"),
    (b"Rar!", "a packed archive (unpack it first)"),
    (b"\xfd7zXZ", "a packed archive (unpack it first)"),
    (b"BZh", "a packed archive (unpack it first)"),
    (b"%PDF", "a PDF document"),
    (b"version https://git-lfs", "a Git LFS pointer, not the weights themselves (download the file it points to)"),
    (b"MZ", "a program"),
    (b"\x7fELF", "a program"),
)


def read_weights(path: Path) -> Weights:
    """Read a trained RRDBNet from a torch `.pth` (zip or legacy), safetensors, or either file of an ncnn pair.

    Nothing in the file is executed, whatever it holds, and no more memory is taken than a few times its length.

    Args:
        path: the file; for ncnn, the other one of the pair lies beside it under the same name.

    Returns:
        Canonical float32 weights with their architecture and digest.

    Raises:
        BackendError: MODEL_LOAD, with one sentence that says what the file is and what to do; HOST_OOM.
    """
    return weights_of(path, contents(path))


def weights_of(path: Path, content: bytes) -> Weights:
    """`read_weights` of a file whose content is already there; `path` names it and finds the other half of a pair."""
    try:
        return layouts.weights_from(_tensors(path, content))
    except MemoryError as error:
        raise _no_memory(path) from error


def contents(path: Path) -> bytes:
    """The bytes of a regular file of at most `FILE_BYTES_MAX`; BackendError MODEL_LOAD otherwise."""
    try:
        if path.is_dir():
            raise refuse(f"'{path.name}' is a folder; {_CHOOSE}.")
        if not path.exists():
            raise refuse(f"There is no file '{path.name}'; check its name and folder.")
        if not path.is_file():
            raise refuse(f"'{path.name}' is no ordinary file; {_CHOOSE}.")
        if path.stat().st_size > FILE_BYTES_MAX:
            raise refuse(f"'{path.name}' is far too large for a network of this kind; {_CHOOSE}.")
        return path.read_bytes()
    except MemoryError as error:
        raise _no_memory(path) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name is not valid"
        raise refuse(f"'{path.name}' cannot be read ({reason}); check the file and its permissions.") from error


def _no_memory(path: Path) -> BackendError:
    text = "There is too little free memory to read this model; close other programs and try again."
    return BackendError("HOST_OOM", text, path.name)


def is_ncnn(path: Path, content: bytes) -> bool:
    """Whether this is one file of an ncnn pair: the graph, or numbers that have a graph beside them."""
    if is_graph(content):
        return True
    tagged = content[:4] in (ncnn_file.FLOAT16_TAG.to_bytes(4, "little"), b"\0\0\0\0")
    return tagged or (path.suffix.lower() == ".bin" and ncnn_file.partner(path).is_file())


def is_graph(content: bytes) -> bool:
    """Whether this is the text graph of an ncnn pair."""
    return content[:16].lstrip().startswith(ncnn_file.PARAM_MAGIC)


def _tensors(path: Path, content: bytes) -> dict[str, object]:
    head = content[:_HEAD_BYTES]
    if not content:
        raise refuse(f"'{path.name}' is empty; download it again.")
    if torch_file.is_zip(head):
        return torch_file.read_zip(content)
    if torch_file.is_legacy(head):
        return torch_file.read_legacy(content)
    if safetensors_file.is_safetensors(head, len(content)):
        return safetensors_file.read(content)
    _refuse_known(path.name, head, content)
    if is_ncnn(path, content):
        return _ncnn(path, content)
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        return torch_file.read_pickle(content)
    raise refuse(f"'{path.name}' is of no known kind of weights; {_CHOOSE}.", head[:16].hex())


def _refuse_known(name: str, head: bytes, content: bytes) -> None:
    """Raise the sentence for files that people mistake for weights."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<!--")):
        raise refuse(f"'{name}' is a web page, not weights; download the file itself, not the page that shows it.")
    if text.startswith((b"<?xml", b"<net")):
        raise refuse(f"'{name}' is an XML file (perhaps an OpenVINO model); {_CHOOSE}.")
    for magic, what in _MAGICS:
        if head.startswith(magic):
            raise refuse(f"'{name}' is {what}; {_CHOOSE}.")
    if head[4:8] == b"TFL3":
        raise refuse(f"'{name}' is a TensorFlow Lite model; {_CHOOSE}.")
    if head[257:262] == b"ustar":
        raise refuse(f"'{name}' is a packed archive (unpack it first); {_CHOOSE}.")
    if head[:1] == b"\x08" and (b"\x12\x07pytorch" in head[:64] or b"onnx" in content[:4096].lower()):
        raise refuse(f"'{name}' is an ONNX model; {_CHOOSE}.")
    if _is_text(head) and not is_graph(content):
        raise refuse(f"'{name}' is a text file, not weights; download it again or choose another file.")


def _is_text(head: bytes) -> bool:
    """Whether these bytes are UTF-8 without control characters; the last character may be cut."""
    decoded = head.decode("utf-8", "replace")[:-1]
    return "\ufffd" not in decoded and all(char >= " " or char in "\t\r\n" for char in decoded)


def _ncnn(path: Path, content: bytes) -> dict[str, object]:
    other = ncnn_file.partner(path)
    if not other.is_file():
        kind = "numbers (.bin)" if is_graph(content) else "graph (.param)"
        raise refuse(f"'{path.name}' is one half of an ncnn model; put its {kind} beside it as '{other.name}'.")
    rest = contents(other)
    param, numbers = (content, rest) if is_graph(content) else (rest, content)
    return ncnn_file.read_pair(param, numbers)
