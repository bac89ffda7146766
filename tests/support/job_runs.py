"""An upscale job in this process, from files to files."""

from __future__ import annotations

import tempfile

import numpy as np

from bsrgan_backend.worker import jobs
from bsrgan_backend.worker.reports import Progress
from support.repeating_network import JOB, Repeater, message


def run(
    block, out_size, network=None, should_stop=lambda: False, spec=None, send=lambda _: None, scratch=None, read=True
):
    """Do a job; returns its outcome and the result's pixels, or None for them where they are not read."""
    spec = spec or jobs.JobSpec.of(message(block, out_size))
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as target:
        source.write(block.tobytes())
        source.flush()
        outcome = jobs.upscale(
            spec,
            network or Repeater(),
            source.fileno(),
            target.fileno(),
            Progress(JOB, send),
            should_stop,
            scratch=scratch,
        )
        if not read:
            return outcome, None
        data = target.read()
    return outcome, np.frombuffer(data, block.dtype).reshape(*out_size, block.shape[2])
