"""How a run ends: every failure becomes one PDB status and one sentence. Without gi, and without the wire at import.

A failure has no way to become a success: `Outcome` only knows the three statuses of a run that changed nothing.
"""

from __future__ import annotations

import enum
import errno
from dataclasses import dataclass

from bsrgan_plugin.translation import _, sentence


class Status(enum.Enum):
    """The statuses of `Gimp.PDBStatusType` for a run that did not succeed; the values are its member names."""

    CANCEL = "CANCEL"
    CALLING_ERROR = "CALLING_ERROR"
    EXECUTION_ERROR = "EXECUTION_ERROR"


@dataclass(frozen=True)
class Outcome:
    """How an unsuccessful run ended.

    Attributes:
        status: what the PDB is told.
        text: one sentence for the user; empty when the user cancelled.
        is_unexpected: the cause is a defect, so its traceback belongs on stderr.
    """

    status: Status
    text: str
    is_unexpected: bool = False


class Refusal(Exception):
    """This layer, selection or option cannot be worked on; `str()` is one sentence with the way out."""


class Cancelled(Exception):
    """The user does not want the result any more."""


class NotInstalled(Exception):
    """The daemon's installation is missing or incomplete; `str()` is one sentence with the way out."""


class ImageChanged(Exception):
    """The picture is no longer what it was when the run began; `str()` is one sentence."""

    @classmethod
    def closed(cls) -> ImageChanged:
        """The layer is gone, alone or with its picture."""
        return cls(_("The layer or its picture was closed meanwhile, so the result has no place to go."))


def of_error(error: BaseException) -> Outcome:
    """The outcome of a run that `error` ended.

    Args:
        error: anything that was raised; unknown errors count as defects of the plug-in.
    """
    if isinstance(error, (Cancelled, KeyboardInterrupt)):
        return Outcome(Status.CANCEL, "")
    if isinstance(error, Refusal):
        return Outcome(Status.CALLING_ERROR, str(error))
    if isinstance(error, (NotInstalled, ImageChanged)):
        return Outcome(Status.EXECUTION_ERROR, str(error))
    if isinstance(error, (ImportError, SyntaxError)):
        return Outcome(Status.EXECUTION_ERROR, _incomplete(error))
    return _of_wire_error(error) or _of_system_error(error)


def _incomplete(error: ImportError | SyntaxError) -> str:
    """The sentence for a file of the plug-in that is missing, cut off or overwritten."""
    missing = (error.name if isinstance(error, ImportError) else error.filename) or _("a part of it")
    return _("The plug-in is incomplete ({missing} cannot be loaded); run the installer of gimp-bsrgan again.").format(
        missing=missing
    )


def _of_wire_error(error: BaseException) -> Outcome | None:
    try:
        from bsrgan_wire.errors import ConnectionLost, DaemonUnreachable, JobCancelled, WireError
    except ImportError as missing:
        return Outcome(Status.EXECUTION_ERROR, _incomplete(missing))
    if isinstance(error, JobCancelled):
        return Outcome(Status.CANCEL, "")
    if isinstance(error, WireError):
        if error.code == "CANCELLED":
            return Outcome(Status.CANCEL, "")
        return Outcome(Status.EXECUTION_ERROR, sentence(error.text))
    if isinstance(error, (ConnectionLost, DaemonUnreachable)):
        return Outcome(Status.EXECUTION_ERROR, sentence(str(error)) or _("The daemon is gone; run the filter again."))
    return None


def _of_system_error(error: BaseException) -> Outcome:
    if isinstance(error, MemoryError):
        text = _("There is too little free memory; close other programs or select a smaller area.")
        return Outcome(Status.EXECUTION_ERROR, text)
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            text = _("The disk is too full; free some space and try again.")
            return Outcome(Status.EXECUTION_ERROR, text)
        reason = error.strerror or type(error).__name__
        text = _(
            "The system refused something that the plug-in needs ({reason}); run 'gimp-bsrgan status' to see more."
        )
        return Outcome(Status.EXECUTION_ERROR, text.format(reason=reason))
    text = _("The plug-in met an unexpected error ({kind}) and left the picture as it was; please report it.")
    return Outcome(Status.EXECUTION_ERROR, text.format(kind=type(error).__name__), is_unexpected=True)
