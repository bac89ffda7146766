"""What the dialog says about the daemon, and the thread that asks it. Without gi."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bsrgan_plugin import connection, outcomes
from bsrgan_plugin.translation import _
from bsrgan_wire.model_facts import ModelFacts

ASK_INTERVAL_S = 2.0


@dataclass(frozen=True)
class DaemonState:
    """The daemon in one line.

    Attributes:
        text: one sentence for the user.
        is_waiting: something is under way that will end by itself.
        is_problem: the filter would fail now.
        models: ids of the installed models.
        default_model: the id that an empty `model` means; empty when unknown.
        facts: what is known of the models, and of published ones that are not installed.
        is_known: the daemon has told its models, even if there are none.
    """

    text: str
    is_waiting: bool = False
    is_problem: bool = False
    models: tuple[str, ...] = ()
    default_model: str = ""
    facts: tuple[ModelFacts, ...] = ()
    is_known: bool = False


def connecting() -> DaemonState:
    """Nobody has answered yet."""
    return DaemonState(_("Looking for the daemon…"), is_waiting=True)


def starting() -> DaemonState:
    """No daemon was running."""
    return DaemonState(_("The daemon is starting…"), is_waiting=True)


def failing(error: BaseException) -> DaemonState:
    """The daemon cannot be asked."""
    return DaemonState(outcomes.of_error(error).text, is_problem=True)


def of_report(report: Mapping[str, Any], *, needs_model: bool = True, own_jobs: int = 0) -> DaemonState:
    """The state in words.

    Args:
        report: what STATUS_REPORT holds; keys that are missing are left out of the sentence.
        needs_model: whether the filter is of no use without one.
        own_jobs: how many of the daemon's jobs are the dialog's own.
    """
    models = tuple(str(name) for name in report.get("models") or ())
    default = str(report.get("default_model") or "")
    if not models and needs_model:
        text = _("No model is installed: get one with “More models…”, or with 'gimp-bsrgan models download'.")
        return DaemonState(text, is_problem=True, default_model=default, is_known=True)
    parts = [_("The daemon is ready")]
    if device := str(report.get("device_name") or ""):
        parts.append(device)
    if loaded := str(report.get("model") or ""):
        parts.append(_("{model} is loaded").format(model=loaded))
    if waiting := _jobs(report, own_jobs):
        parts.append(waiting)
    return DaemonState(" · ".join(parts), models=models, default_model=default, is_known=True)


def _jobs(report: Mapping[str, Any], own: int) -> str:
    count = sum(value for key in ("queue", "running") if isinstance(value := report.get(key), int)) - own
    if count < 1:
        return ""
    return _("one job before yours") if count == 1 else _("{count} jobs before yours").format(count=count)


class Watch:
    """Asks the daemon for its state again and again, in a thread of its own, starting it when none runs."""

    def __init__(
        self,
        endpoint: str,
        tell: Callable[[DaemonState], None],
        *,
        needs_model: bool = True,
        own_jobs: Callable[[], int] = lambda: 0,
    ) -> None:
        """Prepare the watch; `start` begins it.

        Args:
            endpoint: as in the procedure.
            tell: called in the thread with every new state.
            needs_model: as for `of_report`.
            own_jobs: called in the thread; as for `of_report`.
        """
        self._endpoint = endpoint
        self._tell = tell
        self._needs_model = needs_model
        self._own_jobs = own_jobs
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="daemon-state", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; `tell` is not called afterwards."""
        self._stopped.set()
        self._thread.join(connection.CONNECT_TIMEOUT_S)

    def _watch(self) -> None:
        while not self._stopped.is_set():
            try:
                self._follow()
            except outcomes.Cancelled:
                return
            except Exception as error:  # noqa: BLE001 - the thread's boundary: any failure becomes a line of text
                self._say(failing(error))
            self._stopped.wait(ASK_INTERVAL_S)

    def _follow(self) -> None:
        with connection.open_client(
            self._endpoint, idle=self._check, on_starting=lambda: self._say(starting())
        ) as client:
            known: tuple[tuple[str, ...], str] | None = None
            facts: tuple[ModelFacts, ...] = ()
            while not self._stopped.is_set():
                report, own = client.status(), self._own_jobs()
                state = of_report(report, needs_model=self._needs_model, own_jobs=own)
                if known != (state.models, state.default_model) and client.tells_models():
                    known, facts = (state.models, state.default_model), ModelFacts.read_all(client.models().models)
                self._say(replace(state, facts=facts))
                self._stopped.wait(ASK_INTERVAL_S)

    def _check(self) -> None:
        if self._stopped.is_set():
            raise outcomes.Cancelled

    def _say(self, state: DaemonState) -> None:
        if not self._stopped.is_set():
            self._tell(state)
