"""What a worker can do: the table of tasks, each with how its order is read and how it is run.

The names and what the supervisor has to know of them are `bsrgan_wire.tasks.TASKS`; a test holds the two together.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bsrgan_backend.errors import BackendError
from bsrgan_backend.worker import degrading, jobs, preview
from bsrgan_backend.worker.work import Finished, Work

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """One kind of job.

    Attributes:
        read: checks a `run` message and returns the order that `run` takes; raises BackendError, before any model
            is loaded for it.
        run: does the job; raises BackendError or `work.Cancelled`.
        needs_model: whether a model is loaded first; without one Paddle is not even imported.
        factor: how much larger the whole result is than the picture, of an order; for the choice of a model.
    """

    read: Callable[[dict[str, Any]], Any]
    run: Callable[[Any, Work], Finished]
    needs_model: bool = True
    factor: Callable[[Any], float] = lambda _order: 1.0


def find(name: str) -> Task:
    """The task of that name.

    Raises:
        BackendError: BAD_PARAM when there is none.
    """
    task = TASKS.get(name)
    if task is None:
        raise BackendError("BAD_PARAM", "The daemon does not know this task; run the installer again.", name)
    return task


def _upscale(spec: jobs.JobSpec, work: Work) -> Finished:
    log.info("job: %d x %d to %d x %d, %s", *spec.size[::-1], *spec.out_size[::-1], spec.layout)
    model = work.resident
    outcome = jobs.upscale(
        spec, model.engine, work.source, work.target, work.progress, work.should_stop, model.rate, work.scratch
    )
    model.rate = work.progress.rate or model.rate
    return Finished(outcome.total, outcome.engine_seconds)


def _factor(order: jobs.JobSpec | preview.Order) -> float:
    return max(out / side for side, out in zip(order.size, order.out_size, strict=True))


TASKS = {
    "upscale": Task(jobs.JobSpec.of, _upscale, factor=_factor),
    "preview": Task(preview.Order.of, preview.preview, factor=_factor),
    "degrade": Task(degrading.Order.of, degrading.degrade, needs_model=False),
}
