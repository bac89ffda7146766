"""What the checks in GIMP run outside of it, in the backend's environment: faults and doubles.

python gimp_host.py kill-when-running ROOT WHOM        SIGKILL to worker, daemon or plugin when a job runs
python gimp_host.py wait-idle ROOT                     until no job runs, within a minute
python gimp_host.py double KIND ROOT                   a ROUTER that does not behave as a daemon
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import zmq

from bsrgan_wire import PROTOCOL, codec, messages, places, rendezvous
from bsrgan_wire.client import Client

DEADLINE_S = 90.0


def status(root: Path) -> dict[str, Any]:
    """The daemon's report."""
    with Client.connect(rendezvous.read(places.rendezvous_file(root)), name="test") as client:
        return client.status()


def kill_when_running(root: Path, whom: str) -> None:
    """Wait until the worker computes, then kill the daemon or its worker."""
    address = rendezvous.read(places.rendezvous_file(root))
    end = time.monotonic() + DEADLINE_S
    with Client.connect(address, name="test") as client:
        while time.monotonic() < end:
            report = client.status()
            # The model is loaded: the network is running, not starting.
            if report["running"] and report["model"]:
                pids = {"worker": report["worker_pid"], "daemon": report["pid"]}
                os.kill(pids[whom] if whom in pids else plugin_pid(), signal.SIGKILL)
                return
            time.sleep(0.05)
    raise SystemExit("no job ran")


def plugin_pid() -> int:
    """The process of the plug-in that runs the filter; GIMP's other plug-ins are not meant."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if b"-run" in words and any(word.endswith(b"/gimp-bsrgan.py") for word in words):
                return int(path.parent.name)
    raise SystemExit("the plug-in does not run")


def wait_idle(root: Path) -> None:
    """Wait until no job runs or waits; prints the last report."""
    end = time.monotonic() + DEADLINE_S
    report = status(root)
    while report["running"] or report["queue"]:
        if time.monotonic() > end:
            raise SystemExit("the job went on")
        time.sleep(0.1)
        report = status(root)
    print(json.dumps(report))  # noqa: T201, read by the check


def double(kind: str, root: Path) -> None:
    """Serve as a daemon that rejects, is silent, sends junk, or leaves in the middle; until killed."""
    socket = zmq.Context.instance().socket(zmq.ROUTER)
    path = root / "double.sock"
    socket.bind(f"ipc://{path}")
    told = rendezvous.Rendezvous(PROTOCOL, "9.9", "0" * 32, os.getpid(), (f"ipc://{path}",))
    rendezvous.write(places.rendezvous_file(root), told)
    while True:
        sender, *frames = socket.recv_multipart()
        heard = codec.decode(list(frames), codec.CLIENT_KINDS)
        for answer in _answers(kind, heard):
            socket.send_multipart([sender, *answer])


def _answers(kind: str, heard: codec.Envelope) -> list[list[codec.Buffer]]:
    if kind == "silent":
        return []
    if kind == "junk":
        return [[b"SRP1", b"\xc1junk"]]
    if isinstance(heard.message, messages.Hello):
        if kind == "version":
            refusal = messages.Reject(
                "VERSION", "The daemon speaks protocols 7 to 9 only; run the installer again.", (7, 9)
            )
            return [codec.encode(refusal, seq=1, ref=heard.seq)]
        welcome = messages.Welcome(1, "9.9", "0" * 32, "1" * 32, 4096, 1, b"n" * 16)
        return [codec.encode(welcome, seq=1, ref=heard.seq)]
    if kind == "leaving":
        return [codec.encode(messages.Bye("upgrade"), seq=2, session="1" * 32)]
    error = messages.Error("QUEUE_FULL", "resource", "later", "The daemon has too many jobs waiting; try again later.")
    return [codec.encode(error, seq=2, ref=heard.seq, session="1" * 32)]


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "kill-when-running":
        kill_when_running(Path(arguments[0]), arguments[1])
    elif command == "wait-idle":
        wait_idle(Path(arguments[0]))
    else:
        double(arguments[0], Path(arguments[1]))
