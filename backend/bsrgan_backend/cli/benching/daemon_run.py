"""The whole way as a contestant: a picture file through the command line's own code, wire, daemon, and into a file."""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np

from bsrgan_backend.cli import job
from bsrgan_backend.cli.batch import Item
from bsrgan_backend.cli.benching import watching
from bsrgan_backend.cli.benching.child import ContestantFailed, Ran, Ready
from bsrgan_backend.cli.benching.contestants import DAEMON, Contestant, Course
from bsrgan_backend.cli.benching.own_daemon import own_daemon
from bsrgan_backend.cli.benching.pictures import Ground
from bsrgan_backend.cli.failure import sentence_of
from bsrgan_backend.daemon import report
from bsrgan_backend.errors import BackendError
from bsrgan_backend.imaging.pictures import read_picture, write_picture
from bsrgan_wire.errors import DaemonUnreachable, WireError

LEVELS = 255
_SMALL_PX = 16
_RESIDENT = re.compile(r"^VmRSS:\s+(\d+) kB", re.MULTILINE)  # as in peers/runner.py, which stands alone
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


class DaemonRun:
    """One picture file through a daemon, again and again; answers as a `Child` does.

    What is timed begins with reading the file and ends with the result's file written: all of `gimp-bsrgan upscale`
    but the start of Python.
    """

    def __init__(self, root: Path, model: str, precision: str, png: Path, result: Path) -> None:
        self._stack = contextlib.ExitStack()
        try:
            self._client = self._stack.enter_context(own_daemon(root))
        except DaemonUnreachable as error:
            raise ContestantFailed(sentence_of(error)) from error
        self._model = model
        self._precision = precision
        self._item = Item(png, png.with_name(f"sr-{precision}.png"), is_named=True)
        self._result = result
        began = time.perf_counter()
        try:
            self._once(Item(_small(png), png.with_name("small-sr.png"), is_named=True))
        except BaseException:
            self.close()
            raise
        self.ready = Ready(time.perf_counter() - began, self._memory(_RESIDENT), {}, "file to file", "")

    def run(self) -> Ran:
        """Run once, and keep the first result.

        Raises:
            ContestantFailed: the daemon refused or failed.
        """
        is_first = not self._result.is_file()
        worker = self._client.status()["worker_pid"]
        watch = watching.Watch([worker, *report.helpers_of(worker)])
        self._forget_peak()
        # Memory counts in the first run; the others are not to be disturbed.
        with watch if is_first else contextlib.nullcontext():
            began = time.perf_counter()
            self._once(self._item)
            seconds = time.perf_counter() - began
        if is_first:
            pixels = read_picture(self._item.target).pixels
            np.save(self._result, pixels.transpose(2, 0, 1)[np.newaxis].astype(np.float32) / LEVELS)
        return Ran(seconds, max(self._memory(_PEAK), self.ready.base_bytes + watch.taken_bytes))

    def close(self) -> None:
        """Stop the daemon; may be repeated."""
        self._stack.close()

    def __enter__(self) -> DaemonRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _once(self, item: Item) -> None:
        try:
            prepared = job.prepare(item, self._model, None, "auto", {"precision": self._precision})
            job.run(prepared, self._client, lambda _text: None)
        except (BackendError, WireError, OSError) as error:
            raise ContestantFailed(sentence_of(error)) from error

    def _status_file(self, name: str) -> Path:
        return Path(f"/proc/{self._client.status()['worker_pid']}/{name}")

    def _memory(self, pattern: re.Pattern[str]) -> int:
        with contextlib.suppress(OSError):
            if found := pattern.search(self._status_file("status").read_text()):
                return int(found.group(1)) * 1024
        return 0

    def _forget_peak(self) -> None:
        with contextlib.suppress(OSError):
            self._status_file("clear_refs").write_text("5")


def _small(png: Path) -> Path:
    """A few pixels of the picture in a file beside it: enough to have the model loaded."""
    target = png.with_name("small.png")
    if not target.is_file():
        picture = read_picture(png)
        write_picture(target, replace(picture, pixels=np.ascontiguousarray(picture.pixels[:_SMALL_PX, :_SMALL_PX])))
    return target


def contestant(course: Course, root: Path, model: str, precision: str) -> Contestant:
    """The whole way with one precision, "exact" or "fast", through a daemon below `root`."""

    def start(ground: Ground, result: Path) -> DaemonRun:
        return DaemonRun(root, model, precision, ground.png, result)

    return Contestant(DAEMON, precision, start, course.operations, rounds_to=LEVELS)
