"""The one exception of the backend; imports nothing, so every module may raise it."""

from __future__ import annotations


class BackendError(Exception):
    """A failure with a code of the wire protocol and one sentence for the user.

    Attributes:
        code: a key of `bsrgan_wire.errors.CODES` (a test holds that).
        text: what happened and what to do, one sentence; no path of a picture, no pixel values.
        detail: more for the log; may be empty.
    """

    def __init__(self, code: str, text: str, detail: str = "") -> None:
        self.code = code
        self.text = text
        self.detail = detail
        super().__init__(f"{code}: {text}" + (f" ({detail})" if detail else ""))
