"""What daemon, wire and plug-in cost on top of the network."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bsrgan_backend.cli import gimp_memory, gimp_writing
from bsrgan_backend.cli.benching.claims import Claim
from bsrgan_backend.cli.benching.own_daemon import TINY
from bsrgan_wire import places
from bsrgan_wire.client import Client, JobRequest
from bsrgan_wire.errors import WireError

SIDE_PX = 64
OVERHEAD_MS = 30.0
DAEMON_MB = 60.0
PLUGIN_MB = 450.0
WRITE_RATIO = 1.5
_WARM_UP = 2

Show = Callable[[str], None]


def daemon_memory(client: Client) -> Claim:
    """Resident memory of a daemon without a model; ask before the first job."""
    resident = float(client.status()["rss_bytes"]) / 1e6
    return Claim("daemon without a model", resident, "MB", DAEMON_MB, note="resident memory")


def overhead(client: Client, model: str, runs: int, show: Show) -> Claim:
    """Wall time of a warm job at the client, less what the network itself took.

    Args:
        client: of a daemon.
        model: id of the model.
        runs: jobs, after the first ones that load the model and warm every cache up.
        show: given a line of progress.
    """
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8)
    claim = Claim(f"daemon and wire, warm {SIDE_PX} x {SIDE_PX}", None, "ms", OVERHEAD_MS, note=f"the network {model}")
    return on_top(claim, client, request(model, pixels), pixels, Repeats(runs, _WARM_UP, show))


@dataclass(frozen=True)
class Repeats:
    """How often a job runs.

    Attributes:
        counted: runs that count.
        first: runs before them, which load the model and warm every cache up.
        show: given a line of progress.
    """

    counted: int
    first: int
    show: Show


def on_top(claim: Claim, client: Client, asked: JobRequest, pixels: npt.NDArray[np.uint8], repeats: Repeats) -> Claim:
    """The claim with the median, in ms, of what a job takes at the client less the engine's own time.

    Args:
        claim: without a value; its note names what runs.
        client: of a daemon.
        asked: the job.
        pixels: its input.
        repeats: how often.

    Returns:
        The claim without a value and with the reason in its note, when the daemon failed.
    """
    over_ms, engine_ms = [], []
    try:
        for number in range(repeats.first + repeats.counted):
            repeats.show(f"measuring {claim.name}: {number} of {repeats.first + repeats.counted}")
            wall_s, engine_s = timed_job(client, asked, pixels)
            if number >= repeats.first:
                over_ms.append((wall_s - engine_s) * 1e3)
                engine_ms.append(engine_s * 1e3)
    except WireError as error:
        return replace(claim, note=error.text)
    spread = f"{min(over_ms):.1f} to {max(over_ms):.1f}"
    note = f"median of {repeats.counted} ({spread}); {claim.note}: {statistics.median(engine_ms):.0f} ms"
    return replace(claim, value=statistics.median(over_ms), note=note)


def request(model: str, pixels: npt.NDArray[np.uint8]) -> JobRequest:
    """A job that enlarges (H, W, C) pixels four times."""
    height, width, channels = pixels.shape
    return JobRequest(
        width=width,
        height=height,
        channels=channels,
        dtype="u8",
        out_width=4 * width,
        out_height=4 * height,
        model=model,
    )


def timed_job(client: Client, asked: JobRequest, pixels: npt.NDArray[np.uint8]) -> tuple[float, float]:
    """Seconds of a job at the client, and those of the network in it."""
    began = time.perf_counter()
    state = client.run(asked, source=lambda first, count: pixels[first : first + count].tobytes(), sink=_drop)
    return time.perf_counter() - began, float(state.engine_s)


def _drop(_first: int, _rows: int, _data: memoryview) -> None:
    """The result itself is not measured."""


def plugin(gimp: list[str], root: Path) -> Claim:
    """Peak memory of the plug-in's process for a large layer, with a tiny network: pixels count, not the model.

    Args:
        gimp: the words that call a gimp-console with the plug-in; empty for none.
        root: of the daemon to use.
    """
    claim = Claim("plug-in, 2048 x 2048 RGBA x4", None, "MB", PLUGIN_MB, note=_no_gimp(gimp))
    if claim.note:
        return claim
    peak, problem = gimp_memory.peak_bytes(gimp, places.rendezvous_file(root), TINY)
    return replace(claim, value=None if problem else peak / 1e6, note=problem or "peak resident memory in GIMP")


def plugin_writing(gimp: list[str]) -> Claim:
    """Time of the plug-in's own way to write a large result into a layer, against GIMP's fastest.

    Args:
        gimp: the words that call a gimp-console with the plug-in; empty for none.
    """
    side = gimp_writing.SIDE_PX
    name = f"{side} x {side} RGBA result into a layer, times as long as GIMP's own write"
    claim = Claim(name, None, bound=WRITE_RATIO, note=_no_gimp(gimp))
    if claim.note:
        return claim
    told, problem = gimp_writing.measure(gimp)
    if told is None:
        return replace(claim, note=problem)
    note = f"median of {gimp_writing.ROUNDS}: {told.plugin_s:.2f} s against {told.gimp_s:.2f} s"
    return replace(claim, value=told.ratio, note=f"{note}; peak resident memory {told.peak_bytes / 1e6:.0f} MB")


def _no_gimp(gimp: list[str]) -> str:
    """Why nothing can be measured in GIMP; empty when it can."""
    if not gimp:
        return "no gimp-console found (--gimp CMD)"
    return "" if sys.platform.startswith("linux") else "is measured on Linux only"
