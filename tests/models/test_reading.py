"""Every kind of file gives the same weights; everything else is refused in one sentence and never executed."""

from __future__ import annotations

import json
import pickle
import resource
import sys
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from bsrgan_backend.errors import BackendError
from bsrgan_backend.models import layouts, ncnn_file, safetensors_file, synthetic, torch_file
from bsrgan_backend.models.reading import read_weights, weights_of
from bsrgan_backend.models.weights import Architecture, Weights
from support import weight_files as files

SMALL = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
TINY = synthetic.random_weights(synthetic.TINY, 11)
FORMATS = ("zip", "legacy", "safetensors")
WRITERS = {"zip": files.torch_zip, "legacy": files.torch_legacy, "safetensors": files.safetensors}

PYTORCH = Path(__file__).parents[1] / "data" / "weights"
PYTORCH_DIGEST = "cb7e25604a8114dfc2818720b1f4fb8a3d34f16e4677f63754eb7d421cd563df"


def read(content: bytes, folder: Path, name: str = "model.pth") -> Weights:
    """Read bytes through a file, as users do."""
    path = folder / name
    path.write_bytes(content)
    return read_weights(path)


def refusal(content: bytes, folder: Path, name: str = "model.pth") -> str:
    """The sentence about a file that must be refused."""
    with pytest.raises(BackendError) as caught:
        read(content, folder, name)
    assert_sentence(caught.value)
    return caught.value.text


def assert_sentence(error: BackendError) -> None:
    """The error is one that a user can be shown."""
    assert error.code == "MODEL_LOAD"
    assert error.text.endswith(".")
    assert "\n" not in error.text
    assert len(error.text) < 250


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


# --- nothing is executed ---------------------------------------------------------------------------------------------


class _Evil:
    def __init__(self, function: object, *args: object) -> None:
        self.call = (function, args)

    def __reduce__(self) -> object:
        return self.call


def attacks(canary: Path) -> list[bytes]:
    """Pickles that would leave a file behind, each in another way."""
    name, text = files.name_opcode, files.text_opcode
    command = f"touch '{canary}'"
    program = f"__import__('pathlib').Path({str(canary)!r}).touch()"
    call = files.tuple_opcode(text(command)) + b"R."
    opened = files.tuple_opcode(text(str(canary)), text("w")) + b"R."
    built = b"\x80\x02" + name("collections", "OrderedDict") + b")R"
    rebuild = name("torch._utils", "_rebuild_tensor_v2")
    return [
        *(pickle.dumps({"w": _Evil(eval, program)}, protocol) for protocol in range(6)),
        b"\x80\x02" + name("os", "system") + call,
        b"\x80\x02" + name("posix", "system") + call,
        b"\x80\x02" + name("subprocess", "getoutput") + call,
        b"\x80\x02" + name("builtins", "open") + opened,
        b"\x80\x02" + name("__builtin__", "open") + opened,
        b"\x80\x02" + name("io", "open") + opened,
        b"\x80\x02" + name("pathlib", "Path") + files.tuple_opcode(text(str(canary))) + b"R.",
        b"\x80\x02" + name("torch", "load") + call,
        b"\x80\x02" + name("torch._utils", "_rebuild_tensor_v2.__globals__") + b".",
        b"\x80\x02" + name("collections", "OrderedDict.__init__.__globals__") + b".",
        b"\x80\x02" + name("bsrgan_backend.models.store", "ModelStore") + call,
        b"(S" + repr(command).encode() + b"\nios\nsystem\n.",
        b"(" + name("os", "system") + b"S" + repr(command).encode() + b"\no.",
        b"\x80\x02" + name("os", "system") + files.tuple_opcode(text(command)) + b"\x81.",
        b"\x80\x04" + text("os") + text("system") + b"\x93" + call,
        b"\x80\x02\x82\x01.",
        b"\x80\x02\x84\xff\xff\xff\x7f.",
        built + b"}" + text("__class__") + name("os", "system") + b"sb.",
        built + b"N}" + text("__class__") + rebuild + b"s\x86b.",
        b"\x80\x02" + rebuild + b"}" + text("__call__") + name("os", "system") + b"sb.",
        b"\x80\x02" + name("collections", "OrderedDict") + b"N}" + text("items") + rebuild + b"s\x86b.",
        b"\x80\x02" + text("x") + b"Q.",
    ]


