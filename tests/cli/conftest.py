"""An installation root with tiny models, and the command as a person calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bsrgan_backend.models import synthetic
from bsrgan_backend.models.store import ModelStore
from support import cli_pictures

TIMEOUT_S = 240


@dataclass(frozen=True)
class Command:
    """The command line of one installation root."""

    root: Path
    environ: dict[str, str]

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start the command and return its process."""
        command = [sys.executable, "-m", "bsrgan_backend.cli.main", *map(str, arguments)]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environ, start_new_session=True
        )

    def __call__(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run the command to its end."""
        process = self.start(*arguments)
        try:
            out, err = process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def fails(self, *arguments: str | Path) -> str:
        """Run the command, which must fail with one sentence on stderr, and return the sentence."""
        done = self(*arguments)
        assert done.returncode == 1, done
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert line.startswith("gimp-bsrgan: ")
        assert line.endswith(".")
        return line.removeprefix("gimp-bsrgan: ")


def command_for(root: Path) -> Command:
    """The command for a root; packages come from this checkout."""
    paths = [path for path in sys.path if path.endswith(("/shared", "/backend"))]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIMP_BSRGAN")}
    environ |= {"GIMP_BSRGAN_PREFIX": str(root), "PYTHONPATH": os.pathsep.join(paths)}
    return Command(root, environ)


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """A root with a tiny x4 model as its default and a x2 model; its daemon is started by whoever needs it."""
    root = tmp_path_factory.mktemp("installation")
    store = ModelStore(root / "models")
    store.put("tiny", synthetic.random_weights(synthetic.TINY, 1), "", None, "test")
    store.put("tiny-x2", synthetic.random_weights(replace(synthetic.TINY, scale=2), 2), "", None, "test")
    # Exact: what auto would choose depends on how busy the machine is.
    (root / "settings.toml").write_text('model = "tiny"\nprecision = "exact"\n')
    command = command_for(root)
    yield command
    command("stop")


@pytest.fixture
def bare(tmp_path: Path) -> Command:
    """A root with nothing in it."""
    return command_for(tmp_path / "root")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A small RGB PNG with something in it."""
    return cli_pictures.picture(tmp_path / "photo.png")
