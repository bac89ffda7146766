"""A process that installs one model for the daemon: `python -m bsrgan_backend.worker.model_transfer`.

It ends with the line to the daemon, so a daemon that stops or lets go of it leaves nothing behind. What is under way
then is undone as after Ctrl-C: half-written files go, and a download that can be continued stays.
"""

from __future__ import annotations

import _thread
import argparse
import contextlib
import logging
import signal
import threading
from pathlib import Path
from typing import Any

from bsrgan_backend import link
from bsrgan_backend.errors import BackendError
from bsrgan_backend.link import Link, LinkClosed
from bsrgan_backend.models import catalog, download
from bsrgan_backend.models.store import ModelStore
from bsrgan_backend.worker import process

log = logging.getLogger(__name__)

_NO_MEMORY = "There is too little free memory to read this model; close other programs and try again."


def main() -> None:
    """Install the model that the arguments name and tell the supervisor how it goes."""
    arguments = _arguments()
    process.log_to(arguments.root / "logs" / "models.log", "info")
    line = link.inherited(arguments.link_fd)
    end_with(line)
    with contextlib.suppress(LinkClosed, KeyboardInterrupt):
        line.send(outcome(arguments.action, arguments.name, ModelStore(arguments.root / "models"), line))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bsrgan_backend.worker.model_transfer", description=main.__doc__)
    parser.add_argument("--root", required=True, type=Path, help="the installation's folder")
    parser.add_argument("--link-fd", required=True, help="the supervisor's line: a descriptor, or stdin on Windows")
    parser.add_argument("action", choices=("get", "add"), help="fetch a published model, or add a file")
    parser.add_argument("name", help="the model's id, or the file's path")
    return parser.parse_args()


def end_with(line: Link) -> None:
    """Interrupt the main thread, as Ctrl-C does, as soon as the supervisor has closed the line or is gone."""
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def wait() -> None:
        with contextlib.suppress(LinkClosed):
            while True:
                line.receive()
        # A signal, since that also ends what the main thread waits for in the system.
        if hasattr(signal, "pthread_kill"):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        else:
            _thread.interrupt_main()

    threading.Thread(target=wait, name="line", daemon=True).start()


def outcome(action: str, name: str, store: ModelStore, line: Link) -> dict[str, Any]:
    """Install a model and return the last message of the line.

    Args:
        action: "get" for a published model, "add" for a file.
        name: its id, or the file's path.
        store: where it goes.
        line: gets messages of progress.

    Returns:
        `{"t": "done", "model": id}`, or `{"t": "failed"}` with code and sentence.

    Raises:
        LinkClosed, KeyboardInterrupt: nobody waits for it any more.
    """

    def on_progress(done: int, total: int) -> None:
        line.send({"t": "progress", "done": done, "total": total})

    try:
        return {"t": "done", "model": _install(action, name, store, on_progress)}
    except BackendError as error:
        log.warning("model %s: %s %s", action, error.code, error.detail)
        return _failed(error.code, error.text)
    except MemoryError:
        return _failed("HOST_OOM", _NO_MEMORY)
    except LinkClosed:
        raise
    except Exception:
        log.exception("model %s", action)
        return _failed("INTERNAL", "The model could not be installed because of an unexpected error; see models.log.")


def _install(action: str, name: str, store: ModelStore, on_progress: download.Progress) -> str:
    if action == "add":
        return store.add(Path(name)).id
    entry = catalog.find(name)
    if entry is None:
        raise BackendError("BAD_PARAM", f"No model {name} is published; choose one of the list.")
    return download.download(entry, store, on_progress).id


def _failed(code: str, text: str) -> dict[str, Any]:
    return {"t": "failed", "code": code, "text": text}


if __name__ == "__main__":
    main()
