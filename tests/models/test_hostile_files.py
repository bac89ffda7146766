"""Weight files made to do harm, and damaged ones: nothing is executed, no memory is taken, and each is a sentence."""

from __future__ import annotations

import json
import pickle
import resource
import sys
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from bsrgan_backend.errors import BackendError
from bsrgan_backend.models import layouts, ncnn_file, synthetic, torch_file
from bsrgan_backend.models.reading import weights_of
from bsrgan_backend.models.weights import Architecture
from support import weight_files as files
from support.weight_reading import assert_sentence, read, refusal

TINY = synthetic.random_weights(synthetic.TINY, 11)
FORMATS = ("zip", "legacy", "safetensors")
WRITERS = {"zip": files.torch_zip, "legacy": files.torch_legacy, "safetensors": files.safetensors}


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
