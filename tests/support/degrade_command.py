"""`gimp-bsrgan degrade` in the test's own process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bsrgan_backend.cli import main
from bsrgan_backend.imaging.pictures import read_picture


class Degrade:
    """The command in this process, on a folder of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.out = folder / "out"
        self.stdout = ""
        self._capsys = capsys

    def __call__(self, *arguments: object, status: int = 0) -> list[str]:
        """Run it and return the lines on stderr."""
        done = main.main(["degrade", *map(str, arguments), "-d", str(self.out)])
        printed = self._capsys.readouterr()
        assert done == status, printed
        self.stdout = printed.out
        return printed.err.splitlines()

    def fails(self, *arguments: object, status: int = 1) -> str:
        """Run it; it must end with one sentence and without a result."""
        (line,) = self(*arguments, status=status)
        assert line.endswith(".")
        assert not list(self.folder.glob("out/*"))
        return line

    def pixels(self, name: str) -> np.ndarray:
        """A result."""
        return read_picture(self.out / name).pixels
