"""Runs one contestant in a process of its own, told what to do by lines on stdin.

    python runner.py MODULE '{"weights": "net.safetensors", "image": "lr.npy", "threads": 2, ...}'

MODULE is a neighbour with `load(request, tensors, image) -> mapping` (see `Loaded`). After loading one JSON line says
`ready`. For every line on stdin the network runs once and a JSON line says how long it took; the end of stdin ends
the process.
Only the standard library and numpy are used here.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Tensors = Mapping[str, Array]
Request = Mapping[str, Any]

_RESIDENT = re.compile(r"^VmRSS:\s+(\d+) kB", re.MULTILINE)
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


Loaded = Mapping[str, Any]
"""A contestant that is ready. `run` takes nothing, does the work once and returns (1, C, sH, sW) float32, or None for
work without a result; `versions` maps libraries to versions. Optional are `note`: how it runs; `precision`: what it
really computes in, where that may differ from what was asked; `prepare`: called once after the memory of the loaded
network is taken, returns a note."""

Load = Callable[[Request, Tensors, Array], Loaded]


def read_tensors(path: Path) -> dict[str, Array]:
    """All tensors of a safetensors file that holds float32 only, which is what this project's models are kept in.

    Raises:
        ValueError: a tensor is of another dtype.
    """
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, facts in header.items():
        if facts["dtype"] != "F32":
            raise ValueError(f"{name} is {facts['dtype']}, not F32")
        begin, end = (8 + length + offset for offset in facts["data_offsets"])
        tensors[name] = np.frombuffer(content[begin:end], "<f4").reshape(facts["shape"])
    return tensors


def resident_bytes() -> int:
    """Resident memory of this process now; 0 where it is not told."""
    return _of_status(_RESIDENT)


def peak_bytes() -> int:
    """Highest resident memory of this process since its start or `forget_peak`; 0 where it is not told."""
    return _of_status(_PEAK)


def forget_peak() -> bool:
    """Let the peak begin at what is resident now; False where the system does not allow it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _of_status(pattern: re.Pattern[str]) -> int:
    try:
        found = pattern.search(Path("/proc/self/status").read_text())
    except OSError:
        return 0
    return int(found.group(1)) * 1024 if found else 0


def serve(load: Load, request: Request) -> None:
    """Load, tell, and run once for every line of stdin.

    Args:
        load: makes the contestant from the request, the tensors and the picture (1, C, H, W).
        request: keys `weights` and `image` (paths, may be missing), `result` (where the first result goes as .npy),
            `threads`, `blocks` and `doublings` of the network, `precision`, `times` (that it does its work in a run; 1
            when missing), and whatever else `load` wants to know.
    """
    out = _own_stdout()
    tensors = read_tensors(Path(request["weights"])) if request.get("weights") else {}
    image = np.load(request["image"]) if request.get("image") else np.empty(0, np.float32)
    began = time.perf_counter()
    loaded = load(request, tensors, image)
    base = resident_bytes()
    prepare = loaded.get("prepare")
    note = prepare() if prepare else loaded.get("note", "")
    _tell(
        out,
        event="ready",
        load_s=time.perf_counter() - began,
        base_bytes=base,
        versions=loaded["versions"],
        note=note,
        precision=loaded.get("precision", ""),
    )
    target = request.get("result")
    for _line in sys.stdin:
        result, seconds, peak = _timed(loaded["run"], request.get("times", 1))
        if "taken_bytes" in loaded:
            # Other processes have helped.
            peak = max(peak, base + loaded["taken_bytes"]())
        if target and result is not None:
            np.save(target, result)
            target = None
        _tell(out, event="ran", seconds=seconds, peak_bytes=peak)


def _timed(run: Callable[[], Array | None], times: int) -> tuple[Array | None, float, int]:
    forget_peak()
    began = time.perf_counter()
    for _ in range(times):
        result = run()
    seconds = time.perf_counter() - began
    return result, seconds, peak_bytes()


def _own_stdout() -> TextIO:
    """A stream to the real stdout, while whatever libraries print there goes to stderr."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return out


def _tell(out: TextIO, **facts: object) -> None:
    out.write(json.dumps(facts) + "\n")
    out.flush()


if __name__ == "__main__":
    # The neighbours import nothing from here, so that this module exists only once, as __main__.
    serve(importlib.import_module(sys.argv[1]).load, json.loads(sys.argv[2]))
