"""Starts a real supervisor with the fake worker: `python run_daemon.py ROOT name=value...`."""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

from bsrgan_backend import settings
from bsrgan_backend.daemon import server

WORKER = (sys.executable, str(Path(__file__).with_name("fake_worker.py")))


def main() -> int:
    """Serve until stopped."""
    root = Path(sys.argv[1])
    flags = dict(word.split("=", 1) for word in sys.argv[2:])
    if flags.pop("wall_clock", "") == "jumps":
        real = time.time
        time.time = lambda: real() + random.choice([-1, 1]) * random.choice([3600.0, 31_536_000.0])
    if "file_bytes" in flags:
        import resource

        # Writing beyond this fails as on a full disk (EFBIG), here and in the worker, without needing one.
        most = int(flags.pop("file_bytes"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    environ = {**os.environ, "GIMP_BSRGAN_PREFIX": str(root)}
    return server.serve(settings.load(flags, environ), root, WORKER)


if __name__ == "__main__":
    sys.exit(main())
