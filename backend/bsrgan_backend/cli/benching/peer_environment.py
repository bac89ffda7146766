"""The environment of the other runtimes: made on request, apart from the installation, below the same root."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

from bsrgan_backend.cli.failure import Failure

FOLDER = "bench-peers"
PACKAGES = ("numpy", "onnx", "openvino", "onnxruntime")
TORCH = "torch"
TORCH_VARIABLE = "GIMP_BSRGAN_BENCH_TORCH"
"""What to install instead of `torch`: "torch==2.13.0", or the path or address of a wheel. The package index's own
wheel for Linux brings several GB of libraries for graphics cards; PyTorch's site lists smaller ones for processors."""

_LIBRARIES = ("torch", "openvino", "onnxruntime", "onnx", "numpy")


def python_of(root: Path) -> Path:
    """The Python of the environment below an installation's root; it may not exist."""
    folder = root / FOLDER / "venv"
    return folder / "Scripts" / "python.exe" if sys.platform == "win32" else folder / "bin" / "python"


def is_complete(root: Path) -> bool:
    """Whether every library is found there; nothing is imported."""
    check = f"import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, {_LIBRARIES!r})))"
    try:
        return subprocess.run([python_of(root), "-c", check], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def ensure(root: Path, show: Callable[[str], None]) -> Path:
    """Return the environment's Python, after making it with the user's own pip if something is missing.

    Args:
        root: the installation's folder.
        show: given a line of progress.

    Raises:
        Failure: pip could not install it; its last sentence is told.
    """
    if is_complete(root):
        return python_of(root)
    folder = root / FOLDER
    show(f"installing PyTorch, OpenVINO and ONNX Runtime into {folder}")
    try:
        venv.create(folder / "venv", with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failure(f"The environment {folder} could not be made ({error}).") from error
    command = [str(python_of(root)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    wanted = [os.environ.get(TORCH_VARIABLE) or TORCH, *PACKAGES]
    done = subprocess.run([*command, *wanted], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        why = next((line for line in said if line.startswith("ERROR")), said[-1] if said else "no reason given")
        raise Failure(f"pip could not install the other runtimes: {why.removeprefix('ERROR: ')[:200]}.")
    return python_of(root)
