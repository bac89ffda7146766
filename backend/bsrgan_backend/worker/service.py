"""The worker's threads: one reads the line, one shows that it lives, and the first one owns the engine."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from bsrgan_backend.engine import loading, trials
from bsrgan_backend.engine.arithmetic import DeviceLost
from bsrgan_backend.errors import BackendError
from bsrgan_backend.link import Link, LinkClosed
from bsrgan_backend.worker import tasks
from bsrgan_backend.worker.inbox import WARM_UP, Inbox, Run
from bsrgan_backend.worker.reports import Heartbeat, Outbox, Progress, finishing
from bsrgan_backend.worker.residency import Residency, Resident
from bsrgan_backend.worker.work import Cancelled, Finished, ShouldStop, Work
from bsrgan_wire.errors import CODES

log = logging.getLogger(__name__)

_NOTES, _NOTE_CHARS = 16, 512
"""What the wire takes."""


def leave() -> NoReturn:
    """End the process at once, from any thread, also while the engine is inside a kernel.

    No interpreter shutdown: the runtime's threads may be anywhere, and there is nothing to save. But an engine that
    is being tried must not look as if it had crashed.
    """
    trials.abandon()
    os._exit(0)


class Service:
    """Answers the supervisor until the line closes or it says stop or unload.

    Every `run` gets exactly one of done, failed and cancelled. One is at work at a time; an urgent one is let pass by
    another whenever that one asks whether it is to stop.

    Attributes:
        residency: the model in memory.
    """

    def __init__(
        self,
        link: Link,
        residency: Residency,
        defaults: Mapping[str, Any] = MappingProxyType({}),
        scratch: Path | None = None,
    ) -> None:
        """Prepare; `serve` does the work.

        Args:
            link: the line to the supervisor.
            residency: loads models.
            defaults: options for jobs with a model that do not name them.
            scratch: folder for intermediate data that are large; None to keep them in memory.
        """
        self.residency = residency
        self._defaults = defaults
        self._scratch = scratch
        self._link = link
        self._outbox = Outbox(link, closed=leave)
        self._heartbeat = Heartbeat(self._outbox)
        self._inbox = Inbox()
        self._lock = threading.Lock()  # protects _runs and the runs' states
        self._runs: dict[str, Run] = {}
        self._device_is_lost = False

    def serve(self) -> None:
        """Say ready, then do jobs one after the other; returns on `unload`, and when the device is lost."""
        self._outbox.send({"t": "ready", **self.residency.facts()})
        threading.Thread(target=self._listen, name="link", daemon=True).start()
        while (run := self._inbox.get()) is not None:
            if run is WARM_UP:
                self.residency.warm_up()
            else:
                self._perform(run)
            if self._device_is_lost:
                log.warning("the device is lost; another process is needed to use it again")
                return

    def _perform(self, run: Run) -> None:
        answer = self._outcome(run)
        for descriptor in run.files:
            os.close(descriptor)
        self._answer(run, answer)
        if answer["t"] == "done":
            # Said last: a client waits for the answer, and nobody for the log.
            log.info("job done in %.3f s, engine %.3f s", answer["seconds"], answer["engine_seconds"])

    def _listen(self) -> None:
        try:
            while True:
                for message, files in self._link.receive():
                    self._dispatch(message, files)
        except LinkClosed:
            leave()

    def _dispatch(self, message: dict[str, Any], files: list[int]) -> None:
        kind = message.get("t")
        if kind == "run":
            run = Run(message, files)
            with self._lock:
                self._runs[run.job] = run
            self._heartbeat.begin()
            self._inbox.put(run)
        elif kind == "cancel":
            self._cancel(str(message.get("job", "")))
        elif kind == "warm":
            self._inbox.put(WARM_UP)
        elif kind == "unload":
            self._inbox.put(None)
        elif kind == "stop":
            leave()
        else:
            log.warning("unknown message from the supervisor")

    def _cancel(self, job: str) -> None:
        with self._lock:
            run = self._runs.get(job)
            if run is None:
                return
            run.cancelled.set()
            is_waiting = not run.in_engine or run.is_paused
        if is_waiting:
            # Loading a model cannot be interrupted, but need not be waited for, and the next job will want it. Nor
            # need a preview that is let pass.
            self._answer(run, {"t": "cancelled", "job": job})

    def _answer(self, run: Run, message: dict[str, Any]) -> None:
        """Send a run's only answer; a second one is dropped."""
        with self._lock:
            if run.answered:
                return
            run.answered = True
            self._runs.pop(run.job, None)
        self._heartbeat.end()
        self._outbox.send(*([finishing(run.job)] if message["t"] == "done" else []), message)

    def _outcome(self, run: Run) -> dict[str, Any]:
        """Do a job and say how it ended. The boundary of the worker: nothing unexpected gets past it."""
        try:
            return self._done(run)
        except Cancelled:
            return {"t": "cancelled", "job": run.job}
        except BackendError as error:
            log.info("job failed: %s", error)
            self._device_is_lost |= isinstance(error, DeviceLost)
            return _failed(run.job, error.code, error.text, error.detail)
        except MemoryError:
            log.exception("job ran out of memory")
            return _failed(run.job, "HOST_OOM", CODES["HOST_OOM"].text)
        except Exception as error:
            log.exception("job failed unexpectedly")
            return _failed(run.job, "INTERNAL", CODES["INTERNAL"].text, type(error).__name__)

    def _done(self, run: Run) -> dict[str, Any]:
        started = time.monotonic()
        task = tasks.find(run.task)
        order = task.read(self._with_defaults(run.message) if task.needs_model else run.message)
        source, target = run.files
        progress = Progress(run.job, self._outbox.send)
        resident, notes = self._load(run, task.factor(order), progress) if task.needs_model else (None, [])
        said = len(resident.engine.notes) if resident else 0
        with self._lock:
            run.in_engine = True
        should_stop = run.cancelled.is_set if run.is_urgent else self._yielding(run, progress)
        finished = task.run(order, Work(source, target, progress, should_stop, resident, self._scratch))
        seconds = time.monotonic() - started - run.paused_s
        engine_seconds = max(0.0, finished.engine_seconds - run.paused_s)
        if resident:
            engine_notes = resident.engine.notes
            notes = [*notes, *engine_notes[: resident.loading_notes], *engine_notes[said:]]
        message = _done(run.job, resident.model if resident else "", finished, notes)
        return message | {"seconds": round(seconds, 4), "engine_seconds": round(engine_seconds, 4)}

    def _with_defaults(self, message: dict[str, Any]) -> dict[str, Any]:
        return {**message, "params": {**self._defaults, **(message.get("params") or {})}}

    def _yielding(self, run: Run, progress: Progress) -> ShouldStop:
        """What a long job asks between pieces of its work: urgent ones are done inside the question."""

        def should_stop() -> bool:
            while not run.cancelled.is_set() and (urgent := self._inbox.take(self._may_pass)) is not None:
                started = time.monotonic()
                self._pause(run)
                self._perform(urgent)
                with self._lock:
                    run.is_paused = False
                spent = time.monotonic() - started
                run.paused_s += spent
                progress.skip(spent)
            return run.cancelled.is_set()

        return should_stop

    def _pause(self, run: Run) -> None:
        with self._lock:
            run.is_paused = True
            is_cancelled = run.cancelled.is_set()
        if is_cancelled:  # just before it was paused, so that nobody else answers
            self._answer(run, {"t": "cancelled", "job": run.job})

    def _may_pass(self, run: Run) -> bool:
        """Whether a run can be done inside another: it is urgent, and the loaded model stays."""
        if not run.is_urgent or self.residency.resident is None:
            return run.is_urgent
        try:
            task = tasks.find(run.task)
            asked = str(run.message.get("model", ""))
            return self.residency.holds(self.residency.choose(asked, task.factor(task.read(run.message)))[0])
        except BackendError:
            return True  # it fails at once, and changes nothing

    def _load(self, run: Run, factor: float, progress: Progress) -> tuple[Resident, list[str]]:
        _unless_cancelled(run)
        model, notes = self.residency.choose(str(run.message.get("model", "")), factor)
        if not self.residency.holds(model):
            progress.phase("loading")
        resident, is_new = self.residency.load(model)
        if is_new:
            facts = resident.engine.facts
            self._outbox.send(
                {
                    "t": "loaded",
                    "job": run.job,
                    "model": model,
                    "file": resident.file_sha256,
                    "device": facts.device,
                    "device_name": facts.device_name,
                    "cards": loading.cards(facts),
                    "engine": facts.engine,
                    "paddle": facts.engine_version.removeprefix("Paddle "),
                    "precision": facts.precision,
                    "seconds": round(resident.seconds, 3),
                    "notes": list(resident.engine.notes),
                }
            )
        _unless_cancelled(run)
        return resident, notes


def _unless_cancelled(run: Run) -> None:
    if run.cancelled.is_set():
        raise Cancelled


def _done(job: str, model: str, finished: Finished, notes: list[str]) -> dict[str, Any]:
    message = {
        "t": "done",
        "job": job,
        "model": model,
        "total": finished.total,
        "notes": [note[:_NOTE_CHARS] for note in (*notes, *finished.notes)][:_NOTES],
    }
    if finished.size is not None:
        message |= {"height": finished.size[0], "width": finished.size[1]}
    return message | {"recipe": finished.recipe} if finished.recipe else message


def _failed(job: str, code: str, text: str, detail: str = "") -> dict[str, Any]:
    return {"t": "failed", "job": job, "code": code, "text": text, "detail": detail}