def test_malicious_pickles_never_execute(tmp_path: Path) -> None:
    """No pickle runs anything, bare, in a zip, or in any part of a legacy file; each is refused in a sentence."""
    canary = tmp_path / "canary"
    for attack in attacks(canary):
        magic = files.legacy_of(b"\x80\x02}.", {})[:15]
        for content in (
            attack,
            files.zip_of({"data.pkl": attack}),
            files.legacy_of(attack, {}),
            magic + attack,
            magic + b"\x80\x02M\xe9\x03." + attack,
        ):
            assert refusal(content, tmp_path)
            assert not canary.exists(), attack


def test_the_attacks_are_real(tmp_path: Path) -> None:
    """The same bytes do run under an ordinary unpickler, so the test above tests something."""
    canary = tmp_path / "canary"
    pickle.loads(attacks(canary)[2])
    assert canary.exists()


def test_refused_programs_are_named(tmp_path: Path) -> None:
    """The sentence says what the file wanted to run."""
    content = files.zip_of({"data.pkl": b"\x80\x02" + files.name_opcode("os", "system") + b"."})
    assert "'os.system'" in refusal(content, tmp_path)
    whole = b"\x80\x02" + files.name_opcode("my.models", "RRDBNet") + b")\x81}b."
    assert "'my.models.RRDBNet'" in refusal(files.zip_of({"data.pkl": whole}), tmp_path)


# --- sizes are checked before memory is taken ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numel", "size", "stride", "offset"),
    [
        (4, (5,), (1,), 0),
        (4, (4,), (1,), 1),
        (4, (2, 2), (4, 1), 0),
        (4, (10**9,), (0,), 0),
        (4, (2,), (-1,), 3),
        (4, (-1,), (1,), 0),
        (4, (4,), (1, 1), 0),
        (2**45, (4,), (1,), 0),
        (4, (1,) * 40, (1,) * 40, 0),
        (8, (8,), (1,), 0),
    ],
)
def test_tensors_outside_of_their_storage(
    numel: int, size: tuple[int, ...], stride: tuple[int, ...], offset: int, tmp_path: Path
) -> None:
    """Offsets, strides and sizes that leave the storage's bytes never become an array."""
    tensor = files.tensor_opcode("0", "FloatStorage", numel, size, stride, offset)
    pickled = files.state_dict_pickle({"conv_first.weight": tensor})
    storage = np.zeros(4, np.float32).tobytes()
    assert "damaged" in refusal(files.zip_of({"data.pkl": pickled, "data/0": storage}), tmp_path)
    assert "damaged" in refusal(files.legacy_of(pickled, {"0": storage}), tmp_path)


@pytest.mark.parametrize(("start", "length"), [(3, 2), (4, 1), (0, 5), (2**39, 1)])
def test_views_outside_of_their_storage(start: int, length: int, tmp_path: Path) -> None:
    """A window that leaves its storage is refused even where the tensor in it would not."""
    view = files.tuple_opcode(files.text_opcode("v"), files.int_opcode(start), files.int_opcode(length))
    tensor = files.tensor_opcode("0", "FloatStorage", 4, (0,) if start > 3 else (1,), view=view)
    pickled = files.state_dict_pickle({"conv_first.weight": tensor})
    storage = np.zeros(4, np.float32).tobytes()
    assert "damaged" in refusal(files.zip_of({"data.pkl": pickled, "data/0": storage}), tmp_path)
    assert "damaged" in refusal(files.legacy_of(pickled, {"0": storage}), tmp_path)


