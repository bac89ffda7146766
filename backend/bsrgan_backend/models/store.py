"""The folder of installed models: `ID.safetensors` with `ID.json` beside it, each written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import json
import os
import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from bsrgan_backend.errors import BackendError
from bsrgan_backend.models import catalog, facts, ncnn_file, reading, safetensors_file
from bsrgan_backend.models.facts import InstalledModel
from bsrgan_backend.models.layouts import refuse
from bsrgan_backend.models.weights import Weights

_LEFT_S = 24 * 3600.0
_MADE_UP = "model"
_FIRST_USE = "+first-use.json"  # '+' is in no id, so no model can have this name


class ModelStore:
    """Installed models below one folder (`ROOT/models`); safe to use from several processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, model_id: str) -> Path:
        """Where the weights of an id lie, installed or not; BackendError BAD_PARAM for what is no id."""
        return self.folder / f"{_checked(model_id)}.safetensors"

    def installed(self) -> list[InstalledModel]:
        """Every model with readable facts and its weights beside them, sorted by id."""
        return facts.installed(self.folder)

    def load(self, model_id: str) -> Weights:
        """The weights of an installed model, compared with the digest in its facts before they are used.

        Raises:
            BackendError: MODEL_MISSING when it is not installed, MODEL_HASH when the file is not the one that was
                installed, MODEL_LOAD when it cannot be read.
        """
        path = self.path(model_id)
        known = facts.read(self.folder, model_id)
        if known is None or not path.is_file():
            raise _missing(model_id)
        content = reading.contents(path)
        if len(content) != known.bytes or hashlib.sha256(content).hexdigest() != known.file_sha256:
            raise BackendError(
                "MODEL_HASH", f"The file of model '{model_id}' is damaged; {_again(model_id)}.", path.name
            )
        return reading.weights_of(path, content)

    def add(self, path: Path, model_id: str | None = None) -> InstalledModel:
        """Read a file of any supported kind and keep it as safetensors.

        Args:
            path: the file; it stays as it is.
            model_id: the name to give it; without one, the published model's own if the file is one, else the
                file's name.

        Raises:
            BackendError: MODEL_LOAD when it is no RRDBNet, BAD_PARAM for a name that is no id or another file's
                model, DISK_FULL.
        """
        content = reading.contents(path)
        numbers = reading.contents(ncnn_file.partner(path)) if reading.is_graph(content) else content
        sha256 = hashlib.sha256(numbers).hexdigest()
        entry = catalog.recognise(sha256)
        weights = reading.weights_of(path, content)
        name = model_id or (entry.id if entry else _name(path)) or self._made_up(sha256)
        self._refuse_taken(_checked(name), sha256)
        if entry is None or entry.id != name:
            entry = None
        # A name that is no text could be neither kept nor shown.
        return self.put(name, weights, sha256, entry, os.fsencode(path.name).decode("utf-8", "replace"))

    def _made_up(self, sha256: str) -> str:
        """A name for a file whose own gives none."""
        names = (_MADE_UP if number == 1 else f"{_MADE_UP}-{number}" for number in itertools.count(1))
        return next(name for name in names if not self._is_taken(name, sha256))

    def _is_taken(self, model_id: str, sha256: str) -> bool:
        """Whether a model of another file is installed under a name."""
        known = facts.read(self.folder, model_id)
        return known is not None and known.source_sha256 != sha256

    def _refuse_taken(self, model_id: str, sha256: str) -> None:
        if self._is_taken(model_id, sha256):
            raise BackendError(
                "BAD_PARAM",
                f"Another model is installed as '{model_id}'; rename the file, choose another name with --id, or "
                "remove that model first.",
            )

    def put(
        self, model_id: str, weights: Weights, source_sha256: str, entry: catalog.Entry | None, source: str
    ) -> InstalledModel:
        """Write weights and their facts; both or, when the disk is full, neither.

        Args:
            model_id: its name.
            weights: what to write.
            source_sha256: digest of the file that they were read from.
            entry: the published model that this is, or None.
            source: where it came from, for a model that is not published.

        Raises:
            BackendError: DISK_FULL, or MODEL_LOAD when the folder cannot be written.
        """
        content = safetensors_file.encode(weights)
        arch = weights.architecture
        made = InstalledModel(
            id=_checked(model_id),
            title=entry.title if entry else model_id,
            description=entry.description if entry else f"Added from {source}.",
            licence=entry.licence if entry else "unknown",
            credit=entry.credit if entry else "",
            source=entry.source_name if entry else source,
            scale=arch.scale,
            in_channels=arch.in_channels,
            out_channels=arch.out_channels,
            features=arch.features,
            blocks=arch.blocks,
            growth=arch.growth,
            unshuffle=arch.unshuffle,
            digest=weights.digest,
            file_sha256=hashlib.sha256(content).hexdigest(),
            source_sha256=source_sha256,
            bytes=len(content),
        )
        text = json.dumps(asdict(made), indent=2, ensure_ascii=False) + "\n"
        # Weights first: facts without their weights would be a model that cannot be loaded.
        self._write({self.path(model_id): content, self._json(model_id): text.encode()})
        return made

    def remove(self, model_id: str) -> None:
        """Delete a model; BackendError MODEL_MISSING when it is not installed."""
        found = [path for path in (self._json(model_id), self.path(model_id)) if path.exists()]
        if not found:
            raise BackendError(
                "MODEL_MISSING",
                f"The model {model_id} is not installed; 'gimp-bsrgan models list' shows what there is.",
            )
        try:
            for path in found:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise BackendError("MODEL_LOAD", f"Model '{model_id}' cannot be deleted ({error.strerror}).") from error

    def first_use(self, model_id: str) -> str:
        """The digest recorded at the first download of a model whose digest is not published; "" before that."""
        return self._first_uses().get(_checked(model_id), "")

    def record_first_use(self, model_id: str, source_sha256: str) -> None:
        """Hold later downloads of this model to the digest of the first; it outlives `remove`."""
        known = self._first_uses() | {_checked(model_id): source_sha256}
        self._write({self.folder / _FIRST_USE: json.dumps(known, indent=2).encode() + b"\n"})

    def _first_uses(self) -> dict[str, str]:
        value = facts.json_of(self.folder / _FIRST_USE)
        return {str(key): str(digest) for key, digest in value.items()}

    def _json(self, model_id: str) -> Path:
        return self.folder / f"{_checked(model_id)}.json"

    def _write(self, contents: Mapping[Path, bytes]) -> None:
        """Write files whole: each beside its place and on the disk first, then all of them renamed."""
        parts: list[tuple[Path, Path]] = []
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _sweep(self.folder)
            for path, content in contents.items():
                descriptor, part = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".part", dir=self.folder)
                parts.append((Path(part), path))
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            for part_path, path in parts:
                part_path.replace(path)
            _sync_folder(self.folder)
        except OSError as error:
            raise write_error(error) from error
        finally:
            for part_path, _ in parts:
                part_path.unlink(missing_ok=True)


