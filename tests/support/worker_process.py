"""A real worker process at the end of a line, with a tiny untrained model in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bsrgan_backend import link
from bsrgan_backend.models.store import ModelStore
from bsrgan_backend.models.synthetic import TINY, random_weights

SOURCE = Path(__file__).resolve().parents[2]
NAMES = {"uint8": "u8", "uint16": "u16", "float16": "f16", "float32": "f32"}
PATIENCE_S = 90.0


def install(root: Path, *models: str, architecture=TINY, seed: int = 7) -> None:
    """Put untrained models into the store; the seed counts up."""
    for index, model in enumerate(models):
        ModelStore(root / "models").put(model, random_weights(architecture, seed + index), "0" * 64, None, "a test")


class WorkerProcess:
    """Starts `python -m bsrgan_backend.worker` and speaks for the supervisor.

    Attributes:
        process: the child.
        line: this side of the line.
        seen: every message that came, in order.
    """

    def __init__(
        self,
        root: Path,
        device: str = "cpu",
        limits: dict[int, int] | None = None,
        environ: dict[str, str] | None = None,
    ) -> None:
        self.line, theirs = link.pair()
        self.seen: list[dict] = []
        self._unread: list[dict] = []
        self.output = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        command = [sys.executable, "-m", "bsrgan_backend.worker", "--device", device, "--root", str(root)]
        command += ["--link-fd", str(theirs.fileno()), "--threads", "1"]
        paths = os.pathsep.join(str(SOURCE / name) for name in ("shared", "backend"))

        def lower() -> None:
            for kind, value in (limits or {}).items():
                resource.setrlimit(kind, (value, value))

        self.process = subprocess.Popen(
            command,
            pass_fds=(theirs.fileno(),),
            env={**os.environ, "GIMP_BSRGAN_PRECISION": "exact", "PYTHONPATH": paths, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
            preexec_fn=lower if limits else None,
        )
        theirs.close()
        self.line.sock.settimeout(PATIENCE_S)

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self.line.close()
        self.output.close()

    def receive(self) -> dict:
        """The next message."""
        while not self._unread:
            self._unread = [message for message, _files in self.line.receive()]
            self.seen += self._unread
        return self._unread.pop(0)

    def wait_for(self, *kinds: str, job: str | None = None) -> dict:
        """The next message of one of these kinds (and of this job); others are passed over."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            message = self.receive()
            if message["t"] in kinds and job in (None, message.get("job")):
                return message
            assert message["t"] != "failed", message
        raise TimeoutError(f"no {kinds} in {PATIENCE_S} s")

    def submit(self, job: str, block: np.ndarray, out_size: tuple[int, int], target: int, **changes: object) -> None:
        """Send a `run` for a block of pixels; `target` is the descriptor for the result."""
        message = {
            "t": "run",
            "job": job,
            "task": "upscale",
            "width": block.shape[1],
            "height": block.shape[0],
            "channels": block.shape[2],
            "dtype": NAMES[block.dtype.name],
            "out_width": out_size[1],
            "out_height": out_size[0],
            "model": "",
            "params": {},
            **changes,
        }
        with tempfile.TemporaryFile() as source:
            source.write(block.tobytes())
            source.flush()
            self.line.send(message, (source.fileno(), target))

    def run(self, block: np.ndarray, out_size: tuple[int, int], **changes: object) -> tuple[dict, np.ndarray]:
        """Do one job to its end; returns the last message and the result's pixels (empty unless done)."""
        with tempfile.TemporaryFile() as target:
            self.submit("a" * 32, block, out_size, target.fileno(), **changes)
            answer = self.wait_for("done", "failed", "cancelled")
            target.seek(0)
            data = target.read()
        if answer["t"] != "done":
            return answer, np.empty(0)
        return answer, np.frombuffer(data, block.dtype).reshape(*out_size, block.shape[2])
