"""How long degradations take: one picture on one core, and many on all of them, files included."""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bsrgan_backend.cli import degrade_items, degrade_pool
from bsrgan_backend.cli.degrade_items import Item
from bsrgan_backend.degradation import Request, degrade
from bsrgan_backend.degradation.patches import use_one_thread
from bsrgan_backend.imaging.cores import cores
from bsrgan_backend.imaging.pictures import Picture, write_picture
from bsrgan_backend.imaging.pixels import Floats

SIDE_PX = 1024
SEEDS = 50
COUNT, COUNT_SIDE_PX = 500, 256


@dataclass(frozen=True)
class Timing:
    """One figure.

    Attributes:
        name: what was timed.
        seconds: how long it took.
        note: how it spreads, or how many a second.
    """

    name: str
    seconds: float
    note: str


def measure(
    show: Callable[[str], None], *, side: int = SIDE_PX, seeds: int = SEEDS, count: int = COUNT, processes: int = 0
) -> list[Timing]:
    """Time the mode bsrgan at scale 4: processor time on one core, time on the wall for many results.

    Args:
        show: given a line of progress now and then.
        side: of the square picture for one core, px.
        seeds: from 0 on, each once.
        count: results of a picture of 256 x 256 on all cores.
        processes: for them; 0 for one a core.

    Returns:
        The mean over the seeds without and with the camera's step (which a seed has with probability 0.25), the mean
        of those seeds that have it, and the time of the whole run with PNG files and recipes.
    """
    show("degradation, one core")
    plain, free, shot = _on_one_core(side, seeds)
    processes = processes or cores()
    show(f"{count} degradations, {processes} processes")
    return [
        _timing(f"bsrgan x4, {side} x {side}, one core, camera off", plain),
        _timing(f"bsrgan x4, {side} x {side}, one core, as drawn", [*free, *shot]),
        *([_timing(f"bsrgan x4, {side} x {side}, one core, seeds with a camera", shot)] if shot else []),
        _many(count, processes),
    ]


def _timing(name: str, seconds: list[float]) -> Timing:
    note = f"mean of {len(seconds)}; median {statistics.median(seconds):.3f} s, longest {max(seconds):.3f} s"
    return Timing(name, statistics.fmean(seconds), note)


def _on_one_core(side: int, seeds: int) -> tuple[list[float], list[float], list[float]]:
    """Seconds without the camera; of the runs as drawn those that have none, and those that have one."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, initializer=use_one_thread) as process:
        return process.submit(_timed, side, seeds).result()


def _timed(side: int, seeds: int) -> tuple[list[float], list[float], list[float]]:
    picture = scene(side)
    degrade(picture, Request(seed=seeds))
    plain = [_seconds(picture, Request(seed=seed, off=("camera",)))[0] for seed in range(seeds)]
    drawn = [_seconds(picture, Request(seed=seed)) for seed in range(seeds)]
    free, shot = ([seconds for seconds, has_camera in drawn if has_camera is wanted] for wanted in (False, True))
    return plain, free, shot


def _seconds(picture: Floats, request: Request) -> tuple[float, bool]:
    # Processor time: one thread works here, and others on a busy machine must not count.
    began = time.process_time()
    recipe = degrade(picture, request).recipe
    return time.process_time() - began, any(step.name == "camera" for step in recipe.steps)


def _many(count: int, processes: int) -> Timing:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "scene.png"
        write_picture(source, Picture(np.rint(scene(COUNT_SIDE_PX) * np.float32(255)).astype(np.uint8)))
        request = Request()
        items = degrade_items.plan([source], [request] * count, Item(source, folder, "", request))
        began = time.perf_counter()
        degrade_pool.run(items, processes, lambda _done: None)
        seconds = time.perf_counter() - began
    return Timing(
        f"--count {count} of {COUNT_SIDE_PX} x {COUNT_SIDE_PX}, {processes} processes, files written",
        seconds,
        f"{count / seconds:.0f} a second",
    )


def scene(side: int) -> Floats:
    """A picture with smooth parts, edges and texture, by closed forms.

    Args:
        side: px.

    Returns:
        (side, side, 3) float32 in 0..1.
    """
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / np.float32(side)
    waves = [0.5 + 0.3 * np.sin(6.0 * (x + k * y)) + 0.15 * np.sin(500.0 * x * y + k) for k in (0.5, 1.0, 2.0)]
    picture = np.stack(waves, axis=-1).astype(np.float32)
    picture[(x - 0.4) ** 2 + (y - 0.5) ** 2 < 0.05] = (0.9, 0.2, 0.1)
    clipped: Floats = np.clip(picture, 0.0, 1.0)
    return clipped
