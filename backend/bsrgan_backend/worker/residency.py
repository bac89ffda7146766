"""The one model in memory: chosen, loaded, kept for the next job, replaced when another one is asked for."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from bsrgan_backend.engine import devices, host, loading
from bsrgan_backend.engine.engine import Engine
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models import catalog, facts
from bsrgan_backend.models.store import ModelStore
from bsrgan_backend.preference import preferred_model

log = logging.getLogger(__name__)


@dataclass
class Resident:
    """A loaded model.

    Attributes:
        model: its id.
        engine: what runs it.
        seconds: that loading took.
        file_sha256: SHA-256 of its file as it was installed then.
        rate: units of the engine's progress per second, measured in the last job; 0 before there was one.
        loading_notes: how many of the engine's notes are about its loading; those after them are about single runs.
    """

    model: str
    engine: Engine
    seconds: float
    file_sha256: str = ""
    rate: float = field(default=0.0)
    loading_notes: int = field(init=False)

    def __post_init__(self) -> None:
        self.loading_notes = len(self.engine.notes)


class Residency:
    """Loads models for the thread that calls it, at most one at a time.

    Attributes:
        store: the installed models.
        default_model: id used for jobs that name none.
        resident: the model in memory, or None.
    """

    def __init__(
        self,
        root: Path,
        device: str,
        threads: int,
        default_model: str,
        spool: Path,
        precision: str = "auto",
        engine: str = "auto",
    ) -> None:
        """Prepare for loading.

        Args:
            root: the installation's folder.
            device: "auto", "cpu", "gpu" or "gpu:N"; one that is missing is refused when a model is to be loaded.
            threads: for the arithmetic; 0 for as many as the machine gives.
            default_model: id used for jobs that name none.
            spool: folder for features that do not fit into memory.
            precision: "auto", "exact" or "fast".
            engine: "auto", "paddle" or "torch".
        """
        self.store = ModelStore(root / "models")
        self.default_model = default_model
        self.resident: Resident | None = None
        self._root = root
        self._spool = spool
        self._wish = loading.Wish(device, engine, threads or host.usable_threads(), precision)

    def facts(self) -> dict[str, Any]:
        """The fields of the `ready` message; what is known only once a model is loaded is a guess, or empty, before."""
        loaded = self.resident.engine.facts if self.resident else None
        expected = devices.expected(self._wish.device, self._wish.library)
        return {
            "device": loaded.device if loaded else expected,
            "device_name": loaded.device_name if loaded else host.processor_name() if expected == "cpu" else "",
            "engine": loaded.engine if loaded else "",
            "paddle": _version("paddlepaddle-gpu") or _version("paddlepaddle"),
            "threads": self._wish.threads,
        }

    def warm_up(self) -> None:
        """Import the runtime now, while nobody waits; a failure is told to the first job, which meets it again."""
        try:
            loading.warm_up(self._wish)
        except BackendError as error:
            log.warning("%s", error)

    def choose(self, asked: str, factor: float) -> tuple[str, list[str]]:
        """The model for a job, and what to tell about the choice.

        Args:
            asked: id, or empty for the one that suits: the default, or its sibling for the factor. When the default
                is not installed, the first installed one in the catalog's order takes its place, then any other.
            factor: the larger of height and width of the result over those of the picture.

        Raises:
            BackendError: MODEL_MISSING when nothing is installed.
        """
        if asked:
            return asked, []
        installed = [model.id for model in self.store.installed()]
        if self.default_model in installed:
            return preferred_model(installed, self.default_model, factor), []
        order = [entry.id for entry in catalog.ENTRIES]
        chosen = next((model for model in [*order, *installed] if model in installed), None)
        if chosen is None:
            raise BackendError(
                "MODEL_MISSING", "No model is installed; get one with 'gimp-bsrgan models download'.", "empty store"
            )
        return chosen, [f"The model {self.default_model} is not installed; {chosen} was used."]

    def holds(self, model: str) -> bool:
        """Whether the model in memory is this one, and its file was not replaced by another since."""
        resident = self.resident
        if resident is None or resident.model != model:
            return False
        return facts.file_of(self.store.folder, model) in ("", resident.file_sha256)

    def load(self, model: str) -> tuple[Resident, bool]:
        """The model ready to run, and whether it had to be loaded for that.

        Raises:
            BackendError: MODEL_MISSING, MODEL_HASH, MODEL_LOAD, DEVICE, HOST_OOM or DISK_FULL.
        """
        if self.resident is not None and self.holds(model):
            return self.resident, False
        # Read before the weights: one that is replaced between the two is then loaded once more, and not kept.
        file_sha256 = facts.file_of(self.store.folder, model)
        weights = self.store.load(model)
        # The old one goes first: two in memory could be one too many.
        self.resident = None
        started = time.monotonic()
        engine = loading.load(weights, self._root / "cache", self._wish, self._spool)
        self.resident = Resident(model, engine, time.monotonic() - started, file_sha256)
        log.info("model %s ready after %.2f s on %s", model, self.resident.seconds, engine.facts.engine)
        return self.resident, True


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