def with_state(state: bytes) -> dict[str, bytes]:
    """Pickles that set attributes, by both forms of BUILD, of a checked tensor and of its storage."""
    tensor = files.tensor_opcode("0", "FloatStorage", 4, (4,))
    storage, rest = tensor.split(b"Q", 1)
    found = {}
    for form, build in (("dict", state + b"b"), ("slots", b"N" + state + b"\x86b")):
        found[f"tensor, {form}"] = files.state_dict_pickle({"conv_first.weight": tensor + build})
        found[f"storage, {form}"] = files.state_dict_pickle({"conv_first.weight": storage + b"Q" + build + rest})
    return found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", files.tuple_opcode(files.int_opcode(6))),
        ("stride", files.tuple_opcode(files.int_opcode(10**9))),
        ("offset", files.int_opcode(10**9)),
        ("offset", files.int_opcode(-8)),
        ("numel", files.int_opcode(10**9)),
        ("kind", files.text_opcode("zz")),
    ],
)
def test_pickles_that_alter_checked_tensors(name: str, value: bytes, tmp_path: Path) -> None:
    """Attributes set after the bounds were compared would read memory that is not the file's."""
    storage = np.zeros(4, np.float32).tobytes()
    for pickled in with_state(b"}" + files.text_opcode(name) + value + b"s").values():
        assert "damaged" in refusal(files.zip_of({"data.pkl": pickled, "data/0": storage}), tmp_path)
        assert "damaged" in refusal(files.legacy_of(pickled, {"0": storage}), tmp_path)


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [(0, (5,), (1,)), (1, (4,), (1,)), (0, (2,), (4,)), (-1, (2,), (1,)), (3, (2,), (-1,)), (0, (9,), (0,))],
)
def test_views_check_their_bounds_themselves(offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> None:
    """Whatever a description says, no array is made beyond the numbers that are there."""
    tensor = torch_file._Tensor(torch_file._Storage("FloatStorage", 4, key="0"), offset, size, stride)
    with pytest.raises(BackendError, match="damaged"):
        torch_file._view(tensor, {"0": np.zeros(4, np.float32)})


def test_legacy_tensors_without_numbers(tmp_path: Path) -> None:
    """An empty tensor of absurd sizes is damage, not NumPy's own error."""
    tensor = files.tensor_opcode("0", "FloatStorage", 4, (2**39, 2**39, 0))
    pickled = files.state_dict_pickle({"conv_first.weight": tensor})
    assert "damaged" in refusal(files.legacy_of(pickled, {"0": bytes(16)}), tmp_path)


def test_one_storage_used_by_many_tensors(tmp_path: Path) -> None:
    """A small file cannot ask for much memory by naming its one storage again and again."""
    items = {f"w{i}": files.tensor_opcode("0", "FloatStorage", 4096, (4096,)) for i in range(50)}
    content = files.zip_of({"data.pkl": files.state_dict_pickle(items), "data/0": bytes(16384)})
    assert "damaged" in refusal(content, tmp_path)


def test_one_tensor_under_many_names(tmp_path: Path) -> None:
    """Nor by describing one tensor and recalling it under each name: it becomes float32 for each."""
    tensor = files.tensor_opcode("0", "HalfStorage", 4096, (4096,))
    items = {"w": tensor + b"q\x09"} | {f"w{i}": b"h\x09" for i in range(50)}
    content = files.zip_of({"data.pkl": files.state_dict_pickle(items), "data/0": bytes(8192)})
    assert "damaged" in refusal(content, tmp_path)


@pytest.mark.parametrize("recalled", [True, False])
def test_averaged_weights_may_share_their_numbers(recalled: bool, tmp_path: Path) -> None:
    """At its start training saves the same tensors, or tensors of the same storages, as average and as last weights."""
    arrays = files.renamed(synthetic.random_weights(Architecture(16, 2, 8, 3, 3, 4), 5), "bsrgan")
    items = {}
    for i, (name, array) in enumerate(arrays.items()):
        tensor = files.tensor_opcode(str(i), "FloatStorage", array.size, array.shape)
        place = i.to_bytes(4, "little")
        items[f"params.{name}"] = tensor + b"r" + place
        items[f"params_ema.{name}"] = b"j" + place if recalled else tensor
    entries = {f"data/{i}": array.tobytes() for i, array in enumerate(arrays.values())}
    content = files.zip_of({"data.pkl": files.state_dict_pickle(items)} | entries)
    assert read(content, tmp_path).architecture == Architecture(16, 2, 8, 3, 3, 4)


def test_packed_entries_are_refused(tmp_path: Path) -> None:
    """A zip bomb is refused by its declared sizes, unread."""
    content = files.zip_of({"data.pkl": b"\x80\x02}.", "data/0": bytes(30_000_000)}, 8)
    assert len(content) < 100_000
    assert "packed again" in refusal(content, tmp_path)


@pytest.mark.parametrize(
    "pickled",
    [
        b"\x80\x02Nr\xff\xff\xff\x7f0}.",  # a memo number makes an unpickler take 16 GB
        b"\x80\x04\x8e" + (2**62).to_bytes(8, "little") + b"x.",
        b"\x80\x04\x8d" + (2**40).to_bytes(8, "little") + b"x.",
        b"\x80\x04\x95" + (2**60).to_bytes(8, "little") + b"}.",
        b"\x80\x02\x8b\xff\xff\xff\x7f\x00.",
        b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
        b"\x80\x02" + b"(" * 50_000 + b"t" * 50_000 + b".",
    ],
)
def test_pickles_that_ask_for_memory(pickled: bytes, tmp_path: Path) -> None:
    """Lengths, memo numbers and depth that only exhaust the machine are refused."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refusal(files.zip_of({"data.pkl": pickled}), tmp_path)
    assert refusal(files.legacy_of(pickled, {}), tmp_path)
    unit = 1 if sys.platform == "darwin" else 1024
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < 200e6


@pytest.mark.parametrize(
    "text", [b"S'\\o'\n", b"c\\orch._utils\n_rebuild\n", b"ctorch\n\\o\n", b"P\\o\n", b"i\\o\nx\n"]
)
def test_escapes_in_pickles_are_refused_undecoded(text: bytes, tmp_path: Path) -> None:
    """Python's lister of instructions decodes them, also in names, and warns of what it does not know."""
    for pickled in (text + b".", b"\x80\x02}" + text + b"K\x01s.", text[:-1]):
        assert "damaged" in refusal(files.zip_of({"data.pkl": pickled}), tmp_path)
        assert "damaged" in refusal(files.legacy_of(pickled, {}), tmp_path)


ORDERED = files.name_opcode("collections", "OrderedDict")


def test_attributes_of_mappings_are_dropped(tmp_path: Path) -> None:
    """A mapping's methods cannot be replaced by the pickle that made it."""
    text = files.text_opcode
    built = ORDERED + b")R}" + text("items") + b"K\x01s" + b"b" + text("x") + b"K\x01s."
    for pickled in (b"\x80\x02" + built, b"\x80\x02" + built.replace(b"sb", b"sN\x86b")):
        assert refusal(files.zip_of({"data.pkl": pickled}), tmp_path)
        assert refusal(files.legacy_of(pickled, {}), tmp_path)
    assert "damaged" in refusal(files.zip_of({"data.pkl": b"\x80\x02" + ORDERED + b"}b."}), tmp_path)
    alone = b"\x80\x02" + ORDERED + b"N}" + text("_left") + files.int_opcode(10**9) + b"s\x86b."
    assert "damaged" in refusal(files.zip_of({"data.pkl": alone}), tmp_path)


@pytest.mark.parametrize("make", [b"h\x01h\x00\x85R", b"h\x01)Rh\x00b", b"h\x01h\x02\x85R"])
def test_mappings_that_are_copied_without_end(make: bytes, tmp_path: Path) -> None:
    """A list or state that is kept once and given to many mappings does not take memory for each."""
    keys = [files.text_opcode(str(n)) for n in range(5000)]
    pairs = b"](" + b"".join(key + b"N\x86" for key in keys) + b"e"
    state = b"}(" + b"".join(key + b"N" for key in keys) + b"u"
    kept = (state if make.endswith(b"b") else pairs) + b"q\x000" + state + b"q\x020"
    pickled = b"\x80\x02" + ORDERED + b"q\x010" + kept + b"](" + make * 5000 + b"e."
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refusal(files.zip_of({"data.pkl": pickled}), tmp_path)
    unit = 1 if sys.platform == "darwin" else 1024
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < 200e6


def test_mappings_of_python_2_are_read(tmp_path: Path) -> None:
    """Python 2 gave an OrderedDict its items as a list."""
    arrays = files.renamed(TINY, "bsrgan")
    parts = [files.tensor_opcode(str(i), "FloatStorage", a.size, a.shape) for i, a in enumerate(arrays.values())]
    pairs = [b"](" + files.text_opcode(name) + part + b"e" for name, part in zip(arrays, parts, strict=True)]
    pickled = b"\x80\x02" + ORDERED + b"](" + b"".join(pairs) + b"e\x85R."
    storages = {str(i): array.tobytes() for i, array in enumerate(arrays.values())}
    assert read(files.legacy_of(pickled, storages), tmp_path).digest == TINY.digest


def test_what_follows_a_pickle_is_no_instruction(tmp_path: Path) -> None:
    """A storage of 83 numbers begins with the byte that announces a text, and holds the byte of a backslash."""
    tensor = files.tensor_opcode("0", "FloatStorage", 83, (83,))
    pickled = files.state_dict_pickle({"w": tensor})
    assert "damaged" not in refusal(files.legacy_of(pickled, {"0": b"\0\0\x5c\x3e" * 83}), tmp_path)


PARAMETER = files.name_opcode("torch._utils", "_rebuild_parameter") + b"q\x010"


@pytest.mark.parametrize(
    "steps",
    [
        b"2\x86" * 60,
        b"q\x000h\x00h\x00\x86" * 60,
        b"q\x000(h\x00h\x00t" * 60,
        b"Nb2\x86" * 60,
        b"(e2\x86" * 60,
        b"q\x000h\x01h\x00\x85R2\x86" * 60,
        b"\x85" * 1_900_000,  # hashing it would take the whole stack of calls
    ],
)
def test_tuples_that_take_forever_to_hash(steps: bytes, tmp_path: Path) -> None:
    """A key of tuples within tuples is visited whole, and shared ones double with each step."""
    pickled = b"\x80\x02" + PARAMETER + b"})" + steps + b"K\x01s."
    assert "damaged" in refusal(files.zip_of({"data.pkl": pickled}), tmp_path)
    assert "damaged" in refusal(files.legacy_of(pickled, {}), tmp_path)


def test_tuples_of_training_states_are_read(tmp_path: Path) -> None:
    """Tuples that are no keys, some of them shared, lie beside the weights."""
    betas = b"G?\xec\xcc\xcc\xcc\xcc\xcc\xcdG?\xef\xf7\xce\xd9\x16\x87+\x86q\x64"
    lists = b"](" + b"K\x01" * 3000 + b"e"
    others = {"betas": betas, "again": b"h\x64" * 3 + b"\x87", "lists": b"(" + lists * 3 + b"t"}
    arrays = files.renamed(TINY, "bsrgan")
    items = {n: files.tensor_opcode(str(i), "FloatStorage", a.size, a.shape) for i, (n, a) in enumerate(arrays.items())}
    storages = {f"data/{i}": array.tobytes() for i, array in enumerate(arrays.values())}
    content = files.zip_of({"data.pkl": files.state_dict_pickle(items | others)} | storages)
    assert read(content, tmp_path).digest == TINY.digest


@pytest.mark.parametrize(
    "facts",
    [
        {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]},
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [8, 12]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [4, 0]},
        {"dtype": "F32", "shape": [1.0], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": "1", "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [0, 2**62, 2**62], "data_offsets": [0, 0]},
        {"dtype": "F32"},
        [],
        None,
    ],
)
def test_safetensors_that_do_not_fit(facts: object, tmp_path: Path) -> None:
    """Shapes and offsets that the bytes do not hold are refused."""
    assert refusal(files.safetensors_of({"conv_first.weight": facts}, bytes(4)), tmp_path)


