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


@pytest.mark.parametrize(
    ("device", "setting", "engine"),
    [("torch/cpu", "auto", "torch"), ("paddle/cpu", "torch", ""), ("cpu", "torch", "torch")],
)
def test_the_library_that_was_asked_for_computes(root: Path, device: str, setting: str, engine: str) -> None:
    """A device with a library before it counts more than the setting, and every library gives the same picture."""
    with WorkerProcess(root, device, environ={"GIMP_BSRGAN_ENGINE": setting}) as worker:
        answer, found = worker.run(BLOCK, (84, 120), model="tiny")
        loaded = next(message for message in worker.seen if message["t"] == "loaded")
    assert answer["t"] == "done"
    assert (loaded["device"], loaded["cards"]) == ("cpu", 0)
    assert (loaded["engine"] == "torch") == (engine == "torch")
    with WorkerProcess(root, "cpu") as other:
        _answer, wanted = other.run(BLOCK, (84, 120), model="tiny")
    assert np.abs(found.astype(int) - wanted.astype(int)).max() <= 1
