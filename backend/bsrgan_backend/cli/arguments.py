"""What several commands take as an argument."""

from __future__ import annotations

import argparse
from pathlib import Path

from bsrgan_backend.cli.language import _


def path(text: str) -> Path:
    """A file or folder; an empty name, such as an unset variable leaves, would be the current folder.

    Raises:
        argparse.ArgumentTypeError: it is empty.
    """
    if not text:
        raise argparse.ArgumentTypeError(_("the name is empty; give a file or a folder"))
    return Path(text)
