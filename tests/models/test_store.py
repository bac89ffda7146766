"""The folder of installed models."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest

from bsrgan_backend.errors import BackendError
from bsrgan_backend.models import catalog, synthetic
from bsrgan_backend.models.reading import read_weights
from bsrgan_backend.models.store import ModelStore
from support import weight_files as files

TINY = synthetic.random_weights(synthetic.TINY, 21)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """An empty store below a folder that does not exist yet."""
    return ModelStore(tmp_path / "root" / "models")


@pytest.fixture
def pth(tmp_path: Path) -> Path:
    """A small .pth whose name is no id."""
    path = tmp_path / "My Net (v2).pth"
    path.write_bytes(files.torch_zip(files.renamed(TINY, "bsrgan")))
    return path


def code_of(call: object, *args: object) -> str:
    """The code of the error that a call raises."""
    with pytest.raises(BackendError) as caught:
        call(*args)  # type: ignore[operator]
    assert caught.value.text.endswith(".")
    return caught.value.code


def test_add_keeps_a_model_with_its_facts(store: ModelStore, pth: Path) -> None:
    """A file of another format becomes safetensors with everything that lists need beside it."""
    added = store.add(pth, "mine")
    assert added == store.installed()[0]
    assert store.load("mine").digest == TINY.digest
    facts = json.loads((store.folder / "mine.json").read_text("utf-8"))
    content = store.path("mine").read_bytes()
    assert facts["file_sha256"] == hashlib.sha256(content).hexdigest()
    assert facts["source_sha256"] == hashlib.sha256(pth.read_bytes()).hexdigest()
    assert (facts["scale"], facts["features"], facts["blocks"], facts["growth"]) == (4, 8, 1, 4)
    assert (facts["in_channels"], facts["out_channels"], facts["unshuffle"]) == (3, 3, 1)
    assert facts["bytes"] == len(content)
    assert facts["digest"] == TINY.digest
    assert pth.name in facts["description"]
    assert facts["licence"] == "unknown"


def test_installed_files_are_plain_safetensors(store: ModelStore, pth: Path) -> None:
    """What the store writes, any reader reads."""
    store.add(pth, "mine")
    assert read_weights(store.path("mine")).digest == TINY.digest


def test_names_come_from_the_file(store: ModelStore, pth: Path) -> None:
    """Without a name given, the file's own is made one."""
    assert store.add(pth).id == "my-net-v2"


def write_net(path: Path, seed: int) -> Path:
    """A small .pth with weights of their own."""
    path.write_bytes(files.torch_zip(files.renamed(synthetic.random_weights(synthetic.TINY, seed), "bsrgan")))
    return path


def test_made_up_names_are_numbered(store: ModelStore, tmp_path: Path) -> None:
    """A file whose name gives no id gets one that no other model has; the same file keeps its own."""
    nets = [write_net(tmp_path / name, seed) for seed, name in enumerate(["模型.pth", "动漫.pth", "写真.pth"])]
    assert [store.add(net).id for net in nets] == ["model", "model-2", "model-3"]
    assert [store.add(net).id for net in nets] == ["model", "model-2", "model-3"]
    assert len({model.digest for model in store.installed()}) == 3


@pytest.mark.parametrize("model_id", [None, "net"])
def test_another_model_is_not_replaced(store: ModelStore, tmp_path: Path, model_id: str | None) -> None:
    """A name that is taken by another file's model is refused, whether it was given or is the file's."""
    first = store.add(write_net(tmp_path / "net.pth", 1), model_id)
    assert store.add(tmp_path / "net.pth", model_id) == first
    other = write_net(tmp_path / "net.pth", 2)
    with pytest.raises(BackendError, match=r"'net'.*--id") as caught:
        store.add(other, model_id)
    assert caught.value.code == "BAD_PARAM"
    assert store.load("net").digest == first.digest
    assert store.add(other, "net-2").id == "net-2"
    store.remove("net")
    assert store.add(other, model_id).digest != first.digest


def test_a_published_model_is_not_replaced_by_a_file(store: ModelStore, pth: Path) -> None:
    """An own file does not take the name of an installed published model; fetching that one again does."""
    entry = catalog.ENTRIES[0]
    store.put(entry.id, synthetic.random_weights(synthetic.TINY, 3), "ab" * 32, entry, "x")
    assert code_of(store.add, pth, entry.id) == "BAD_PARAM"
    assert store.put(entry.id, TINY, "cd" * 32, entry, "x").digest == TINY.digest


