"""The table of tasks: its names, what each needs, and what a worker without a model can still do."""

from __future__ import annotations

import pytest

from bsrgan_backend.errors import BackendError
from bsrgan_backend.worker import tasks
from bsrgan_wire.tasks import TASKS


def test_both_sides_know_the_same_tasks():
    """The worker does exactly what the protocol names, and agrees on which tasks need a model."""
    assert {name: task.needs_model for name, task in tasks.TASKS.items()} == {
        name: task.needs_model for name, task in TASKS.items()
    }


def test_an_unknown_task_is_refused():
    """A task that is in no table is BAD_PARAM with its name for the log."""
    with pytest.raises(BackendError) as caught:
        tasks.find("paint")
    assert (caught.value.code, caught.value.detail) == ("BAD_PARAM", "paint")
