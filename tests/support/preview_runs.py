"""A preview job in this process, from files to files."""

from __future__ import annotations

import tempfile

import numpy as np

from bsrgan_backend.worker import tasks
from bsrgan_backend.worker.reports import Progress
from bsrgan_backend.worker.residency import Resident
from bsrgan_backend.worker.work import Work
from support.repeating_network import JOB, message


def previewed(block, place, network, should_stop=lambda: False, **params):
    """Do a preview of the picture `block`; returns its three pictures and what the task says."""
    part, rectangle = place.part, place.rectangle
    sent = np.ascontiguousarray(block[part.top : part.bottom, part.left : part.right])
    told = message(sent, (3 * rectangle.height, rectangle.width), task="preview", params={**params, **place.params()})
    task = tasks.find("preview")
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as target:
        source.write(sent.tobytes())
        source.flush()
        model = Resident("a model", network, 0.0)
        work = Work(source.fileno(), target.fileno(), Progress(JOB, lambda _: None), should_stop, model)
        finished = task.run(task.read(told), work)
        data = np.frombuffer(target.read(), block.dtype)
    assert finished.total == data.nbytes
    return data.reshape(3, rectangle.height, rectangle.width, block.shape[2]), finished
