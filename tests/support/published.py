"""A daemon whose list of published models is that of a test: `python published.py serve`.

The variable PUBLISHED holds the list as JSON: for each model its id, address, length and SHA-256.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bsrgan_backend.cli import main as command_line
from bsrgan_backend.daemon import model_transfers
from bsrgan_backend.models import catalog
from bsrgan_backend.models.catalog import UrlSource
from bsrgan_backend.worker import model_transfer

VARIABLE = "PUBLISHED"
SERVE = (str(Path(__file__).resolve()), "serve")
_TRANSFER = "transfer"


def variable(models: Sequence[tuple[str, str, int, str]]) -> dict[str, str]:
    """The environment for these models: id, address, length in bytes, SHA-256 in hex."""
    return {VARIABLE: json.dumps(list(models))}


def _publish(text: str) -> None:
    first = catalog.ENTRIES[0]
    entries = [
        replace(first, id=name, title=f"The {name} network", source=UrlSource(url, "NET.pth", size, sha256))
        for name, url, size, sha256 in json.loads(text)
    ]
    catalog.ENTRIES = tuple(entries)
    catalog._BY_ID.clear()
    catalog._BY_ID.update({entry.id: entry for entry in entries})


def main() -> int:
    """Run the daemon, or the process that the daemon starts for a transfer."""
    _publish(os.environ[VARIABLE])
    if sys.argv[1] == _TRANSFER:
        del sys.argv[1]
        model_transfer.main()
        return 0
    model_transfers.COMMAND = (sys.executable, str(Path(__file__).resolve()), _TRANSFER)
    return command_line.main()


if __name__ == "__main__":
    sys.exit(main())
