"""Every kind of file gives the same weights; what holds none is refused in one sentence."""

from __future__ import annotations

import pickle
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from bsrgan_backend.errors import BackendError
from bsrgan_backend.models import layouts, ncnn_file, safetensors_file, synthetic
from bsrgan_backend.models.reading import read_weights, weights_of
from bsrgan_backend.models.weights import Architecture, Weights
from support import weight_files as files
from support.weight_reading import read, refusal

SMALL = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
TINY = synthetic.random_weights(synthetic.TINY, 11)
FORMATS = ("zip", "legacy", "safetensors")
WRITERS = {"zip": files.torch_zip, "legacy": files.torch_legacy, "safetensors": files.safetensors}

PYTORCH = Path(__file__).parents[1] / "data" / "weights"
PYTORCH_DIGEST = "cb7e25604a8114dfc2818720b1f4fb8a3d34f16e4677f63754eb7d421cd563df"


def half(weights: Weights) -> Weights:
    """The same network with its weights, but not its biases, rounded to float16, as converters do."""
    rounded = {
        name: array.astype(np.float16).astype(np.float32) if name.endswith(".weight") else array
        for name, array in weights.tensors.items()
    }
    return Weights(weights.architecture, rounded, layouts.digest(rounded))


@SMALL
@given(files.architectures(), st.sampled_from(files.LAYOUTS), st.sampled_from(FORMATS), st.integers(0, 99))
def test_formats_and_layouts_agree(architecture: Architecture, layout: str, form: str, seed: int) -> None:
    """Any architecture in any layout and any named format is read back exactly."""
    weights = synthetic.random_weights(architecture, seed)
    got = weights_of(Path("x"), WRITERS[form](files.renamed(weights, layout)))
    assert (got.architecture, got.digest) == (architecture, weights.digest)


@SMALL
@given(files.architectures(), st.booleans(), st.integers(0, 99))
def test_ncnn_agrees(architecture: Architecture, is_half: bool, seed: int) -> None:
    """Any architecture converted for ncnn is read back exactly, from float32 and from float16 numbers."""
    weights = synthetic.random_weights(architecture, seed)
    got = layouts.weights_from(ncnn_file.read_pair(*files.ncnn(weights, is_half)))
    assert got.architecture == architecture
    assert got.digest == (half(weights) if is_half else weights).digest


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "bf16"])
def test_float_widths(form: str, dtype: str, tmp_path: Path) -> None:
    """Half, bfloat16, single and double precision give the numbers that they hold."""
    got = read(WRITERS[form](files.renamed(TINY, "bsrgan"), dtype), tmp_path)
    for name, array in TINY.tensors.items():
        if dtype == "bf16":
            expected = (files.bfloat16(array).astype(np.uint32) << 16).view(np.float32)
        else:
            expected = array.astype(dtype).astype(np.float32)
        assert np.array_equal(got.tensors[name], expected)


@pytest.mark.parametrize("writer", [files.torch_zip, files.torch_legacy])
def test_wrapped_checkpoints(writer: object, tmp_path: Path) -> None:
    """The containers of training code are opened in both torch formats."""
    content = writer(files.renamed(TINY, "realesrgan"), wrappers=("params_ema",))  # type: ignore[operator]
    assert read(content, tmp_path).digest == TINY.digest


def test_big_endian_files(tmp_path: Path) -> None:
    """The byteorder entry of a zip file is honoured."""
    content = files.torch_zip(files.renamed(TINY, "bsrgan"), order=">")
    assert read(content, tmp_path).digest == TINY.digest


def test_zip_without_byteorder_is_little_endian(tmp_path: Path) -> None:
    """Files from before that entry existed are read."""
    assert read(files.torch_zip(files.renamed(TINY, "bsrgan"), byteorder=False), tmp_path).digest == TINY.digest


