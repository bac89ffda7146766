"""What a task gets to work with and what it gives back; the types that every task's module shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bsrgan_backend.worker.reports import Progress
from bsrgan_backend.worker.residency import Resident

ShouldStop = Callable[[], bool]


class Cancelled(Exception):
    """The job was stopped on request; nothing is wrong."""


@dataclass(frozen=True)
class Work:
    """A job's open files, its progress, its cancel, and the model where its task needs one.

    Attributes:
        source: descriptor of the input's pixels; its length is not checked yet.
        target: descriptor of the file for the result; a task writes every byte of it.
        progress: told how far it is; the service begins the phase "loading" and answers with "finishing".
        should_stop: asked between pieces of work; when it says True the task raises `Cancelled`.
        model: the loaded model; None for a task that needs none.
        scratch: folder for intermediate data that are large; None to keep them in memory.
    """

    source: int
    target: int
    progress: Progress
    should_stop: ShouldStop
    model: Resident | None = None
    scratch: Path | None = None

    @property
    def resident(self) -> Resident:
        """The loaded model, for a task that needs one.

        Raises:
            RuntimeError: the task's entry in the table says that it needs none; a bug.
        """
        if self.model is None:
            raise RuntimeError("a task without a model asked for one")
        return self.model


@dataclass(frozen=True)
class Finished:
    """A job that is done.

    Attributes:
        total: bytes of the result.
        engine_seconds: time in the network, without pixels and files.
        size: (height, width) of the result, from a task that decides about it; None where SUBMIT did.
        recipe: JSON text of what was done, from a task that draws it; empty for none.
        notes: sentences for the user.
    """

    total: int
    engine_seconds: float = 0.0
    size: tuple[int, int] | None = None
    recipe: str = ""
    notes: tuple[str, ...] = ()
