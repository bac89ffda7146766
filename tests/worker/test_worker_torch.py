"""The worker with the second engine: chosen by a job or by the setting, and told from the first one's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support import torch_here
from support.worker_process import WorkerProcess, install

torch_here.required()

BLOCK = np.random.default_rng(3).integers(0, 256, (21, 30, 3), dtype=np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An installation with a tiny model."""
    install(tmp_path, "tiny")
    return tmp_path


def run(root: Path, device: str, setting: str) -> tuple[dict, np.ndarray]:
    """What a worker says when it has loaded, and its picture."""
    with WorkerProcess(root, device, environ={"GIMP_BSRGAN_ENGINE": setting}) as worker:
        answer, found = worker.run(BLOCK, (84, 120), model="tiny")
        assert answer["t"] == "done"
        return next(message for message in worker.seen if message["t"] == "loaded"), found


def test_the_library_that_was_asked_for_computes(root: Path) -> None:
    """A library before the device counts more than the setting, and both libraries give the same picture."""
    torch, found = run(root, "torch/cpu", "paddle")
    paddle, wanted = run(root, "paddle/cpu", "torch")
    assert (torch["engine"], torch["device"], torch["cards"]) == ("torch", "cpu", 0)
    assert torch["paddle"].startswith("PyTorch 2")
    assert (paddle["engine"] != "torch", paddle["paddle"]) == (True, "3.2.2")
    assert np.abs(found.astype(int) - wanted.astype(int)).max() <= 1
