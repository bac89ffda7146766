"""Writing files whole: each takes its place at once, and a failure names it."""

from __future__ import annotations

from pathlib import Path


def draft(path: Path) -> Path:
    """Where a file is written before it takes its place."""
    return path.with_name(f".{path.name}.new")


def write(path: Path, data: bytes, mode: int | None = None) -> None:
    """Write a file and make its folder; the old one stays until the new one is whole.

    Args:
        path: the file.
        data: all of it.
        mode: its permissions; None leaves them to the system.

    Raises:
        OSError: it cannot be written; `filename` is the file's, whatever step failed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft(path).write_bytes(data)
        if mode is not None:
            draft(path).chmod(mode)
        draft(path).replace(path)
    except OSError as error:
        # A full disk is told without any name, and a folder in the file's place with the draft's.
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None