@pytest.mark.parametrize("second", [[0, 4], [2, 6], [0, 8], [], [0], ["0", "4"], 4, None])
def test_safetensors_that_share_bytes(second: object, tmp_path: Path) -> None:
    """Tensors on the same bytes would make a large network of a small file; the format forbids them."""
    header = {
        "a": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]},
        "b": {"dtype": "F16", "shape": [4 if second == [0, 8] else 2], "data_offsets": second},
    }
    assert "damaged" in refusal(files.safetensors_of(header, bytes(8)), tmp_path)


def test_safetensors_in_any_order_beside_empty_ones(tmp_path: Path) -> None:
    """Ranges that only touch are apart, and an empty tensor takes no bytes."""
    content = files.safetensors(files.renamed(TINY, "bsrgan"))
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    end = header["conv_first.weight"]["data_offsets"][1]
    header["empty"] = {"dtype": "F32", "shape": [0], "data_offsets": [end, end]}
    backwards = dict(reversed(header.items()))
    assert "'empty'" in refusal(files.safetensors_of(backwards, content[8 + length :]), tmp_path)


def test_safetensors_header_depth(tmp_path: Path) -> None:
    """A deeply nested header is refused, not a crash."""
    text = b"{" + b'"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert "damaged" in refusal(len(text).to_bytes(8, "little") + text, tmp_path)


