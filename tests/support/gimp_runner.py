"""Runs inside GIMP's own Python: calls the check functions of one module and writes what became of each.

Started by `gimp_session` as a batch command. One line of JSON per check goes to the results file as soon as it is
known, so a GIMP that dies in the middle still tells how far it came.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

RUN_VARIABLE = "GIMP_BSRGAN_TEST_RUN"
"""Path of a JSON file: module, checks, results, path (folders for sys.path), options (given to the checks)."""


def main() -> None:
    """Run every asked check; only a wrong request raises, a failing check is a result."""
    asked = json.loads(Path(os.environ[RUN_VARIABLE]).read_text("utf-8"))
    sys.path[:0] = asked["path"]
    with Path(asked["results"]).open("a", encoding="utf-8") as results:
        try:
            module = _load(asked["module"])
        except Exception:  # noqa: BLE001, every failure of a check is a result
            for name in asked["checks"]:
                _tell(results, {"check": name, "state": "failed", "error": _told()})
            return
        for name in asked["checks"]:
            _tell(results, {"check": name, "state": "started"})
            _tell(results, _outcome(module, name, asked["options"]))


def _outcome(module: ModuleType, name: str, options: dict[str, Any]) -> dict[str, Any]:
    began = time.monotonic()
    function, _, case = name.partition("[")
    try:
        with _no_images_left():
            check = getattr(module, function)
            value = check(options, module.CASES[function][case.rstrip("]")]) if case else check(options)
            json.dumps(value)
    except Exception:  # noqa: BLE001, every failure of a check is a result
        return {"check": name, "state": "failed", "error": _told(), "seconds": time.monotonic() - began}
    return {"check": name, "state": "passed", "value": value, "seconds": time.monotonic() - began}


def _told() -> str:
    """The current exception with the values of its local variables: there is no assertion rewriting in GIMP."""
    error = traceback.TracebackException(*sys.exc_info(), capture_locals=True)
    for frame in error.stack:
        # Only the checks' own frames speak, and long values (pixels) would drown the rest.
        if "/tests/gimp/" not in frame.filename:
            frame.locals = None
        elif frame.locals:
            frame.locals = {key: value[:300] for key, value in frame.locals.items() if not key.startswith("__")}
    return "".join(error.format())


@contextlib.contextmanager
def _no_images_left() -> Iterator[None]:
    """Delete the images that a check leaves, so that checks cannot disturb each other."""
    from gi.repository import Gimp

    before = {image.get_id() for image in Gimp.get_images()}
    try:
        yield
    finally:
        for image in Gimp.get_images():
            if image.get_id() not in before:
                image.delete()


def _load(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _tell(results: Any, line: dict[str, Any]) -> None:
    results.write(json.dumps(line) + "\n")
    results.flush()


if __name__ == "__main__":
    main()
