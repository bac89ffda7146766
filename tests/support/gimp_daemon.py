"""A real daemon with models made from a seed, for the tests in GIMP."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bsrgan_backend.models.store import ModelStore
from bsrgan_backend.models.synthetic import BSRGAN, TINY, random_weights
from bsrgan_wire import places, rendezvous
from bsrgan_wire.client import Client

REPOSITORY = Path(__file__).resolve().parents[2]
FAST = "tiny"
"""A network that takes milliseconds; the default of the installation."""
SLOW = "slow"
"""As large as BSRGAN: a job that lasts long enough to be cancelled."""
START_S = 120.0


def prepare(root: Path, *models: str) -> None:
    """Make an installation without a program: models and settings.

    Args:
        root: the folder that holds everything.
        models: `FAST`, `SLOW`; the first is the default one.
    """
    store = ModelStore(root / "models")
    architectures = {FAST: TINY, SLOW: BSRGAN}
    for name in models:
        store.put(name, random_weights(architectures[name], 7), "0" * 64, None, "a seed")
    # Exact: a job takes long enough to be cancelled also where this processor would be twice as fast.
    (root / "settings.toml").write_text(f'model = "{models[0]}"\ndevice = "cpu"\nprecision = "exact"\n', "utf-8")


def install_program(root: Path) -> list[str]:
    """Write `bin/gimp-bsrgan` for use inside a chroot and return the command that the plug-in starts.

    It leaves the chroot, since the environment of the backend is the host's.
    """
    program = root / "bin" / "gimp-bsrgan"
    program.parent.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join(map(str, source_folders()))
    program.write_text(
        f'#!/bin/sh\nexport PYTHONPATH={path}\nexec chroot /host {sys.executable} -m bsrgan_backend.cli.main "$@"\n',
        "utf-8",
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return [str(program), "serve"]


def source_folders() -> list[Path]:
    """The folders of the repository that hold importable packages of the backend."""
    return [REPOSITORY / "shared", REPOSITORY / "backend"]


def status(root: Path) -> dict[str, Any]:
    """The report of the daemon that serves `root`."""
    with Client.connect(rendezvous.read(places.rendezvous_file(root)), name="test") as client:
        return client.status()


def command_line(root: Path, arguments: list[str]) -> None:
    """Run `gimp-bsrgan` on the host for the installation `root`.

    Raises:
        AssertionError: it failed; with what it printed.
    """
    command = [sys.executable, "-m", "bsrgan_backend.cli.main", *arguments]
    ended = subprocess.run(command, env=_environ(root), capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stderr


def _environ(root: Path) -> dict[str, str]:
    path = os.pathsep.join(map(str, source_folders()))
    return {**os.environ, "GIMP_BSRGAN_PREFIX": str(root), "PYTHONPATH": path}


@contextlib.contextmanager
def served(
    root: Path,
    program: Sequence[str] = ("-m", "bsrgan_backend.cli.main", "serve"),
    environ: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """Run a daemon for `root` on the host until the end of the block.

    Args:
        root: the folder that holds everything.
        program: what Python runs.
        environ: more environment variables for it.

    Raises:
        AssertionError: it did not start, or did not end cleanly; with what it printed.
    """
    log = root / "serve.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, *program], env=_environ(root) | dict(environ or {}), stdout=out, stderr=out
        )
    try:
        end = time.monotonic() + START_S
        while not (root / "state" / "daemon.json").exists():
            assert process.poll() is None, log.read_text("utf-8", "replace")
            assert time.monotonic() < end, f"The daemon did not start.\n{log.read_text('utf-8', 'replace')}"
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    assert process.returncode == 0, log.read_text("utf-8", "replace")
