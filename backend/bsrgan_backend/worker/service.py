"""The worker's threads: one reads the line, one shows that it lives, and the first one owns the engine."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from dataclasses import dataclass, field
from typing import Any, NoReturn

from bsrgan_backend.engine import trials
from bsrgan_backend.errors import BackendError
from bsrgan_backend.link import Link, LinkClosed
from bsrgan_backend.worker import tasks
from bsrgan_backend.worker.reports import Heartbeat, Outbox, Progress
from bsrgan_backend.worker.residency import Residency, Resident
from bsrgan_backend.worker.work import Cancelled, Finished, Work
from bsrgan_wire.errors import CODES

log = logging.getLogger(__name__)

_NOTES, _NOTE_CHARS = 16, 512
"""What the wire takes."""


@dataclass
class _Run:
    """A `run` message between the thread that reads and the one that works; fields below are the service's lock's."""

    message: dict[str, Any]
    files: list[int]
    cancelled: threading.Event = field(default_factory=threading.Event)
    in_engine: bool = False
    answered: bool = False

    @property
    def job(self) -> str:
        return str(self.message.get("job", ""))


_WARM_UP = _Run({}, [])
"""Stands in the inbox for the wish to import the runtime now."""


def leave() -> NoReturn:
    """End the process at once, from any thread, also while the engine is inside a kernel.

    No interpreter shutdown: the runtime's threads may be anywhere, and there is nothing to save. But an engine that
    is being tried must not look as if it had crashed.
    """
    trials.abandon()
    os._exit(0)


class Service:
    """Answers the supervisor until the line closes or it says stop or unload.

    Every `run` gets exactly one of done, failed and cancelled.

    Attributes:
        residency: the model in memory.
    """

    def __init__(self, link: Link, residency: Residency) -> None:
        self.residency = residency
        self._link = link
        self._outbox = Outbox(link, closed=leave)
        self._heartbeat = Heartbeat(self._outbox)
        self._inbox: queue.SimpleQueue[_Run | None] = queue.SimpleQueue()
        self._lock = threading.Lock()  # protects _runs and the runs' states
        self._runs: dict[str, _Run] = {}

    def serve(self) -> None:
        """Say ready, then do jobs one after the other; returns when the model is to be unloaded."""
        self._outbox.send({"t": "ready", **self.residency.facts()})
        threading.Thread(target=self._listen, name="link", daemon=True).start()
        while (run := self._inbox.get()) is not None:
            if run is _WARM_UP:
                self.residency.warm_up()
                continue
            answer = self._outcome(run)
            for descriptor in run.files:
                os.close(descriptor)
            self._answer(run, answer)

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
            run = _Run(message, files)
            with self._lock:
                self._runs[run.job] = run
            self._heartbeat.begin()
            self._inbox.put(run)
        elif kind == "cancel":
            self._cancel(str(message.get("job", "")))
        elif kind == "warm":
            self._inbox.put(_WARM_UP)
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
            is_waiting = not run.in_engine
        if is_waiting:
            # Loading a model cannot be interrupted, but need not be waited for, and the next job will want it.
            self._answer(run, {"t": "cancelled", "job": job})

    def _answer(self, run: _Run, message: dict[str, Any]) -> None:
        """Send a run's only answer; a second one is dropped."""
        with self._lock:
            if run.answered:
                return
            run.answered = True
            self._runs.pop(run.job, None)
        self._heartbeat.end()
        self._outbox.send(message)

    def _outcome(self, run: _Run) -> dict[str, Any]:
        """Do a job and say how it ended. The boundary of the worker: nothing unexpected gets past it."""
        try:
            return self._done(run)
        except Cancelled:
            return {"t": "cancelled", "job": run.job}
        except BackendError as error:
            log.info("job failed: %s", error)
            return _failed(run.job, error.code, error.text, error.detail)
        except MemoryError:
            log.exception("job ran out of memory")
            return _failed(run.job, "HOST_OOM", CODES["HOST_OOM"].text)
        except Exception as error:
            log.exception("job failed unexpectedly")
            return _failed(run.job, "INTERNAL", CODES["INTERNAL"].text, type(error).__name__)

    def _done(self, run: _Run) -> dict[str, Any]:
        started = time.monotonic()
        task = tasks.find(str(run.message.get("task", "")))
        order = task.read(run.message)
        source, target = run.files
        progress = Progress(run.job, self._outbox.send)
        resident, notes = (
            self._load(str(run.message.get("model", "")), run, progress) if task.needs_model else (None, [])
        )
        with self._lock:
            run.in_engine = True
        finished = task.run(order, Work(source, target, progress, run.cancelled.is_set, resident))
        progress.phase("finishing")
        seconds = time.monotonic() - started
        log.info("job done in %.3f s, engine %.3f s", seconds, finished.engine_seconds)
        engine_notes = resident.engine.notes if resident else ()
        return _done(run.job, resident.model if resident else "", finished, seconds, (*notes, *engine_notes))

    def _load(self, asked: str, run: _Run, progress: Progress) -> tuple[Resident, list[str]]:
        _unless_cancelled(run)
        model, notes = self.residency.choose(asked)
        if self.residency.resident is None or self.residency.resident.model != model:
            progress.phase("loading")
        resident, is_new = self.residency.load(model)
        if is_new:
            facts = resident.engine.facts
            self._outbox.send(
                {
                    "t": "loaded",
                    "model": model,
                    "engine": facts.engine,
                    "precision": facts.precision,
                    "seconds": round(resident.seconds, 3),
                    "notes": list(resident.engine.notes),
                }
            )
        _unless_cancelled(run)
        return resident, notes


def _unless_cancelled(run: _Run) -> None:
    if run.cancelled.is_set():
        raise Cancelled


def _done(job: str, model: str, finished: Finished, seconds: float, notes: tuple[str, ...]) -> dict[str, Any]:
    message = {
        "t": "done",
        "job": job,
        "model": model,
        "total": finished.total,
        "seconds": round(seconds, 4),
        "engine_seconds": round(finished.engine_seconds, 4),
        "notes": [note[:_NOTE_CHARS] for note in (*notes, *finished.notes)][:_NOTES],
    }
    if finished.size is not None:
        message |= {"height": finished.size[0], "width": finished.size[1]}
    return message | {"recipe": finished.recipe} if finished.recipe else message


def _failed(job: str, code: str, text: str, detail: str = "") -> dict[str, Any]:
    return {"t": "failed", "job": job, "code": code, "text": text, "detail": detail}
