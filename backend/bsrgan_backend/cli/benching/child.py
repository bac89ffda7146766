"""A contestant in a process of its own: started, asked to run by a line, ended by closing its stdin."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from bsrgan_backend.cli.benching.peers import runner

RUNNER = Path(runner.__file__)
_END_S = 30.0
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class ContestantFailed(Exception):
    """A contestant ended or said something else than what was asked; `str()` says why, for the table."""


@dataclass(frozen=True)
class Ready:
    """What a contestant says after loading; see `peers.runner.serve`."""

    load_s: float
    base_bytes: int
    versions: Mapping[str, str]
    note: str
    precision: str


@dataclass(frozen=True)
class Ran:
    """What a contestant says after a run."""

    seconds: float
    peak_bytes: int


class Child:
    """A running contestant; also a context manager."""

    def __init__(self, command: list[str], request: Mapping[str, Any], threads: int) -> None:
        environ = {**os.environ, **dict.fromkeys(_THREAD_VARIABLES, str(threads))}
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 (closed by close)
        try:
            self._process = subprocess.Popen(
                [*command, json.dumps({**request, "threads": threads})],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
                env=environ,
            )
        except OSError as error:
            self._errors.close()
            raise ContestantFailed(f"{command[0]} cannot be started ({error.strerror})") from error
        try:
            facts = self._answer("ready")
        except BaseException:
            self.close()
            raise
        self.ready = Ready(**facts)

    def run(self) -> Ran:
        """Run once.

        Raises:
            ContestantFailed: it ended instead.
        """
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write("run\n")
            self._process.stdin.flush()
        return Ran(**self._answer("ran"))

    def close(self) -> None:
        """End it; may be repeated."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self, event: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ContestantFailed(self._last_words())
        facts: dict[str, Any] = json.loads(line)
        if facts.pop("event", "") != event:
            raise ContestantFailed(f"it answered {line.strip()[:60]}")
        return facts

    def _last_words(self) -> str:
        status = self._process.wait()
        if status == -signal.SIGKILL:
            return "it was killed, which is what a system does when memory runs out"
        self._errors.seek(0)
        told = self._errors.read().strip().splitlines()
        return told[-1][:160] if told else f"it ended with status {status}"


def script_command(python: Path | str, module: str) -> list[str]:
    """How to start a script of `peers/` with some Python; the request follows as the last word."""
    # Without -P the script's folder is the first on the path, which is how the runner finds its neighbours.
    return [str(python), "-u", str(RUNNER), module]
