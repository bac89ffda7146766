"""What graphics cards this machine seems to have, and which installed library could use them. Imports neither.

Importing a library takes seconds and hundreds of megabytes, so this comes first, from what the system shows.
"""

from __future__ import annotations

import functools
import importlib.util
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

ENGINES = ("auto", "paddle", "torch")

_QUERY = "index,name,driver_version,compute_cap,memory.total,memory.free"
_QUERY_S = 10.0


@dataclass(frozen=True)
class Card:
    """An NVIDIA card as its driver describes it.

    Attributes:
        index: its number.
        name: as its maker calls it.
        driver: the driver's version.
        capability: (major, minor) of its instruction set.
        total_bytes: its memory.
        free_bytes: what nobody has taken.
    """

    index: int
    name: str
    driver: str
    capability: tuple[int, int]
    total_bytes: int
    free_bytes: int


def nvidia_cards() -> list[Card]:
    """The NVIDIA cards that the driver's own tool lists; none where it is missing or says nothing in time."""
    command = ["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_QUERY_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return parsed(done.stdout) if done.returncode == 0 else []


def parsed(listing: str) -> list[Card]:
    """Cards from the tool's lines; one that does not say what is asked (`[N/A]`) is left out."""
    pattern = r"(\d+), (.+), ([\d.]+), (\d+)\.(\d+), (\d+), (\d+)"
    found = (re.fullmatch(pattern, line.strip()) for line in listing.splitlines())
    return [
        Card(
            int(one[1]),
            one[2],
            one[3],
            (int(one[4]), int(one[5])),
            int(one[6]) << 20,
            int(one[7]) << 20,
        )
        for one in found
        if one
    ]


def may_have_card() -> bool:
    """Whether it is worth asking a library for a card: the system shows a driver of one."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    if sys.platform == "win32":
        return True  # there is no place to look that costs less than asking
    return any(Path(node).exists() for node in ("/dev/nvidia0", "/dev/nvidiactl", "/dev/kfd", "/dev/dxg", "/dev/dri"))


@functools.cache
def has_paddle_gpu() -> bool:
    """Whether Paddle is installed in its build for NVIDIA cards."""
    return _is_installed("paddlepaddle-gpu")


@functools.cache
def has_paddle() -> bool:
    """Whether any build of Paddle is installed."""
    return importlib.util.find_spec("paddle") is not None


@functools.cache
def has_torch() -> bool:
    """Whether PyTorch is installed in this environment."""
    return importlib.util.find_spec("torch") is not None


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def engine_for(asked: str, device: str) -> str:
    """Which library is to run a device: "paddle" or "torch".

    Args:
        asked: one of `ENGINES`.
        device: "auto", "cpu", "gpu" or "gpu:N".
    """
    if asked != "auto":
        return asked
    if not has_torch() or has_paddle_gpu():
        return "paddle"
    if not has_paddle():
        return "torch"
    if device == "cpu":
        return "paddle"
    # PyTorch in this environment was put there on purpose: it is no dependency of the project.
    return "torch" if device != "auto" or may_have_card() else "paddle"


def expected(device: str, engine: str) -> str:
    """What "auto" will probably become; known for certain when a model is loaded."""
    if device == "auto":
        can_use_card = engine == "torch" or has_paddle_gpu()
        return "gpu:0" if can_use_card and may_have_card() else "cpu"
    return "gpu:0" if device == "gpu" else device
