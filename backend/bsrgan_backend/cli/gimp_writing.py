"""How long the plug-in takes to write a result into a layer, beside GIMP's own write of the same bytes."""

from __future__ import annotations

import json
import statistics
import subprocess
from dataclasses import dataclass

from bsrgan_backend.cli import gimp_batch

SIDE_PX = 8192
ROUNDS = 3
TIMEOUT_S = 600.0
_MARK = "gimp-bsrgan-bench "

# Runs in GIMP's Python, with the modules of the plug-in that GIMP has. The plug-in reads its bytes from a file while it
# is timed; GIMP has them in memory. Its fastest way is one `set` of all, with GEGL's cache as large as GIMP makes it.
_SCRIPT = """
import json, os, pathlib, re, sys, time
from gi.repository import Gegl, Gimp
folders = [pathlib.Path(part) for part in Gimp.gimprc_query("plug-in-path").split(os.pathsep)]
folders = [pathlib.Path(Gimp.directory()) / "plug-ins"] + folders
home = next(one / "gimp-bsrgan" for one in folders if (one / "gimp-bsrgan" / "bsrgan_plugin").is_dir())
sys.path[:0] = [str(home), str(home / "vendor")]
from bsrgan_plugin import exchange, layers, origins, outputs, pixel_file, placing
side, rows, status = {side}, 128, pathlib.Path("/proc/self/status")
size = outputs.Size(side, side)
file = pixel_file.PixelFile(size, 4)
strip = os.urandom(side * 4 * rows)
[file.write(row, strip) for row in range(0, side, rows)]
own_cache = Gegl.config().get_property("tile-cache-size")
image = Gimp.Image.new(side // 4, side // 4, Gimp.ImageBaseType.RGB)
layer = Gimp.Layer.new(image, "bench", side // 4, side // 4, Gimp.ImageType.RGBA_IMAGE, 100.0, Gimp.LayerMode.NORMAL)
image.insert_layer(layer, None, 0)
part = outputs.Size(side // 4, side // 4)
source = outputs.Source(part, part, 0, 0, outputs.Area(0, 0, side // 4, side // 4))
placement = outputs.place(source, outputs.OutputMode.NEW_IMAGE, 4)
origin = origins.Origin.of(layer, source)
pixels = origin.pixels
def plugin():
    layers.limit_cache()
    began = time.perf_counter()
    incoming = exchange.Incoming(lambda _size: placing.Result(origin, placement, "bench"))
    incoming.expect(size)
    for row in range(0, side, rows):
        incoming.take(row, rows, memoryview(file.rows(row, rows)))
    result = incoming.complete()
    result.insert(None)
    return began, result.image
def gimp():
    Gegl.config().set_property("tile-cache-size", own_cache)
    made = Gimp.Image.new(side, side, Gimp.ImageBaseType.RGB)
    made.undo_disable()
    data = file.rows(0, side)
    began = time.perf_counter()
    whole = Gimp.Layer.new(made, "bench", side, side, Gimp.ImageType.RGBA_IMAGE, 100.0, Gimp.LayerMode.NORMAL)
    buffer = whole.get_buffer()
    buffer.set(Gegl.Rectangle.new(0, 0, side, side), pixels.babl_name, data)
    buffer.flush()
    del buffer
    whole.update(0, 0, side, side)
    made.insert_layer(whole, None, 0)
    return began, made
def measured(write):
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    began, made = write()
    seconds = time.perf_counter() - began
    peak = int(re.search("VmHWM:[^0-9]+([0-9]+) kB", status.read_text()).group(1)) * 1024
    made.delete()
    return seconds, peak
told = [(measured(plugin), measured(gimp)) for _ in range({rounds})]
file.close()
image.delete()
print("\\n{mark}" + json.dumps(told), flush=True)
"""


@dataclass(frozen=True)
class Writing:
    """What writing took.

    Attributes:
        plugin_s: median of the plug-in's way.
        gimp_s: median of GIMP's own.
        ratio: median of each round's ratio.
        peak_bytes: highest resident memory of the process in the plug-in's way; it holds GIMP's Python too.
    """

    plugin_s: float
    gimp_s: float
    ratio: float
    peak_bytes: int


def measure(gimp: list[str], side_px: int = SIDE_PX, rounds: int = ROUNDS) -> tuple[Writing | None, str]:
    """Write a square RGBA result of 8 bit into new layers, by the plug-in and by GIMP alone, in turns.

    Args:
        gimp: the words that call a gimp-console with the plug-in; Linux only.
        side_px: of the result, a multiple of 512.
        rounds: how often.

    Returns:
        What it took and an empty text, or None and why it could not be measured.
    """
    script = _SCRIPT.format(side=side_px, rounds=rounds, mark=_MARK)
    try:
        ended = subprocess.run(
            gimp_batch.command(gimp, script),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, f"{gimp[0]} cannot be run ({error})"
    lines = f"{ended.stdout}\n{ended.stderr}".splitlines()
    found = [line.removeprefix(_MARK) for line in lines if line.startswith(_MARK)]
    if not found:
        told = [line for line in lines if line.strip()]
        return None, f"GIMP failed: {told[-1][:100]}" if told else "GIMP failed"
    return _writing(json.loads(found[-1])), ""


def _writing(told: list[list[tuple[float, int]]]) -> Writing:
    """From (seconds, peak) of the plug-in and of GIMP in each round."""
    return Writing(
        statistics.median(plugin[0] for plugin, _gimp in told),
        statistics.median(gimp[0] for _plugin, gimp in told),
        statistics.median(plugin[0] / gimp[0] for plugin, gimp in told),
        max(plugin[1] for plugin, _gimp in told),
    )
