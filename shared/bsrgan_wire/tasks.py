"""The tasks of SUBMIT, and what both sides must know of each before its pixels are there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """What kind of job a task's name stands for.

    Attributes:
        needs_model: whether a network works on it; else `model` stays empty.
        sizes_itself: whether `ow` and `oh` of SUBMIT may both be 0: the result's size then comes with STATE `ready`.
        is_urgent: whether it goes before the others in the queue, and runs inside one that is at work.
    """

    needs_model: bool = True
    sizes_itself: bool = False
    is_urgent: bool = False


TASKS = {
    "upscale": Task(),
    "preview": Task(is_urgent=True),
    "degrade": Task(needs_model=False, sizes_itself=True),
}
