"""One worker process as its supervisor sees it: the process, the line to it, and what it has said of itself."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bsrgan_backend import link
from bsrgan_backend.daemon.spool import SpoolFile
from bsrgan_backend.link import Link

_OUTPUT_BYTES = 1024 * 1024
_TAIL_BYTES = 2000


@dataclass
class WorkerFacts:
    """What the latest worker has said of itself; it stays when the worker is gone."""

    device: str = ""
    device_name: str = ""
    engine: str = ""
    engine_version: str = ""
    precision: str = ""
    model: str = ""
    model_file: str = ""
    rss_bytes: int = 0
    cards: int = 0

    def take(self, message: dict[str, Any]) -> None:
        """Take over what a message says; a field of the wrong type is left out."""
        for name, key in (
            ("device", "device"),
            ("device_name", "device_name"),
            ("engine", "engine"),
            ("engine_version", "paddle"),
            ("precision", "precision"),
            ("model", "model"),
            ("model_file", "file"),
        ):
            value = message.get(key)
            if isinstance(value, str):
                setattr(self, name, value[:128])
        for name, key in (("rss_bytes", "rss"), ("cards", "cards")):
            number = message.get(key)
            if type(number) is int and number >= 0:
                setattr(self, name, number)


@dataclass
class Worker:
    """A started worker.

    Attributes:
        process: the process.
        link: the non-blocking line to it.
        device: what it was started for, for example "auto".
        heard: when it last said something, or was started or given a job.
        state: "starting", "ready", or "leaving" once it was told to go.
    """

    process: subprocess.Popen[bytes]
    link: Link
    device: str
    heard: float
    state: str = "starting"
    facts: WorkerFacts = field(default_factory=WorkerFacts)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def run(self, order: dict[str, Any], files: Sequence[SpoolFile]) -> None:
        """Send an order with its open files.

        Raises:
            LinkClosed: the worker is gone.
            LinkFull: it does not read.
        """
        self.link.send(order, [file.descriptor for file in files], [str(file.path) for file in files])

    def kill(self) -> None:
        """End the process at once; `is_reaped` says when it is over."""
        with contextlib.suppress(OSError):
            self.process.kill()
        self.link.close()

    def is_reaped(self) -> bool:
        """Whether the process is over and leaves no zombie."""
        return self.process.poll() is not None


class WorkerStarter:
    """How workers are started.

    Attributes:
        command: the words before the options; another program in tests.
        root: the installation's folder.
        threads: CPU threads, 0 for all.
        environ: variables on top of this process's own: the daemon's settings, whatever their source.
    """

    def __init__(
        self, root: Path, threads: int, command: Sequence[str] = (), environ: Mapping[str, str] | None = None
    ) -> None:
        self.command = tuple(command) or (sys.executable, "-m", "bsrgan_backend.worker")
        self.root = root
        self.threads = threads
        self.environ = dict(environ or {})

    @property
    def output(self) -> Path:
        """Where what the process and its native libraries print goes."""
        return self.root / "logs" / "worker-output.log"

    def start(self, device: str, now: float) -> Worker:
        """Start a worker for `device`.

        Raises:
            OSError: the process cannot be started.
        """
        options = ("--device", device, "--root", str(self.root), "--threads", str(self.threads))
        process, ours = self.spawn([*self.command, *options])
        _prefer_for_oom_kill(process.pid)
        return Worker(process, ours, device, now)

    def spawn(self, command: Sequence[str], last: Sequence[str] = ()) -> tuple[subprocess.Popen[bytes], Link]:
        """Start a process that ends with its line, and return both; the line does not block.

        Args:
            command: its words; `--link-fd` is added.
            last: what must stand behind that.

        Raises:
            OSError: the process cannot be started.
        """
        ours, theirs = link.pair()
        try:
            process = self._spawn([*command, "--link-fd", link.child_argument(theirs), *last], theirs.fileno())
            # Windows shares the socket with the running process; POSIX let it inherit the descriptor.
            if process.stdin is not None:
                with contextlib.suppress(OSError), process.stdin as stdin:
                    stdin.write(link.hand_over(theirs, process.pid))
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.sock.setblocking(False)
        return process, ours

    def _spawn(self, command: list[str], descriptor: int) -> subprocess.Popen[bytes]:
        self.output.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        environ = {**os.environ, **self.environ}
        is_long = self.output.exists() and self.output.stat().st_size > _OUTPUT_BYTES
        with self.output.open("wb" if is_long else "ab") as output:
            if sys.platform == "win32":
                return subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    env=environ,
                    creationflags=0x0800_0000,
                )
            # A session of its own keeps Ctrl-C in the daemon's terminal from the worker; the line's end stops it.
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environ,
                pass_fds=(descriptor,),
                start_new_session=True,
            )

    def last_words(self) -> str:
        """The end of what the worker printed, for the log."""
        try:
            with self.output.open("rb") as file:
                file.seek(max(self.output.stat().st_size - _TAIL_BYTES, 0))
                lines = file.read().decode("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        return " | ".join(lines[-3:])


def _prefer_for_oom_kill(pid: int) -> None:
    """When memory runs out, Linux shall end the worker and not the supervisor."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("500")
