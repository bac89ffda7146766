"""The queue meets the worker: starting, running, cancelling, watching, replacing and unloading it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from bsrgan_backend.daemon import answers, intake
from bsrgan_backend.daemon.crashes import Crashes
from bsrgan_backend.daemon.jobs import Job
from bsrgan_backend.daemon.ledger import Ledger
from bsrgan_backend.daemon.logs import log
from bsrgan_backend.daemon.workers import Worker, WorkerFacts, WorkerStarter
from bsrgan_backend.errors import BackendError
from bsrgan_backend.link import LinkClosed, LinkFull
from bsrgan_backend.models import facts
from bsrgan_backend.settings import Settings
from bsrgan_wire import limits
from bsrgan_wire.tasks import TASKS

START_S = 180.0
"""Paddle's import takes seconds, on a busy machine with a cold disk much longer."""
LEAVE_S = 10.0
_UNREAD = "does not read"
LARGE_BYTES = 2 * 10**9
LARGE_KEEP_ALIVE_S = 60.0
"""An idle worker that holds more stays for this time only, unless somebody has set another: a new one takes seconds."""


class Dispatcher:
    """Owns one worker.

    Attributes:
        lane: the card that it keeps to; empty for the first one, which goes from device to device.
        worker: the living one, or None.
        facts: of the latest worker.
        crashes: workers that were lost because they died or hung, and what they worked on.
        is_closing: no worker is started any more.
    """

    lane = ""

    def __init__(self, ledger: Ledger, settings: Settings, starter: WorkerStarter, clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._settings = settings
        self._starter = starter
        self._clock = clock
        self.worker: Worker | None = None
        self.facts = WorkerFacts()
        self.crashes = Crashes(clock)
        self.is_closing = False
        self._auto_device = ""
        self._replacement = ""
        self._idle_since = 0.0
        self._dying: list[Worker] = []

    # --- what others ask of it ---------------------------------------------------------------------------------

    def wanted_device(self, device: str) -> str:
        """What a job that asks for `device` runs on: "auto" means the setting."""
        return self._settings.device if device == "auto" else device

    def cancel(self, job: Job, why: str = "CANCELLED", text: str = "") -> None:
        """Stop a job that has not ended; a running one has `cancel_grace_s` before its worker is killed.

        Args:
            job: the job.
            why: the code that its client is told, unless an earlier cancel is under way.
            text: the user's sentence, the code's own when empty.
        """
        if job.cancel_by is None:
            job.cancel_code, job.cancel_text = why, text
        if job.state != "running":
            self._ledger.change(job, "cancelled", job.cancel_code, job.cancel_text)
        elif job.cancel_by is None:
            job.cancel_by = self._clock() + self._settings.cancel_grace_s
            self._send({"t": "cancel", "job": job.id})

    def wake(self) -> None:
        """Start a worker or a job if there is something to do; call it after every change."""
        queue = self.queue()
        device = (self.lane or queue[0].device) if queue else self._expected_device() or self._replacement
        if self.worker is None and device:
            self._replacement = ""
            self._start(device)
            return
        if self.worker is None:
            return
        if self.worker.state == "ready" and queue:
            self._start_next(self.worker, queue[0])
        self._ledger.update_positions()

    def queue(self) -> list[Job]:
        """Jobs that wait for its worker, in order."""
        return self._ledger.jobs.queue()

    def running(self) -> list[Job]:
        """Jobs of its worker: a long one, and last an urgent one, which is at work first when both are there."""
        return [job for job in self._ledger.jobs.running() if job.lane == self.lane]

    def _start_next(self, worker: Worker, job: Job) -> None:
        running = self.running()
        if running:
            if self._may_join(worker, job, running):
                self._run(worker, job)
        elif self._fits(worker, job):
            self._run(worker, job)
        else:
            self._unload(worker)

    def _may_join(self, worker: Worker, job: Job, running: list[Job]) -> bool:
        """Whether the worker can do a job inside the one that is at work: one urgent one, and no other model."""
        if not job.is_urgent or any(other.is_urgent for other in running) or not self._is_on(worker, job.device):
            return False
        model = running[0].model or worker.facts.model
        return not model or (job.model in ("", model) and self._is_as_installed(worker))

    def _expected_device(self) -> str:
        """The device of a job that is still on its way, so that the worker starts while the pixels arrive."""
        return next((job.device for job in self._ledger.jobs if job.state == "uploading"), "")

    def _fits(self, worker: Worker, job: Job) -> bool:
        """Whether the worker can take the job: the right device, and no other model in its memory.

        Paddle gives no memory of a model back (backend/DESIGN.md), so another model gets another process.
        """
        loaded = worker.facts.model
        # A job that names no model leaves the choice to the worker.
        fits = not loaded or (job.model in ("", loaded) and self._is_as_installed(worker))
        return self._is_on(worker, job.device) and fits

    def _is_as_installed(self, worker: Worker) -> bool:
        """Whether the file of the worker's model is still the installed one; a model that was removed stays in use."""
        loaded = worker.facts
        return not loaded.model_file or (
            facts.file_of(self._starter.root / "models", loaded.model) in ("", loaded.model_file)
        )

    def _is_on(self, worker: Worker, device: str) -> bool:
        if "/" in worker.device + device:  # a library was asked for by name
            return worker.device == device
        if device in (worker.device, worker.facts.device):
            return True
        if device == "gpu":
            return worker.facts.device.startswith("gpu")
        return device == "auto" and bool(self._auto_device) and worker.facts.device == self._auto_device

    # --- the worker's life -------------------------------------------------------------------------------------

    def _start(self, device: str) -> None:
        if self.is_closing:
            return
        try:
            self.crashes.refuse_if_broken()
            self.worker = self._starter.start(device, self._clock())
        except BackendError as error:
            self._fail_waiting(error)
        except OSError as error:
            log.error("the worker cannot be started: %s", error)
            self._fail_waiting(BackendError("WORKER_CRASHED", "The worker process could not be started; see the log."))
        else:
            log.info("worker %d started for %s", self.worker.pid, device)

    def _fail_waiting(self, error: BackendError, device: str = "") -> None:
        for job in self._ledger.jobs:
            if job.state in ("queued", "uploading") and device in ("", job.device):
                self._ledger.change(job, "failed", error.code, error.text)

    def _run(self, worker: Worker, job: Job) -> None:
        submit = job.submit
        order = {
            "t": "run",
            "job": job.id,
            "task": submit.task,
            "width": submit.width,
            "height": submit.height,
            "channels": submit.channels,
            "dtype": submit.dtype,
            "out_width": submit.out_width,
            "out_height": submit.out_height,
            "model": job.model,
            "params": submit.params,
        }
        assert job.input is not None
        assert job.output is not None
        worker.heard = self._clock()
        try:
            worker.run(order, (job.input, job.output))
        except LinkClosed as error:
            # It died while it was idle: the job is not to blame and stays queued for the next worker.
            self._lose_line(error)
            return
        job.lane = self.lane
        self._ledger.change(job, "running")

    def _unload(self, worker: Worker) -> None:
        log.info("worker %d unloads", worker.pid)
        worker.state = "leaving"
        worker.heard = self._clock()
        self._send({"t": "unload"})

    def _send(self, message: dict[str, Any]) -> None:
        if self.worker is None:
            return
        try:
            self.worker.link.send(message)
        except LinkClosed as error:
            self._lose_line(error)

    def _lose_line(self, error: LinkClosed) -> None:
        self._lost(_UNREAD if isinstance(error, LinkFull) else str(error))

    def _lost(self, why: str) -> None:
        """The worker is gone or must go: its job ends, and the next one gets another worker."""
        worker, self.worker = self.worker, None
        if worker is None:
            return
        worker.kill()
        self._dying.append(worker)
        self.facts.rss_bytes, self.facts.model = 0, ""
        running = self.running()
        if worker.state == "leaving" and not running:
            log.info("worker %d has left", worker.pid)
            return
        failed = [job for job in running if job.cancel_by is None]
        for job in running:
            if job.cancel_by is not None:
                self._ledger.change(job, "cancelled", job.cancel_code, job.cancel_text)
        if running and not failed:
            log.warning("worker %d replaced after a cancel", worker.pid)
            # It worked, and its import takes seconds: have another ready before the next job comes.
            self._replacement = worker.device
            return
        log.warning("worker %d lost: %s; it printed: %s", worker.pid, why, self._starter.last_words())
        self.crashes.note()
        self._in_trouble("its worker stopped unexpectedly.")
        code = "TIMEOUT" if why in ("silent", _UNREAD) else "WORKER_CRASHED"
        for job in failed:
            # The last one was at work; one that had let it pass is lost too, but not to blame.
            is_to_blame = job is running[-1] and why != _UNREAD
            is_poisoned = is_to_blame and self.crashes.blame(job)
            self._ledger.change(job, "failed", "POISONED_INPUT" if is_poisoned else code)

    # --- what the worker says ----------------------------------------------------------------------------------

    def on_readable(self) -> None:
        """Read from the worker, and send it what waits."""
        if self.worker is None:
            return
        try:
            messages = self.worker.link.receive()
        except LinkClosed as error:
            self._lose_line(error)
            return
        for message, files in messages:
            for descriptor in files:  # a worker has none to give
                os.close(descriptor)
            if self.worker is not None:
                self.worker.heard = self._clock()
                self._take(self.worker, message)
        self._flush()

    def _flush(self) -> None:
        """Send the worker what its line had no room for."""
        if self.worker is None:
            return
        try:
            self.worker.link.flush()
        except LinkClosed as error:
            self._lose_line(error)

    def _take(self, worker: Worker, message: dict[str, Any]) -> None:
        kind = message.get("t")
        if kind in ("ready", "loaded", "memory"):
            worker.facts.take(message)
            self.facts = worker.facts
            if worker.device == "auto":
                self._auto_device = worker.facts.device
        if kind == "ready" and worker.state == "starting":
            worker.state = "ready"
            self._idle_since = self._clock()
            log.info("worker %d ready on %s", worker.pid, worker.facts.device)
            self._warm_up()
        running = self.running()
        if not running and kind == "failed" and worker.state == "starting":
            self._start_failed(worker, message)
        for job in running:
            if message.get("job") == job.id:
                self._take_for(job, kind, message)

    def _warm_up(self) -> None:
        """Have the worker import its runtime while pixels arrive, unless every job that is there does without one."""
        tasks = [job.submit.task for job in self._ledger.jobs if job.state in ("uploading", "queued")]
        if not tasks or any(TASKS[task].needs_model for task in tasks):
            self._send({"t": "warm"})

    def _start_failed(self, worker: Worker, message: dict[str, Any]) -> None:
        """The worker cannot work at all (device missing, say): asking again would not help its jobs."""
        error = answers.failure(message)
        log.warning("worker %d cannot start: %s %s", worker.pid, error.code, error.detail)
        worker.state = "leaving"
        self._fail_waiting(error, worker.device)
        self._lost("cannot start")
        self._in_trouble(error.text)

    def _in_trouble(self, why: str) -> None:
        """Something is wrong with the device, or with what ran on it; `why` is the end of a sentence."""

    def _take_for(self, job: Job, kind: Any, message: dict[str, Any]) -> None:
        if kind == "loaded":
            job.add_notes(answers.texts(message.get("notes")))
        elif kind == "progress":
            progress = answers.progress(job, message)
            if progress is not None and job.cancel_by is None:
                job.note_progress(progress)
        elif kind in ("done", "failed", "cancelled"):
            self._end(job, kind, message)

    def _end(self, job: Job, kind: Any, message: dict[str, Any]) -> None:
        self._idle_since = self._clock()
        if job.cancel_by is not None or kind == "cancelled":
            self._ledger.change(job, "cancelled", job.cancel_code, job.cancel_text)
        elif kind == "failed":
            error = answers.failure(message)
            log.warning("job %s: %s", job.id[:8], error.detail or error.text)
            self._ledger.change(job, "failed", error.code, error.text)
            if error.code == "DEVICE":
                self._in_trouble(error.text)
        else:
            self._finish(job, message)

    def _finish(self, job: Job, message: dict[str, Any]) -> None:
        assert job.output is not None
        try:
            self._take_size(job, message)
        except BackendError as error:
            self._ledger.change(job, "failed", error.code, error.text)
            return
        if message.get("total") != job.output_bytes or job.output.length() != job.output_bytes:
            log.error("job %s: %d bytes written of %d", job.id[:8], job.output.length(), job.output_bytes)
            self._ledger.change(job, "failed", "INTERNAL", "The worker's result has the wrong size; see the log.")
            return
        job.output.settle(job.output_bytes)
        job.add_notes(answers.texts(message.get("notes")))
        recipe = message.get("recipe")
        job.recipe = recipe if isinstance(recipe, str) and len(recipe) <= limits.TEXT_BYTES else ""
        model = message.get("model")
        if isinstance(model, str) and model:
            job.model = model[:128]
        job.seconds, job.engine_s = (answers.duration(message.get(key)) for key in ("seconds", "engine_seconds"))
        self._ledger.change(job, "ready")

    def _take_size(self, job: Job, message: dict[str, Any]) -> None:
        """Take over the size of a result that the task was to decide about; raises as `intake.check_result`."""
        if not intake.sizes_itself(job.submit):
            return
        width, height = message.get("width"), message.get("height")
        if type(width) is int and type(height) is int:
            intake.check_result(width, height, self._settings)
            job.own_size = (width, height)

    # --- time --------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Watch the worker: silence, cancels that are not obeyed, idleness, the dead."""
        self._dying = [worker for worker in self._dying if not worker.is_reaped()]
        worker, now = self.worker, self._clock()
        if worker is None:
            return
        running = self.running()
        if running:
            # A worker is not killed for a preview that stops late while a long job is waiting behind it.
            if all(job.cancel_by is not None and now >= job.cancel_by for job in running):
                self._lost("did not stop")
            elif now - worker.heard > self._settings.worker_silence_s and any(j.cancel_by is None for j in running):
                self._lost("silent")
        elif worker.state == "starting" and now - worker.heard > START_S:
            self._lost("not ready in time")
        elif worker.state == "leaving" and now - worker.heard > LEAVE_S:
            self._lost("did not leave")
        elif worker.state == "ready" and self._is_idle_for_too_long(now):
            self._unload(worker)

    def _is_idle_for_too_long(self, now: float) -> bool:
        keep_s = self._settings.keep_alive_s
        if keep_s == Settings.keep_alive_s and self.facts.rss_bytes > LARGE_BYTES:
            keep_s = LARGE_KEEP_ALIVE_S
        return keep_s >= 0 and not self._ledger.jobs.waiting() and now - self._idle_since >= keep_s

    def is_waiting(self) -> bool:
        """Whether a deadline is near: a cancel that runs, or a process that must be reaped."""
        return bool(self._dying) or any(job.cancel_by is not None for job in self.running())

    def close(self) -> None:
        """Stop the worker; `is_closed` says when it is over."""
        self.is_closing = True
        if self.worker is not None:
            self.worker.state = "leaving"
            self.worker.heard = self._clock()
            self._send({"t": "stop"})

    def is_closed(self) -> bool:
        """Whether no worker process is left."""
        self.tick()
        return self.is_gone()

    def is_gone(self) -> bool:
        """Whether it has no process, living or dying."""
        return self.worker is None and not self._dying

    def kill(self) -> None:
        """End every worker process at once and wait for the kernel to confirm it."""
        if self.worker is not None:
            self.worker.kill()
            self._dying.append(self.worker)
            self.worker = None
        for worker in self._dying:
            worker.process.wait()
        self._dying.clear()
