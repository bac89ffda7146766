"""A daemon for measurements only, in a temporary root; the user's own is neither used nor disturbed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bsrgan_backend.cli import connection
from bsrgan_backend.cli.failure import Failure
from bsrgan_wire import places
from bsrgan_wire.client import Client
from bsrgan_wire.errors import DaemonUnreachable

TINY = "bench-tiny"
"""Id of the random network that every such root has: for measurements in which the network does not count."""

_START_S = 60.0
_STOP_S = 20.0
_POLL_S = 0.02
_KEEP_ALIVE_S = 7200
"""The model stays loaded however long a measurement takes."""


@contextlib.contextmanager
def own_root(*, with_cache: bool = True) -> Iterator[Path]:
    """A temporary root with the models of the installation: links, so nothing of it can change.

    Args:
        with_cache: use the installation's saved programs; without them the first load is that of a fresh
            installation.
    """
    from bsrgan_backend.models import synthetic
    from bsrgan_backend.models.store import ModelStore

    with tempfile.TemporaryDirectory(prefix="gimp-bsrgan-bench-") as name:
        root = Path(name)
        (root / "models").mkdir()
        for file in (places.prefix() / "models").glob("*.*"):
            if file.suffix in (".json", ".safetensors"):
                (root / "models" / file.name).symlink_to(file)
        cache = places.prefix() / "cache"
        if with_cache and cache.is_dir():
            (root / "cache").symlink_to(cache, target_is_directory=True)
        ModelStore(root / "models").put(TINY, synthetic.random_weights(synthetic.TINY, 1), "", None, "bench")
        yield root


def chosen_model(root: Path, asked: str) -> str:
    """The model to measure with: the one asked for, the default one, or the tiny one when that is not installed.

    Raises:
        Failure: the one asked for is not installed.
    """
    from bsrgan_backend import settings
    from bsrgan_backend.models.store import ModelStore

    installed = {model.id for model in ModelStore(root / "models").installed()}
    if asked and asked not in installed:
        raise Failure(f"The model {asked} is not installed; 'gimp-bsrgan models list' shows what there is.")
    default = settings.load({}).settings.model
    return asked or (default if default in installed else TINY)


@contextlib.contextmanager
def own_daemon(root: Path) -> Iterator[Client]:
    """A fresh daemon below `root`, stopped at the end.

    Raises:
        DaemonUnreachable: it did not start.
    """
    log = (root / "bench.log").open("wb")
    environ = {**os.environ, places.PREFIX_VARIABLE: str(root), "GIMP_BSRGAN_KEEP_ALIVE_S": str(_KEEP_ALIVE_S)}
    with log:
        daemon = subprocess.Popen(
            connection.serve_command(), env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        with _connected(root, daemon) as client:
            yield client
    finally:
        daemon.terminate()
        try:
            daemon.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def _connected(root: Path, daemon: subprocess.Popen[bytes]) -> Client:
    """A connection to this very daemon; `launch.ensure_daemon` might start a second one, which nobody would stop."""
    end = time.monotonic() + _START_S
    while True:
        try:
            return Client.connect_at(places.rendezvous_file(root), name=connection.NAME, timeout_s=connection.CONNECT_S)
        except DaemonUnreachable:
            if daemon.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(_POLL_S)
