"""A daemon small enough for the tests of launching: answers as DaemonDouble does until it is told to stop.

    python small_daemon.py [--exit STATUS | --mute | --delay SECONDS]

The root folder comes from GIMP_BSRGAN_PREFIX, as for the real one; its environment is left in `environment.json`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "shared")]

from support.daemon_double import DaemonDouble  # noqa: E402


def main(arguments: list[str]) -> int:
    """Serve until SHUTDOWN, or do what the arguments say."""
    root = Path(os.environ["GIMP_BSRGAN_PREFIX"])
    facts = {"environment": dict(os.environ), "session": os.getsid(0), "pid": os.getpid(), "folder": str(Path.cwd())}
    (root / "environment.json").write_text(json.dumps(facts), "utf-8")
    match arguments:
        case ["--exit", status]:
            return int(status)
        case ["--mute"]:
            time.sleep(60)
            return 0
        case ["--delay", seconds]:
            time.sleep(float(seconds))
    with DaemonDouble(root) as double:
        until = time.monotonic() + 60
        while "SHUTDOWN" not in double.kinds() and time.monotonic() < until:
            time.sleep(0.05)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
