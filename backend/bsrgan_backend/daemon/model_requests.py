"""What clients ask about models: the list, and transfers of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from bsrgan_backend.daemon.model_list import models
from bsrgan_backend.daemon.model_transfers import ModelTransfers
from bsrgan_backend.daemon.sessions import Session, Sessions
from bsrgan_backend.errors import BackendError
from bsrgan_backend.models import catalog
from bsrgan_wire.codec import Envelope
from bsrgan_wire.messages import ModelAdd, ModelGet, Models, ModelsReport, ModelStop

Handler = Callable[[Session, object, Envelope], None]


class ModelDesk:
    """Answers each of these questions with MODELS_REPORT; any client may follow or end the transfer of another."""

    def __init__(self, sessions: Sessions, root: Path, default: str, transfers: ModelTransfers) -> None:
        self._sessions = sessions
        self._root = root
        self._default = default
        self._transfers = transfers

    def handlers(self) -> dict[type, Handler]:
        """The methods by kind of message; they raise BackendError for what is refused."""
        return dict.fromkeys((Models, ModelGet, ModelAdd, ModelStop), self._answer)

    def _answer(self, session: Session, message: object, envelope: Envelope) -> None:
        if isinstance(message, ModelGet):
            self._get(message.model)
        elif isinstance(message, ModelAdd):
            self._add(message.path)
        elif isinstance(message, ModelStop):
            self._transfers.stop()
        self._sessions.post(session, self._report(), envelope.seq)

    def _get(self, name: str) -> None:
        if catalog.find(name) is None:
            raise BackendError("BAD_PARAM", f"No model {name} is published; choose one of the list.")
        self._transfers.start("get", name, name)

    def _add(self, path: str) -> None:
        if "\0" in path or not Path(path).is_absolute():
            raise BackendError("BAD_PARAM", "The file of a model is named by its whole path; choose it again.")
        self._transfers.start("add", path, Path(path).name)

    def _report(self) -> ModelsReport:
        packed = tuple(model.packed() for model in models(self._root, self._default))
        return ModelsReport(packed, **asdict(self._transfers.latest))
