"""Jobs: what was asked, where it stands, and who is next. No sockets and no processes here."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bsrgan_backend.daemon.spool import SpoolFile
from bsrgan_wire import limits
from bsrgan_wire.messages import Progress, State, Submit
from bsrgan_wire.tasks import TASKS, Task

WAITING = frozenset({"uploading", "queued"})
LIVE = frozenset({"uploading", "queued", "running"})
ENDED = frozenset({"failed", "cancelled", "released"})
ENDED_KEPT = 512
"""Ended jobs that are remembered, without pixels, so that late questions get a true answer."""

_STEPS = {
    "uploading": {"queued", "failed", "cancelled"},
    "queued": {"running", "failed", "cancelled"},
    "running": {"ready", "failed", "cancelled"},
    "ready": {"released", "failed"},
}
_PHASES = ("queued", "loading", "running", "finishing")
_NOTE_CHARACTERS = 512
_NOTES = 16


@dataclass
class Job:
    """One job from SUBMIT to its end.

    Attributes:
        submit: the client's order, checked.
        owner: id of the session that it belongs to; `earlier_owners` had it before an ATTACH.
        model: id of the model that it will use.
        device: what the worker must run on.
        lane: the card whose worker has it; empty for the first worker.
        order: number of its SUBMIT, for the queue.
        state: see `_STEPS`; changed by `move` only.
        input, output: its spool files while they are needed.
        received: bytes of input that have arrived; `crc` is their CRC-32.
        cancel_by: when the worker is killed because it did not stop; None when no cancel runs.
        own_size: (width, height) of the result, from a task that decides about it; None until it is ready, and where
            SUBMIT did.
        recipe: what the task drew, as JSON text.
        cancel_code: why it is cancelled: CANCELLED by its client, SHUTTING_DOWN by the daemon's end, TIMEOUT for its
            client's silence. `cancel_text` is the sentence, the code's own when empty.
        orphan_since: when its client was lost; None while it is there.
        touched: when the client last did something with it.
    """

    submit: Submit
    owner: str
    model: str
    device: str
    order: int
    touched: float
    lane: str = ""
    state: str = "uploading"
    input: SpoolFile | None = None
    output: SpoolFile | None = None
    received: int = 0
    crc: int = 0
    code: str = ""
    text: str = ""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    engine_s: float = 0.0
    own_size: tuple[int, int] | None = None
    recipe: str = ""
    cancel_by: float | None = None
    cancel_code: str = "CANCELLED"
    cancel_text: str = ""
    orphan_since: float | None = None
    progress: Progress | None = None
    progress_due: float = 0.0
    progress_is_new: bool = False
    earlier_owners: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The client's id of the job."""
        return self.submit.job

    @property
    def is_urgent(self) -> bool:
        """Whether it goes before others, and may run inside one that is at work."""
        return TASKS.get(self.submit.task, Task()).is_urgent

    @property
    def input_bytes(self) -> int:
        """Length of the whole input."""
        return self.submit.width * self.submit.height * self._pixel_bytes

    @property
    def out_size(self) -> tuple[int, int]:
        """(width, height) of the result; zeros while its task has not said."""
        return self.own_size or (self.submit.out_width, self.submit.out_height)

    @property
    def output_bytes(self) -> int:
        """Length of the whole result."""
        width, height = self.out_size
        return width * height * self._pixel_bytes

    @property
    def reserve_bytes(self) -> int:
        """Room to keep for the result; one that is not known yet is taken for as large as the input."""
        return self.output_bytes or self.input_bytes

    @property
    def _pixel_bytes(self) -> int:
        return self.submit.channels * limits.ITEM_BYTES[self.submit.dtype]

    @property
    def fingerprint(self) -> tuple[int, ...]:
        """What makes two inputs the same, as far as a crash of the worker is concerned."""
        return (self.crc, self.received, self.submit.width, self.submit.height, self.submit.channels)

    def move(self, state: str, code: str = "", text: str = "") -> None:
        """Change the state; `tidy` then frees the files that the new one does not need.

        Raises:
            ValueError: there is no such step; a bug of the caller.
        """
        if state not in _STEPS.get(self.state, ()):
            raise ValueError(f"no step from {self.state} to {state}")
        self.state = state
        self.code, self.text = code, text
        self.cancel_by = None
        self.progress_is_new = False

    def tidy(self) -> None:
        """Free the files that the state does not need; call it after every change."""
        if self.state not in LIVE:
            self._free("input")
        if self.state in ENDED:
            self._free("output")

    def _free(self, name: str) -> None:
        file = getattr(self, name)
        if file is not None:
            file.close()
            setattr(self, name, None)

    def add_notes(self, notes: Iterable[str]) -> None:
        """Keep sentences for the client, each once, within the wire's bounds."""
        for note in notes:
            clipped = note[:_NOTE_CHARACTERS]
            if clipped not in self.notes and len(self.notes) < _NOTES:
                self.notes = (*self.notes, clipped)

    def note_progress(self, progress: Progress) -> None:
        """Keep the latest progress; steps backwards are dropped, but for a new position in the queue."""
        old = self.progress
        if old is not None:
            old_phase, new_phase = _PHASES.index(old.phase), _PHASES.index(progress.phase)
            backwards = new_phase == old_phase and progress.phase != "queued" and _part(progress) < _part(old)
            if new_phase < old_phase or backwards or progress == old:
                return
        self.progress = progress
        self.progress_is_new = True

    def report(self) -> State:
        """The STATE message of the job as it stands."""
        has_result = self.state == "ready"
        width, height = self.out_size
        return State(
            job=self.id,
            state=self.state,
            width=width if has_result else 0,
            height=height if has_result else 0,
            channels=self.submit.channels if has_result else 0,
            dtype=self.submit.dtype if has_result else "",
            total=self.output_bytes if has_result else 0,
            model=self.model,
            notes=self.notes,
            code=self.code,
            text=self.text,
            received=self.received,
            seconds=self.seconds,
            engine_s=self.engine_s,
            recipe=self.recipe if has_result else "",
        )


