"""Every error that crosses the wire: its code, its class, whether to try again, and the user's sentence.

WireError
├── FrameError      bytes that are no message of this protocol
└── RemoteError     an ERROR, REJECT or failed STATE that the other side sent
ConnectionLost      the socket is gone or silent (the job may go on: ATTACH)
DaemonUnreachable   nothing answered within the time given
JobCancelled        the caller asked to cancel, and the job is cancelled
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CodeFacts:
    """What a code means to a program and to a person."""

    klass: str
    """protocol, auth, input, resource, state or daemon."""
    retry: str
    """no, later (same request may succeed), smaller (a smaller one may) or once."""
    text: str
    """One sentence for the user: what happened and what to do."""


_PROTOCOL_TEXT = "The plug-in and the daemon did not understand each other; run the installer again to update both."

CODES: dict[str, CodeFacts] = {
    "BAD_MAGIC": CodeFacts("protocol", "no", _PROTOCOL_TEXT),
    "BAD_FRAME": CodeFacts("protocol", "no", _PROTOCOL_TEXT),
    "BAD_HEADER": CodeFacts("protocol", "no", _PROTOCOL_TEXT),
    "UNKNOWN_KIND": CodeFacts("protocol", "no", _PROTOCOL_TEXT),
    "VERSION": CodeFacts(
        "protocol",
        "no",
        "The daemon speaks another protocol version; run the installer again, then restart GIMP.",
    ),
    "FLOW": CodeFacts("protocol", "no", _PROTOCOL_TEXT),
    "SEQUENCE": CodeFacts("protocol", "no", _PROTOCOL_TEXT),
    "TOO_LARGE": CodeFacts("protocol", "no", _PROTOCOL_TEXT),
    "CHECKSUM": CodeFacts("protocol", "once", "The pixels were damaged on their way to the daemon; try again."),
    "AUTH": CodeFacts("auth", "no", "The daemon did not accept this client's key; restart the daemon and try again."),
    "DENIED": CodeFacts("auth", "no", "The daemon belongs to another user; start your own with 'gimp-bsrgan serve'."),
    "BAD_SHAPE": CodeFacts(
        "input", "no", "The picture's size or channels cannot be worked on; convert it and try again."
    ),
    "ZERO_SIZE": CodeFacts("input", "no", "The picture is empty; choose a layer or selection with at least one pixel."),
    "TOO_MANY_PIXELS": CodeFacts("input", "smaller", "The picture or its result is too large; select a smaller area."),
    "BAD_DTYPE": CodeFacts(
        "input", "no", "This pixel type cannot be worked on; convert the picture to 8, 16 or 32 bit."
    ),
    "BAD_PARAM": CodeFacts("input", "no", "One of the options is not valid; check them and try again."),
    "NONFINITE": CodeFacts(
        "input", "no", "The picture holds NaN or infinite values; clip or repaint those pixels and try again."
    ),
    "POISONED_INPUT": CodeFacts(
        "input",
        "no",
        "This picture stopped the worker twice and is refused now; please report it with the log.",
    ),
    "GPU_OOM": CodeFacts(
        "resource",
        "smaller",
        "The graphics card has too little free memory; close other programs or use the CPU.",
    ),
    "HOST_OOM": CodeFacts(
        "resource",
        "smaller",
        "There is too little free memory; close other programs or select a smaller area.",
    ),
    "DISK_FULL": CodeFacts("resource", "later", "The disk is too full for the result; free some space and try again."),
    "QUEUE_FULL": CodeFacts("resource", "later", "The daemon has too many jobs waiting; try again when some are done."),
    "RESULT_EXPIRED": CodeFacts(
        "resource", "once", "The result waited too long and was dropped; run the filter again."
    ),
    "JOB_UNKNOWN": CodeFacts("state", "once", "The daemon was restarted and the job is lost; run the filter again."),
    "JOB_DONE": CodeFacts("state", "no", "The job had already ended."),
    "CANCELLED": CodeFacts("state", "no", "The job was cancelled."),
    "SHUTTING_DOWN": CodeFacts("state", "later", "The daemon is shutting down; try again in a moment."),
    "WORKER_CRASHED": CodeFacts(
        "daemon",
        "once",
        "The worker process stopped unexpectedly and was replaced; try again, or select a smaller area.",
    ),
    "MODEL_MISSING": CodeFacts(
        "daemon",
        "no",
        "The model is not installed; get it with 'gimp-bsrgan models download' or choose another.",
    ),
    "MODEL_LOAD": CodeFacts(
        "daemon", "no", "The model could not be loaded; download it again with 'gimp-bsrgan models download'."
    ),
    "MODEL_HASH": CodeFacts(
        "daemon", "no", "The model's file is damaged; download it again with 'gimp-bsrgan models download'."
    ),
    "DEVICE": CodeFacts("daemon", "no", "The chosen device cannot be used; choose 'auto' or 'cpu'."),
    "TIMEOUT": CodeFacts("daemon", "once", "The worker stopped answering and was replaced; try again."),
    "INTERNAL": CodeFacts(
        "daemon", "once", "The daemon met an unexpected error; see its log ('gimp-bsrgan status' names it)."
    ),
}


class WireError(Exception):
    """An error with a code of this protocol.

    Attributes:
        code: a key of `CODES`.
        text: one sentence for the user.
        detail: more for a log; never shown alone.
        ref: the sequence number of the message that caused it, 0 when unknown.
    """

    def __init__(self, code: str, text: str = "", detail: str = "", ref: int = 0) -> None:
        facts = CODES.get(code, CODES["INTERNAL"])
        self.code = code
        self.text = text or facts.text
        self.detail = detail
        self.ref = ref
        self.klass = facts.klass
        self.retry = facts.retry
        super().__init__(f"{code}: {self.text}" + (f" ({detail})" if detail else ""))


class FrameError(WireError):
    """Bytes that are no message of this protocol."""


class RemoteError(WireError):
    """An error that the other side reported."""


class ConnectionLost(Exception):
    """The connection is gone or silent; `str()` is one sentence for the user."""


class DaemonUnreachable(Exception):
    """No daemon answered within the time given; `str()` is one sentence for the user."""


class JobCancelled(Exception):
    """The job was cancelled because the caller's `is_cancelled` said so."""

    def __init__(self) -> None:
        super().__init__(CODES["CANCELLED"].text)