# --- damage ----------------------------------------------------------------------------------------------------------

GOOD = {form: writer(files.renamed(TINY, "bsrgan")) for form, writer in WRITERS.items()}


@pytest.mark.parametrize("form", FORMATS)
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_damaged_files_raise_only_the_backends_error(form: str, data: st.DataObject) -> None:
    """Flipped bytes and cuts anywhere give weights or one sentence, never another exception."""
    content = bytearray(GOOD[form])
    # Structure lies at the ends; the middle is mostly numbers.
    places = st.one_of(st.integers(0, 3000), st.integers(-6000, -1), st.integers(0, len(content) - 1))
    for place in data.draw(st.lists(places, max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))]
    _weights_or_sentence(bytes(content))


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_damaged_ncnn_files_raise_only_the_backends_error(data: st.DataObject) -> None:
    """The same for both files of an ncnn pair."""
    param, numbers = (bytearray(part) for part in files.ncnn(TINY, half=True))
    for part in (param, numbers):
        for place in data.draw(st.lists(st.integers(0, len(part) - 1), max_size=4)):
            part[place] = data.draw(st.one_of(st.integers(0, 255), st.sampled_from(b" \n=-,.e019")))
        del part[data.draw(st.one_of(st.just(len(part)), st.integers(0, len(part)))) :]
    try:
        layouts.weights_from(ncnn_file.read_pair(bytes(param), bytes(numbers)))
    except BackendError as error:
        assert_sentence(error)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=400), st.sampled_from([b"", b"PK\x03\x04", GOOD["legacy"][:15], b"\x80\x02", b"7767517\n"]))
def test_noise_raises_only_the_backends_error(noise: bytes, start: bytes) -> None:
    """Bytes without meaning behind the first bytes of any kind are refused."""
    _weights_or_sentence(start + noise)


def _weights_or_sentence(content: bytes) -> None:
    try:
        weights = weights_of(Path("model.pth"), content)
    except BackendError as error:
        assert_sentence(error)
    else:
        assert all(np.isfinite(array).all() for array in weights.tensors.values())
