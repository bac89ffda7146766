"""A scripted worker: speaks the link, upscales by repeating pixels in pure Python, and misbehaves on order.

`params` of a job choose what goes wrong: `sleep_s` (works so long, obeying cancels), `stubborn` (ignores them),
`crash`, `exit` (status), `hang` (never says anything again), `fill` (writes until the disk is full), `short`
(a result of the wrong size),
`truncate` (cuts the result after done), `own_width` and `own_height` (size of a result that is left to the task; what
is not there is not told), `recipe` (told with the result), `file` (of the model), `fail` (a code), `text` (why, as it
stands inside JSON), `garbage` (no message), `steps` (number of progress messages).
The environment variable FAKE_WORKER does the same for the start: `crash`, `slow`, `refuse`.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import sys
import time
from pathlib import Path

from bsrgan_backend import link
from bsrgan_backend.link import Link, LinkClosed

ITEM_BYTES = {"u8": 1, "u16": 2, "f16": 2, "f32": 4}


def upscale(data: bytes, width: int, height: int, out_width: int, out_height: int, pixel_bytes: int) -> bytes:
    """Nearest neighbour on raw rows of `pixel_bytes` bytes a pixel."""
    picks = [x * width // out_width for x in range(out_width)]
    rows: dict[int, bytes] = {}
    for source in {y * height // out_height for y in range(out_height)}:
        start = source * width * pixel_bytes
        row = [data[at : at + pixel_bytes] for at in range(start, start + width * pixel_bytes, pixel_bytes)]
        rows[source] = b"".join([row[x] for x in picks])
    return b"".join(rows[y * height // out_height] for y in range(out_height))


class FakeWorker:
    """The process's life: one link, one job at a time, and a preview inside of it."""

    def __init__(self, line: Link, device: str) -> None:
        self.link = line
        self.device = "cpu" if device == "auto" else device
        self.cancelled: set[str] = set()
        self.is_loaded = False

    def live(self) -> None:
        """Say ready, then do what comes until told to go."""
        self.link.send(
            {
                "t": "ready",
                "device": self.device,
                "device_name": "Fake CPU",
                "engine": "native",
                "paddle": "0.0",
                "threads": 1,
            }
        )
        while True:
            for message, files in self.link.receive():
                self.take(message, files)

    def take(self, message: dict, files: list[int]) -> None:
        """Obey one message."""
        if message["t"] in ("stop", "unload"):
            raise SystemExit(0)
        if message["t"] == "run":
            try:
                self.run(message, *files)
            finally:
                for descriptor in files:
                    os.close(descriptor)

    def is_cancelled(self, job: str, wait_s: float = 0.0) -> bool:
        """Look for a cancel of this job for `wait_s` seconds at most."""
        if select.select([self.link], [], [], wait_s)[0]:
            for message, files in self.link.receive():
                if message["t"] == "cancel":
                    self.cancelled.add(message["job"])
                else:
                    self.take(message, files)
        return job in self.cancelled

    def run(self, order: dict, source: int, target: int) -> None:
        """Do one job as its params say."""
        job, params = order["job"], order["params"]
        if not self.is_loaded:
            self.is_loaded = True
            self.link.send({"t": "progress", "job": job, "phase": "loading", "done": 0, "total": 1, "unit": "model"})
            self.link.send(
                {
                    "t": "loaded",
                    "job": job,
                    "model": order["model"],
                    "file": params.get("file", ""),
                    "engine": "native",
                    "seconds": 0.0,
                    "notes": [],
                }
            )
        self.misbehave(params)
        if "fail" in params:
            text = json.loads(f'"{params.get("text", "It failed.")}"')
            self.link.send({"t": "failed", "job": job, "code": params["fail"], "text": text, "detail": "x"})
            return
        if not self.work(job, params):
            self.link.send({"t": "cancelled", "job": job})
            return
        pixel_bytes = order["channels"] * ITEM_BYTES[order["dtype"]]
        size = order["width"] * order["height"] * pixel_bytes
        data = b"".join(iter(lambda: os.read(source, 1 << 20), b"")) if order["width"] else b""
        assert len(data) == size, (len(data), size)
        own = {name: params[f"own_{name}"] for name in ("width", "height") if f"own_{name}" in params}
        out_width, out_height = order["out_width"] or own.get("width", 1), order["out_height"] or own.get("height", 1)
        result = upscale(data, order["width"], order["height"], out_width, out_height, pixel_bytes)
        if "short" in params:
            result = result[:-1]
        self.write(job, target, result, fill="fill" in params)
        self.link.send(
            {
                "t": "done",
                "job": job,
                "model": order["model"],
                "total": len(result),
                "seconds": 0.25,
                "engine_seconds": 0.1,
                "notes": ["a note"],
                **own,
                **({"recipe": params["recipe"]} if "recipe" in params else {}),
            }
        )
        if "truncate" in params:
            time.sleep(0.3)  # the supervisor has looked at the length by then
            os.ftruncate(target, 10)

    def write(self, job: str, target: int, result: bytes, *, fill: bool) -> None:
        """Write the result; with `fill` far more than the disk takes."""
        try:
            view = memoryview(result)
            while view:
                view = view[os.write(target, view) :]
            while fill:
                os.write(target, b"x" * (1 << 20))
        except OSError as error:
            failure = {
                "t": "failed",
                "job": job,
                "code": "DISK_FULL",
                "text": "The disk is full.",
                "detail": str(error),
            }
            self.link.send(failure)
            raise SystemExit(0) from None

    def misbehave(self, params: dict) -> None:
        """Break as asked."""
        if "crash" in params:
            os.kill(os.getpid(), signal.SIGKILL)
        if "exit" in params:
            raise SystemExit(params["exit"])
        if "garbage" in params:
            self.link.sock.sendall(b"\xff" * 64)
        if "hang" in params:
            while True:
                time.sleep(60)

    def work(self, job: str, params: dict) -> bool:
        """Pass the time in steps; False when cancelled."""
        steps = params.get("steps", 4)
        for step in range(steps):
            progress = {"t": "progress", "job": job, "phase": "running", "done": step, "total": steps, "unit": "tiles"}
            self.link.send({**progress, "eta": 1.0})
            self.link.send({"t": "memory", "rss": 1 << 20})
            if "stubborn" in params:
                time.sleep(params.get("sleep_s", 0.0) / steps)
            elif self.is_cancelled(job, params.get("sleep_s", 0.0) / steps):
                return False
        return True


def main() -> int:
    """Parse the real worker's options and live."""
    parser = argparse.ArgumentParser()
    for option in ("--device", "--root", "--link-fd", "--threads"):
        parser.add_argument(option, required=True)
    options = parser.parse_args()
    line = link.inherited(options.link_fd)
    with (Path(options.root) / "worker-starts.log").open("a") as starts:
        starts.write(json.dumps([os.getpid(), options.device, options.threads]) + "\n")
    mode = os.environ.get("FAKE_WORKER", "")
    if mode == "crash":
        return 3
    if mode == "refuse":
        line.send({"t": "failed", "job": "", "code": "DEVICE", "text": "No such device.", "detail": ""})
        return 1
    if mode == "slow":
        time.sleep(1.0)
    try:
        FakeWorker(line, options.device).live()
    except LinkClosed:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
