"""Failures as people read them: one sentence each."""

from __future__ import annotations

from bsrgan_backend.errors import BackendError
from bsrgan_wire.errors import ConnectionLost, DaemonUnreachable, WireError


class Failure(Exception):
    """A command cannot do what was asked; `str()` is one sentence.

    Attributes:
        status: the exit status: 1, or 2 for wrong usage.
    """

    def __init__(self, sentence: str, status: int = 1) -> None:
        self.status = status
        super().__init__(sentence)


def sentence_of(error: BaseException) -> str:
    """What to tell a person about an exception.

    Args:
        error: anything that a command let through.
    """
    if isinstance(error, BackendError | WireError):
        return error.text
    if isinstance(error, ConnectionLost | DaemonUnreachable | Failure):
        return str(error)
    if isinstance(error, MemoryError):
        return "There is too little free memory; close other programs or take a smaller picture."
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        return f"{error.filename}: {reason}." if error.filename else f"{reason}."
    return f"An unexpected error happened ({type(error).__name__}: {error}); please report it."


def code_of(error: BaseException) -> str:
    """The wire's code of an exception, empty when it has none."""
    return error.code if isinstance(error, BackendError | WireError) else ""
