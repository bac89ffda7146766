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
        _write_draft(draft(path), data, mode)
        draft(path).replace(path)
    except OSError as error:
        drop_draft(path)
        # A full disk is told without any name, and a folder in the file's place with the draft's.
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None
    except BaseException:
        drop_draft(path)
        raise


def drop_draft(path: Path) -> None:
    """Remove what a run that was stopped has left of a file that it wrote."""
    if draft(path).is_file():
        draft(path).unlink()


def _write_draft(path: Path, data: bytes, mode: int | None) -> None:
    path.write_bytes(data)
    if mode is not None:
        path.chmod(mode)
