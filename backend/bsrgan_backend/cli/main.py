"""The command `gimp-bsrgan`, before anything else is imported.

Exit status: 0 success, 1 failure (one sentence on stderr), 2 wrong usage, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: without the program's name; default those of the process.

    Returns:
        The exit status.
    """
    is_quiet = _end_at_ctrl_c()
    _replace_closed_streams()
    from bsrgan_backend.cli import commands

    if is_quiet:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return commands.run(arguments)


def _end_at_ctrl_c() -> bool:
    """End at Ctrl-C without a word: an exception in the middle of an import would be told as a traceback."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return False
    try:
        signal.signal(signal.SIGINT, lambda _number, _frame: os._exit(130))
    except ValueError:  # not in the first thread
        return False
    return True


def _replace_closed_streams() -> None:
    """Write to nowhere what the caller has closed; in order, so that files opened later get no number of these."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
