"""The measurements of `bench`, each against a daemon of its own in a temporary root."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bsrgan_backend.cli import connection, gimp_memory
from bsrgan_backend.cli.failure import Failure
from bsrgan_wire import launch, places
from bsrgan_wire.client import Client, JobRequest

SIDE_PX = 64
OVERHEAD_MS = 30.0
DAEMON_MB = 60.0
PLUGIN_MB = 500.0
TINY = "bench-tiny"
_START_S = 60.0
_STOP_S = 20.0

Show = Callable[[str], None]


@dataclass(frozen=True)
class Measure:
    """One line of the table.

    Attributes:
        name: what was measured.
        value: the result; None when it could not be measured.
        unit: of value and wanted.
        wanted: the bound.
        note: how, or why not.
    """

    name: str
    value: float | None
    unit: str
    wanted: float
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Value over wanted."""
        return None if self.value is None else self.value / self.wanted

    def cells(self) -> tuple[str, str, str, str, str]:
        """The line as texts."""
        if self.value is None or self.ratio is None:
            return self.name, "-", f"< {self.wanted:g} {self.unit}", "-", self.note
        return (
            self.name,
            f"{self.value:.1f} {self.unit}",
            f"< {self.wanted:g} {self.unit}",
            f"{self.ratio:.2f}",
            self.note,
        )


def all_measures(model: str, runs: int, gimp: list[str], show: Show) -> list[Measure]:
    """Measure everything.

    Args:
        model: id of an installed model; empty for the default one, or a tiny one when that is not installed.
        runs: repetitions of short measurements.
        gimp: the words that call a gimp-console with the plug-in; empty for none.
        show: given a line of progress.

    Raises:
        Failure: the model is not installed.
        DaemonUnreachable: the measured daemon did not start.
    """
    with _own_root() as root:
        chosen = _model(root, model)
        show("starting a daemon")
        with _own_daemon(root) as client:
            rss = float(client.status()["rss_bytes"]) / 1e6
            show("measuring the overhead")
            overhead = _overhead(client, chosen, runs, show)
            show("measuring the plug-in in GIMP")
            plugin = _plugin(gimp, root)
    return [overhead, Measure("daemon without a model", rss, "MB", DAEMON_MB, "resident memory"), plugin]


@contextlib.contextmanager
def _own_root() -> Iterator[Path]:
    """A temporary root with the models of the installation: links, so nothing of it can change."""
    from bsrgan_backend.models import synthetic
    from bsrgan_backend.models.store import ModelStore

    with tempfile.TemporaryDirectory(prefix="gimp-bsrgan-bench-") as name:
        root = Path(name)
        (root / "models").mkdir()
        for file in (places.prefix() / "models").glob("*.*"):
            if file.suffix in (".json", ".safetensors"):
                (root / "models" / file.name).symlink_to(file)
        cache = places.prefix() / "cache"
        if cache.is_dir():
            (root / "cache").symlink_to(cache, target_is_directory=True)
        ModelStore(root / "models").put(TINY, synthetic.random_weights(synthetic.TINY, 1), "", None, "bench")
        yield root


def _model(root: Path, asked: str) -> str:
    from bsrgan_backend import settings
    from bsrgan_backend.models.store import ModelStore

    installed = {model.id for model in ModelStore(root / "models").installed()}
    if asked and asked not in installed:
        raise Failure(f"The model {asked} is not installed; 'gimp-bsrgan models list' shows what there is.")
    default = settings.load({}).settings.model
    return asked or (default if default in installed else TINY)


@contextlib.contextmanager
def _own_daemon(root: Path) -> Iterator[Client]:
    """A fresh daemon below `root`, stopped at the end."""
    log = (root / "bench.log").open("wb")
    environ = {**os.environ, places.PREFIX_VARIABLE: str(root)}
    with log:
        daemon = subprocess.Popen(
            connection.serve_command(), env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        address = launch.ensure_daemon(root, connection.serve_command(), timeout_s=_START_S)
        with Client.connect(address, name=connection.NAME, timeout_s=connection.CONNECT_S) as client:
            yield client
    finally:
        daemon.terminate()
        try:
            daemon.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def _overhead(client: Client, model: str, runs: int, show: Show) -> Measure:
    """Wall time of a warm job at the client, less what the network itself took."""
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8)
    over_ms, engine_ms = [], []
    for number in range(runs + 2):
        show(f"measuring the overhead: {number} of {runs + 2}")
        began = time.perf_counter()
        engine_s = _upscale(client, model, pixels)
        wall_s = time.perf_counter() - began
        if number >= 2:  # the first ones load the model and warm every cache up
            over_ms.append((wall_s - engine_s) * 1e3)
            engine_ms.append(engine_s * 1e3)
    spread = f"{min(over_ms):.1f} to {max(over_ms):.1f}"
    note = f"median of {runs} ({spread}); the network {model} itself {statistics.median(engine_ms):.0f} ms"
    return Measure(f"daemon and wire, warm {SIDE_PX} x {SIDE_PX}", statistics.median(over_ms), "ms", OVERHEAD_MS, note)


def _upscale(client: Client, model: str, pixels: npt.NDArray[np.uint8]) -> float:
    """One job; the seconds that the network took."""
    height, width, channels = pixels.shape
    request = JobRequest(
        width=width,
        height=height,
        channels=channels,
        dtype="u8",
        out_width=4 * width,
        out_height=4 * height,
        model=model,
    )
    state = client.run(request, source=lambda first, count: pixels[first : first + count].tobytes(), sink=_drop)
    return float(state.engine_s)


def _drop(_first: int, _rows: int, _data: memoryview) -> None:
    """The result itself is not measured."""


def _plugin(gimp: list[str], root: Path) -> Measure:
    """Peak memory of the plug-in's process for a large layer, with a tiny network: pixels count, not the model."""
    name = "plug-in, 2048 x 2048 RGBA x4"
    if not gimp:
        return Measure(name, None, "MB", PLUGIN_MB, "no gimp-console found (--gimp CMD)")
    if not sys.platform.startswith("linux"):
        return Measure(name, None, "MB", PLUGIN_MB, "is measured on Linux only")
    peak, problem = gimp_memory.peak_bytes(gimp, places.rendezvous_file(root), TINY)
    return Measure(name, None if problem else peak / 1e6, "MB", PLUGIN_MB, problem or "peak resident memory in GIMP")
