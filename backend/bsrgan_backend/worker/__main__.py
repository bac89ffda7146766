"""Entry of the worker process: `python -m bsrgan_backend.worker --device cpu --root DIR --link-fd N --threads N`."""

from __future__ import annotations

import argparse
import faulthandler
import os
from pathlib import Path

from bsrgan_backend import link, settings
from bsrgan_backend.worker import process, service
from bsrgan_backend.worker.residency import Residency
from bsrgan_wire import places


def main() -> None:
    """Run until the supervisor lets go; the supervisor is the only one who starts this."""
    arguments = _arguments()
    # A crash in native code then says where; the supervisor keeps the last words.
    faulthandler.enable()
    process.depend_on_parent()
    process.offer_to_oom_killer()
    given = settings.load({}, {**os.environ, places.PREFIX_VARIABLE: str(arguments.root)}).settings
    process.log_to(arguments.root / "logs" / "worker.log", given.log_level)
    spool = settings.spool_folder(given, arguments.root)
    library, _, device = arguments.device.rpartition("/")
    residency = Residency(
        arguments.root, device, arguments.threads, given.model, spool, given.precision, library or given.engine
    )
    defaults = {"tile": given.tile, "memory": given.memory_bytes}
    service.Service(link.inherited(arguments.link_fd), residency, defaults, spool).serve()
    service.leave()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bsrgan_backend.worker", description="The process that owns a device.")
    parser.add_argument("--device", required=True, help="auto, cpu, gpu or gpu:N, perhaps after paddle/ or torch/")
    parser.add_argument("--root", required=True, type=Path, help="the installation's folder")
    parser.add_argument("--link-fd", required=True, help="the supervisor's line: a descriptor, or stdin on Windows")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 for as many as the machine gives")
    return parser.parse_args()


if __name__ == "__main__":
    main()