@pytest.mark.skipif(os.name != "posix", reason="names are text elsewhere")
def test_file_names_that_are_no_text(store: ModelStore, tmp_path: Path) -> None:
    """A name in another encoding than the system's is installed, and can be shown wherever models are listed."""
    added = store.add(write_net(Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xe4d.pth")), 1))
    assert added.id == "b-d"
    assert store.installed() == [added]
    assert added.source.encode() == "b\N{REPLACEMENT CHARACTER}d.pth".encode()


def test_published_files_get_their_own_facts(store: ModelStore, pth: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that a user fetched by hand is known by its digest."""
    entry = catalog.ENTRIES[0]
    monkeypatch.setattr(catalog, "recognise", lambda sha256: entry if sha256 == digest else None)
    digest = hashlib.sha256(pth.read_bytes()).hexdigest()
    added = store.add(pth)
    assert (added.id, added.title, added.licence, added.credit) == (entry.id, entry.title, entry.licence, entry.credit)
    assert store.add(pth, "other").licence == "unknown"


def test_ncnn_pairs_are_added_by_either_file(store: ModelStore, tmp_path: Path) -> None:
    """Both files of a pair give the same model and the digest of its numbers."""
    param, numbers = files.ncnn(TINY, half=False)
    (tmp_path / "n.param").write_bytes(param)
    (tmp_path / "n.bin").write_bytes(numbers)
    first, second = store.add(tmp_path / "n.param"), store.add(tmp_path / "n.bin")
    assert (first.digest, first.id) == (second.digest, second.id)
    assert first.source_sha256 == second.source_sha256 == hashlib.sha256(numbers).hexdigest()


def test_remove(store: ModelStore, pth: Path) -> None:
    """A removed model is gone; removing it twice says so."""
    store.add(pth, "mine")
    store.remove("mine")
    assert store.installed() == []
    assert list(store.folder.iterdir()) == []
    assert code_of(store.remove, "mine") == "MODEL_MISSING"
    assert code_of(store.load, "mine") == "MODEL_MISSING"


@pytest.mark.parametrize("change", ["flip", "cut", "longer", "other"])
def test_changed_files_are_not_used(store: ModelStore, pth: Path, change: str) -> None:
    """A file that is not byte for byte the installed one is refused before it is read."""
    store.add(pth, "mine")
    path = store.path("mine")
    content = bytearray(path.read_bytes())
    if change == "flip":
        content[-5] ^= 1
    elif change == "cut":
        del content[-1]
    elif change == "longer":
        content += b"\0"
    else:
        store.put("mine2", synthetic.random_weights(synthetic.TINY, 22), "", None, "x")
        content = bytearray(store.path("mine2").read_bytes())
    path.write_bytes(content)
    assert code_of(store.load, "mine") == "MODEL_HASH"


@pytest.mark.parametrize("wrong", [{"scale": 10**30}, {"scale": 0}, {"scale": 1000}, {"bytes": 2**64}, {"blocks": -1}])
def test_facts_that_cannot_be_true_are_not_readable(store: ModelStore, pth: Path, wrong: dict[str, int]) -> None:
    """Numbers that no model has are a damaged file, and never reach those who ask for models."""
    store.add(pth, "mine")
    file = store.folder / "mine.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | wrong))
    assert store.installed() == []


@pytest.mark.parametrize("facts", [b"", b"{", b"[]", b"{}", b'{"id": "mine", "scale": "4"}', b"[" * 70000])
def test_damaged_facts_mean_not_installed(store: ModelStore, pth: Path, facts: bytes) -> None:
    """Facts that cannot be read hide one model, never the others, and nothing crashes."""
    store.add(pth, "mine")
    store.add(pth, "other")
    (store.folder / "mine.json").write_bytes(facts)
    assert [model.id for model in store.installed()] == ["other"]
    assert code_of(store.load, "mine") == "MODEL_MISSING"


def test_an_empty_root_has_no_models(store: ModelStore) -> None:
    """Before anything is installed there is no folder, and that is no error."""
    assert store.installed() == []
    assert code_of(store.load, "bsrgan-x4") == "MODEL_MISSING"


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "A", "x" * 65, "a b", "é", "-x", "a\n", "+first-use"])
def test_names_that_are_no_ids(store: ModelStore, pth: Path, name: str) -> None:
    """No name leads out of the folder or to a hidden file."""
    for call in (store.path, store.load, store.remove):
        assert code_of(call, name) == "BAD_PARAM"
    if name:
        assert code_of(store.add, pth, name) == "BAD_PARAM"


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_full_disk_leaves_nothing(
    store: ModelStore, pth: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    """When the disk fills up, the older model stays whole and no part remains."""
    before = store.add(pth, "mine")

    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    owner = os if function == "fsync" else Path
    monkeypatch.setattr(owner, function, full)
    with pytest.raises(BackendError) as caught:
        store.put("mine", synthetic.random_weights(synthetic.TINY, 5), "", None, "x")
    assert caught.value.code == "DISK_FULL"
    monkeypatch.undo()
    assert store.installed() == [before]
    assert store.load("mine").digest == TINY.digest
    assert sorted(path.name for path in store.folder.iterdir()) == ["mine.json", "mine.safetensors"]


def test_a_folder_that_cannot_be_written(pth: Path, tmp_path: Path) -> None:
    """A file where the folder should be is one sentence."""
    (tmp_path / "models").write_bytes(b"")
    assert code_of(ModelStore(tmp_path / "models").add, pth, "mine") == "MODEL_LOAD"


def test_first_use_outlives_the_model(store: ModelStore, pth: Path) -> None:
    """The digest of a first download stays known after the model is removed, and is no model itself."""
    assert store.first_use("bsrnet-x4") == ""
    store.record_first_use("bsrnet-x4", "ab" * 32)
    store.add(pth, "bsrnet-x4")
    store.remove("bsrnet-x4")
    assert store.first_use("bsrnet-x4") == "ab" * 32
    assert store.installed() == []


def test_leftovers_of_killed_processes_go(store: ModelStore, pth: Path) -> None:
    """Half a file that is older than a day is deleted by the next write; one that may be at work is left alone."""
    store.folder.mkdir(parents=True)
    old, fresh = store.folder / "a.safetensors.x1.part", store.folder / "b.safetensors.x2.part"
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    store.add(pth, "mine")
    assert not old.exists()
    assert fresh.exists()
