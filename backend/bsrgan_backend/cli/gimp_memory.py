"""Peak memory of the plug-in's process while a GIMP runs it, read from /proc."""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from bsrgan_backend.cli import gimp_batch

PROGRAM = b"gimp-bsrgan.py"
SIDE_PX = 2048
TIMEOUT_S = 600.0
_POLL_S = 0.05
_PEAK = re.compile(rb"^VmHWM:\s+(\d+) kB", re.MULTILINE)

_SCRIPT = """
from gi.repository import Gegl, Gimp
side = {side}
image = Gimp.Image.new(side, side, Gimp.ImageBaseType.RGB)
layer = Gimp.Layer.new(image, "bench", side, side, Gimp.ImageType.RGBA_IMAGE, 100.0, Gimp.LayerMode.NORMAL)
image.insert_layer(layer, None, 0)
buffer = layer.get_buffer()
strip = bytes(range(256)) * (side * 2)
[buffer.set(Gegl.Rectangle.new(0, y, side, 128), "R'G'B'A u8", strip) for y in range(0, side, 128)]
buffer.flush()
layer.update(0, 0, side, side)
procedure = Gimp.get_pdb().lookup_procedure("plug-in-bsrgan-upscale")
config = procedure.create_config()
config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
config.set_property("image", image)
config.set_core_object_array("drawables", [layer])
config.set_property("model", {model!r})
config.set_property("scale", 4)
config.set_property("endpoint", {endpoint!r})
result = procedure.run(config)
assert result.index(0) == Gimp.PDBStatusType.SUCCESS, result.index(1)
"""


def peak_bytes(gimp: list[str], rendezvous_file: Path, model: str, side_px: int = SIDE_PX) -> tuple[int, str]:
    """Enlarge a square RGBA layer four times in GIMP, and watch the plug-in.

    Args:
        gimp: the words that call a gimp-console with the plug-in.
        rendezvous_file: of the daemon to use.
        model: id of the model to use.
        side_px: of the layer, a multiple of 128.

    Returns:
        The highest resident memory seen, in bytes, and an empty text; or 0 and why it could not be measured.
    """
    script = _SCRIPT.format(model=model, endpoint=str(rendezvous_file), side=side_px)
    # Another GIMP may run the plug-in at the same time.
    others = set(_processes())
    try:
        process = subprocess.Popen(
            gimp_batch.command(gimp, script),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
    except OSError as error:
        return 0, f"{gimp[0]} cannot be started ({error.strerror})"
    peak = _watch(process, others)
    assert process.stderr is not None
    with process.stderr:
        told = process.stderr.read().strip().splitlines() if process.returncode else []
    if process.returncode != 0:
        return 0, f"GIMP failed: {told[-1][:100]}" if told else "GIMP failed"
    return (peak, "") if peak else (0, "the plug-in's process was not seen")


def _processes() -> Iterator[Path]:
    return Path("/proc").glob("[0-9]*")


def _watch(process: subprocess.Popen[str], others: set[Path]) -> int:
    peak, end = 0, time.monotonic() + TIMEOUT_S
    while process.poll() is None:
        if time.monotonic() > end:
            process.kill()
        peak = max([peak, *(_peak_of(folder) for folder in _processes() if folder not in others)])
        time.sleep(_POLL_S)
    return peak


def _peak_of(folder: Path) -> int:
    """VmHWM of a process that runs the plug-in, 0 for any other."""
    with contextlib.suppress(OSError):
        words = (folder / "cmdline").read_bytes().split(b"\0")
        # GIMP asks the plug-in for its procedures with -query; only a run counts.
        if b"-run" in words and any(word.endswith(PROGRAM) for word in words):
            found = _PEAK.search((folder / "status").read_bytes())
            return int(found.group(1)) * 1024 if found else 0
    return 0