@pytest.mark.parametrize("path", sorted(PYTORCH.glob("*.*")), ids=lambda path: path.name)
def test_files_written_by_pytorch(path: Path) -> None:
    """Files that PyTorch 2.15 and its safetensors wrote of one network, in every way, hold the same numbers."""
    weights = read_weights(path)
    assert weights.architecture == Architecture(4, 1, 2, 3, 3, 4)
    assert weights.digest == PYTORCH_DIGEST


def test_the_files_of_pytorch_are_there() -> None:
    """The test above reads files, not an empty folder."""
    assert len(list(PYTORCH.glob("*.*"))) == 7


def test_strides_and_offsets(tmp_path: Path) -> None:
    """A transposed tensor that starts inside a shared storage is read as what it is."""
    arrays = files.renamed(TINY, "bsrgan")
    hr = arrays.pop("HRconv.weight")
    items = {n: files.tensor_opcode(str(i), "FloatStorage", a.size, a.shape) for i, (n, a) in enumerate(arrays.items())}
    storages = {f"data/{i}": array.tobytes() for i, array in enumerate(arrays.values())}
    stored = np.concatenate([np.zeros(5, np.float32), hr.transpose(3, 2, 1, 0).ravel()])
    shape = hr.shape
    stride = (1, shape[0], shape[0] * shape[1], shape[0] * shape[1] * shape[2])
    items["HRconv.weight"] = files.tensor_opcode("s", "FloatStorage", stored.size, shape, stride, 5)
    content = files.zip_of({"data.pkl": files.state_dict_pickle(items), "data/s": stored.tobytes()} | storages)
    assert read(content, tmp_path).digest == TINY.digest


def test_legacy_views(tmp_path: Path) -> None:
    """A legacy storage that is a window of another one is found at its offset."""
    arrays = files.renamed(TINY, "bsrgan")
    flat = np.concatenate([array.ravel() for array in arrays.values()])
    items, start = {}, 0
    for name, array in arrays.items():
        view = files.tuple_opcode(files.text_opcode(name), files.int_opcode(start), files.int_opcode(array.size))
        items[name] = files.tensor_opcode("root", "FloatStorage", flat.size, array.shape, view=view)
        start += array.size
    content = files.legacy_of(files.state_dict_pickle(items), {"root": flat.tobytes()})
    assert read(content, tmp_path).digest == TINY.digest


def test_either_file_of_an_ncnn_pair(tmp_path: Path) -> None:
    """The user may name the graph or the numbers; one without the other is explained."""
    param, numbers = files.ncnn(TINY, half=False)
    (tmp_path / "x4.param").write_bytes(param)
    assert "x4.bin" in refusal(param, tmp_path, "x4.param")
    (tmp_path / "x4.bin").write_bytes(numbers)
    assert read_weights(tmp_path / "x4.bin").digest == TINY.digest
    assert read_weights(tmp_path / "x4.param").digest == TINY.digest
    (tmp_path / "x4.param").unlink()
    assert "x4.param" in refusal(numbers, tmp_path, "x4.bin")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"-23301=2,2.000000e-01,1.000000e+00", b"-23301=2,1.000000e+00,1.000000e+00"),
        (b"-23310=1,2.000000e-01", b"-23310=1,1.000000e-01"),
        (b"1=3 4=1", b"1=3 4=0"),
        (b"0=1 1=2.000000e+00", b"0=2 1=2.000000e+00"),
        (b"Eltwise ", b"Pooling "),
        (b"5=1", b"5=0"),
        (b" b2 b3 b4\n", b" b3 b2 b4\n"),
    ],
)
def test_ncnn_graphs_that_compute_something_else(old: bytes, new: bytes) -> None:
    """A graph with the right number of convolutions that is wired differently is not passed off as an RRDBNet."""
    param, numbers = files.ncnn(TINY, half=False)
    assert old in param
    with pytest.raises(BackendError) as caught:
        ncnn_file.read_pair(param.replace(old, new), numbers)
    assert caught.value.code == "MODEL_LOAD"


