"""How long it takes from nothing to the first result: with and without saved programs, and once all is warm."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bsrgan_backend.cli.benching import overheads
from bsrgan_backend.cli.benching.claims import Claim
from bsrgan_backend.cli.benching.own_daemon import own_daemon, own_root
from bsrgan_backend.imaging.pictures import Picture, write_picture
from bsrgan_wire import places
from bsrgan_wire.errors import WireError

SIDE_PX = 16
_COMMAND_S = 120.0

Show = Callable[[str], None]


def measure(model: str, show: Show) -> list[Claim]:
    """Start daemons of their own and let each do a tiny picture.

    Args:
        model: id of an installed model, or `own_daemon.TINY`.
        show: given a line of progress.
    """
    show("measuring the first start")
    with own_root(with_cache=False) as root:
        cold = _started(root, model, "first start, nothing saved")
        show("measuring a start")
        warm = _started(root, model, "start, programs saved")
        show("measuring the command")
        return [cold, warm, _command(root, model)]


def _started(root: Path, model: str, name: str) -> Claim:
    pixels = np.full((SIDE_PX, SIDE_PX, 3), 128, np.uint8)
    began = time.perf_counter()
    with own_daemon(root) as client:
        answers = time.perf_counter() - began
        try:
            overheads.timed_job(client, overheads.request(model, pixels), pixels)
        except WireError as error:
            return Claim(name, None, "s", note=error.text)
        whole = time.perf_counter() - began
    note = f"to the result of {SIDE_PX} x {SIDE_PX}; the daemon answers after {answers:.2f} s; files may be in memory"
    return Claim(name, whole, "s", note=note)


def _command(root: Path, model: str) -> Claim:
    """The command line as a process, with a daemon that has the model."""
    name = f"gimp-bsrgan upscale, {SIDE_PX} x {SIDE_PX}, all warm"
    source, target = root / "small.png", root / "small-sr.png"
    write_picture(source, Picture(np.full((SIDE_PX, SIDE_PX, 3), 128, np.uint8)))
    command = [sys.executable, "-m", "bsrgan_backend.cli.main", "upscale", str(source), "-o", str(target)]
    environ = {**os.environ, places.PREFIX_VARIABLE: str(root)}
    with own_daemon(root):
        seconds = []
        for _ in range(3):
            began = time.perf_counter()
            done = subprocess.run(
                [*command, "--model", model], env=environ, capture_output=True, timeout=_COMMAND_S, check=False
            )
            seconds.append(time.perf_counter() - began)
            if done.returncode:
                return Claim(name, None, "s", note="it failed")
    return Claim(name, min(seconds[1:]), "s", note="start of Python, network, and everything between")