def write_error(error: OSError) -> BackendError:
    """The backend's error for a failed write below the models folder."""
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG):
        return BackendError(
            "DISK_FULL", "The disk is too full for the model; free some space and try again.", str(error)
        )
    return refuse(f"The models folder cannot be written ({error.strerror}); check its permissions.", str(error))


def _sweep(folder: Path) -> None:
    """Delete what processes that were killed have left; a day is longer than any of them writes."""
    for path in folder.glob("*.part"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _LEFT_S:
                path.unlink()


def _sync_folder(folder: Path) -> None:
    """Make the renames survive a power cut, where the system lets folders be opened."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _checked(model_id: str) -> str:
    if not facts.MODEL_ID.fullmatch(model_id):
        raise BackendError(
            "BAD_PARAM",
            f"'{model_id[:64]}' is no model name; use up to 64 of a-z, 0-9, dot, dash and underscore, "
            "a letter or digit first.",
        )
    return model_id


def _name(path: Path) -> str:
    """An id made of a file's name; empty where nothing of it can be in one."""
    return re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).strip("._-")[:64]


def _missing(model_id: str) -> BackendError:
    return BackendError("MODEL_MISSING", f"Model '{model_id}' is not installed; {_again(model_id, 'get')}.")


def _again(model_id: str, verb: str = "get it again with") -> str:
    if catalog.find(model_id):
        return f"{'get it with' if verb == 'get' else verb} 'gimp-bsrgan models download {model_id}'"
    return "add its file with 'gimp-bsrgan models add' or choose another"