def test_ncnn_numbers_of_another_network(tmp_path: Path) -> None:
    """Numbers left over, missing or quantised are refused."""
    param, numbers = files.ncnn(TINY, half=False)
    for wrong in (numbers + b"\0\0\0\0", numbers[:-4], b"\x38\x4b\x0d\x00" + numbers[4:]):
        with pytest.raises(BackendError, match="MODEL_LOAD"):
            ncnn_file.read_pair(param, wrong)


def test_ncnn_graph_that_grows_without_end() -> None:
    """Joining a blob with itself again and again would take all memory; it is refused at once."""
    lines = ["Input a 0 1 x0"] + [f"Concat c{i} 2 1 x{i} x{i} x{i + 1}" for i in range(200)]
    param = "\n".join(["7767517", f"{len(lines)} 201", *lines]).encode()
    with pytest.raises(BackendError, match="joins too much"):
        ncnn_file.read_pair(param, b"")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"\n\n <!DOCTYPE html><html><body>404</body>", "web page"),
        (b"<html><head><title>Sign in</title>", "web page"),
        (b"Not Found", "text file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "Git LFS"),
        (b"GGUF\x03\0\0\0" + bytes(64), "GGUF"),
        (b"\x89HDF\r\n\x1a\n" + bytes(64), "HDF5"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "picture"),
        (b"\x08\x07\x12\x07pytorch\x1a\x051.9.0" + bytes(64), "ONNX"),
        (b"\x1c\0\0\0TFL3" + bytes(64), "TensorFlow Lite"),
        (b"<?xml version='1.0'?><net name='x'/>", "XML"),
        (b"\x1f\x8b\x08" + bytes(64), "archive"),
        (b"PK\x03\x04" + bytes(100), "damaged"),
        (bytes(range(128, 256)), "no known kind"),
        (files.zip_of({"readme.txt": b"hello"}), "zip archive"),
        (files.zip_of({"data.pkl": b"\x80\x02}.", "code/x.py": b"", "constants.pkl": b""}), "TorchScript"),
        (files.zip_of({"data.pkl": b"\x80\x02}."}), "no tensors"),
        (files.zip_of({"data.pkl": b"\x80\x02K\x01."}), "no named tensors"),
        (pickle.dumps({"w": 1}, protocol=2), "holds no PyTorch weights"),
        (pickle.dumps({"w": np.zeros(3, np.float32)}, protocol=4), "PaddlePaddle"),
        (safetensors_file.encode(TINY)[:-1], "damaged"),
        (files.safetensors_of({"w": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}}, b"\0"), "F8_E4M3"),
    ],
)
def test_files_that_are_no_weights(content: bytes, word: str, tmp_path: Path) -> None:
    """Whatever people mistake for weights is named, whatever its file is called."""
    assert word in refusal(content, tmp_path)
    assert word in refusal(content, tmp_path, "model.safetensors")


@pytest.mark.parametrize("odd", [b"\xed\xa0\x80", b"a\nb", b"\x1b[2J", b"\xe2\x80\xa8"])
def test_refusals_can_be_printed(odd: bytes, tmp_path: Path) -> None:
    """A name in a file that no terminal can show does not break the sentence about it."""
    tensor = files.tensor_opcode("0", "FloatStorage", 4, (4,))
    pickled = b"\x80\x02}X" + len(odd).to_bytes(4, "little") + odd + tensor + b"s."
    text = refusal(files.zip_of({"data.pkl": pickled, "data/0": bytes(16)}), tmp_path)
    assert "its first tensor is" in text
    assert text.encode()
    assert text.isprintable()


def test_missing_files_and_folders(tmp_path: Path) -> None:
    """A wrong path is one sentence, not a traceback."""
    for path in (tmp_path / "nothing.pth", tmp_path, Path("/dev/null"), Path("a\0b")):
        with pytest.raises(BackendError, match="MODEL_LOAD"):
            read_weights(path)