def _part(progress: Progress) -> float:
    return progress.done / progress.total if progress.total else 0.0


class JobTable:
    """Every job that is known, and the order of those that wait."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._ended: OrderedDict[str, Job] = OrderedDict()
        self._count = 0

    def __iter__(self) -> Iterator[Job]:
        """Jobs that have not ended; the table may change meanwhile."""
        return iter(list(self._jobs.values()))

    def next_order(self) -> int:
        """A number for a new job, rising."""
        self._count += 1
        return self._count

    def add(self, job: Job) -> None:
        """Add a new job; it replaces an ended one of the same id."""
        self._ended.pop(job.id, None)
        self._jobs[job.id] = job

    def find(self, job_id: str) -> Job | None:
        """The job of that id, also when it has ended and is still remembered."""
        return self._jobs.get(job_id) or self._ended.get(job_id)

    def settle(self, job: Job) -> None:
        """File a job that has ended among the remembered ones."""
        if job.state in ENDED and self._jobs.pop(job.id, None) is not None:
            self._ended[job.id] = job
            while len(self._ended) > ENDED_KEPT:
                self._ended.popitem(last=False)

    def owned(self, session_id: str) -> list[Job]:
        """Jobs of a session that have not ended."""
        return [job for job in self if job.owner == session_id]

    def waiting(self) -> int:
        """Jobs that wait for the worker or for their pixels."""
        return sum(job.state in WAITING for job in self._jobs.values())

    def running(self) -> list[Job]:
        """Jobs at work; of each worker a long one and then an urgent one, which comes first when both are there."""
        return sorted((job for job in self._jobs.values() if job.state == "running"), key=lambda job: job.is_urgent)

    def queue(self) -> list[Job]:
        """Queued jobs in the order in which they will run.

        Urgent ones come first; then sessions take turns, then the older SUBMIT goes first.
        """
        turns = {(job.owner, job.is_urgent): 1 for job in self.running()}
        ranked = []
        for job in sorted((j for j in self._jobs.values() if j.state == "queued"), key=lambda j: j.order):
            kind = (job.owner, job.is_urgent)
            turn = turns.get(kind, 0)
            turns[kind] = turn + 1
            ranked.append((not job.is_urgent, turn, job.order, job))
        return [job for *_rank, job in sorted(ranked, key=lambda item: item[:3])]
