"""What check functions inside GIMP share. Imported by GIMP's own Python: standard library, and gi inside functions."""

from __future__ import annotations

import hashlib
import os
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
HOST_PYTHON_VARIABLE = "GIMP_BSRGAN_TEST_PYTHON"
UPSCALE = "plug-in-bsrgan-upscale"
DEGRADE = "plug-in-bsrgan-degrade"
STATUSES = ("EXECUTION_ERROR", "CALLING_ERROR", "PASS_THROUGH", "SUCCESS", "CANCEL")


def host_command(arguments: list[str]) -> list[str]:
    """A command that runs the Python of the backend's environment, on the host's file system, from inside."""
    path = os.pathsep.join(str(REPOSITORY / folder) for folder in ("shared", "backend"))
    return ["chroot", "/host", "env", f"PYTHONPATH={path}", os.environ[HOST_PYTHON_VARIABLE], *arguments]


def tool_command(arguments: list[str]) -> list[str]:
    """A command that runs `gimp_host.py` in the backend's environment, from inside."""
    return host_command([str(REPOSITORY / "tests" / "support" / "gimp_host.py"), *arguments])


def ask(options: dict[str, Any], what: str) -> None:
    """Ask whoever sits at the screen for something (`Screen.finish`) and wait until it is done."""
    path = Path(options["scratch"]) / "ask"
    partial = path.with_suffix(".part")
    partial.write_text(what)
    partial.rename(path)
    end = time.monotonic() + 60
    while path.exists():
        assert time.monotonic() < end, f"nobody did {what}"
        time.sleep(0.1)


@dataclass(frozen=True)
class Ended:
    """How a call of the plug-in ended.

    Attributes:
        status: the name of its `Gimp.PDBStatusType`.
        text: the sentence that came with a failure.
        image: the returned image, None after a failure.
        layer: the returned layer, None after a failure.
        more: what else was returned.
    """

    status: str
    text: str
    image: Any = None
    layer: Any = None
    more: tuple[Any, ...] = ()


def upscale(image: Any, drawables: Any, **arguments: Any) -> Ended:
    """Call `UPSCALE`; see `call`."""
    return call(UPSCALE, image, drawables, **arguments)


def degrade(image: Any, drawables: Any, **arguments: Any) -> Ended:
    """Call `DEGRADE`, with `then_upscale` and the like; see `call`. Returns the restored layer and the recipe too."""
    return call(DEGRADE, image, drawables, **arguments)


def call(name: str, image: Any, drawables: Any, **arguments: Any) -> Ended:
    """Call the plug-in over the PDB, non-interactively unless `run_mode` says otherwise.

    Args:
        name: of the procedure.
        image: the picture.
        drawables: one drawable or a list of them.
        arguments: of the procedure, with `_` for `-`.
    """
    from gi.repository import Gimp

    procedure = Gimp.get_pdb().lookup_procedure(name)
    config = procedure.create_config()
    config.set_property("run-mode", arguments.pop("run_mode", Gimp.RunMode.NONINTERACTIVE))
    config.set_property("image", image)
    config.set_core_object_array("drawables", drawables if isinstance(drawables, list) else [drawables])
    for argument, value in arguments.items():
        config.set_property(argument.replace("_", "-"), value)
    values = procedure.run(config)
    # The next call of any procedure overwrites the error, so it is read first.
    text = Gimp.get_pdb().get_last_error() or ""
    status = status_name(values.index(0))
    if status != "SUCCESS":
        return Ended(status, text)
    results = tuple(values.index(place) for place in range(1, values.length()))
    return Ended(status, "", *results[:2], results[2:])


def reach_plugin() -> None:
    """Make the modules of the installed plug-in importable in this process."""
    plugin = Path(os.environ["GIMP3_DIRECTORY"]) / "plug-ins" / "gimp-bsrgan"
    for folder in (plugin, plugin / "vendor"):
        if str(folder) not in sys.path:
            sys.path.append(str(folder))


def new_image(width: int, height: int, kind: str, seed: int, precision: str = "U8_NON_LINEAR") -> tuple[Any, Any]:
    """A picture with one layer of random pixels.

    Args:
        width: in pixels, of both.
        height: in pixels, of both.
        kind: RGB, RGBA, GRAY or GRAYA.
        seed: of the pixels.
        precision: a name of `Gimp.Precision`.

    Returns:
        The image and its layer.
    """
    from gi.repository import Gimp

    base = Gimp.ImageBaseType.GRAY if kind.startswith("GRAY") else Gimp.ImageBaseType.RGB
    image = Gimp.Image.new_with_precision(width, height, base, getattr(Gimp.Precision, precision))
    return image, add_layer(image, width, height, kind, seed)


def add_layer(image: Any, width: int, height: int, kind: str, seed: int, parent: Any = None) -> Any:
    """Insert a layer of random pixels on top of `image` and return it; alpha holds 0 and 255 too."""
    from gi.repository import Gegl, Gimp

    layer_type = getattr(Gimp.ImageType, f"{kind}_IMAGE")
    layer = Gimp.Layer.new(image, "photo", width, height, layer_type, 100.0, Gimp.LayerMode.NORMAL)
    image.insert_layer(layer, parent, 0)
    channels = {"GRAY": 1, "GRAYA": 2, "RGB": 3, "RGBA": 4}[kind]
    name = ("Y'" if kind.startswith("GRAY") else "R'G'B'") + ("A" if kind.endswith("A") else "") + " u8"
    data = bytearray(random.Random(seed).randbytes(width * height * channels))
    if kind.endswith("A"):
        data[channels - 1 :: channels * 3] = bytes(len(data[channels - 1 :: channels * 3]))
        data[channels * 2 - 1 :: channels * 3] = b"\xff" * len(data[channels * 2 - 1 :: channels * 3])
    buffer = layer.get_buffer()
    buffer.set(Gegl.Rectangle.new(0, 0, width, height), name, bytes(data))
    buffer.flush()
    layer.update(0, 0, width, height)
    return layer


def bytes_of(drawable: Any, format_name: str | None = None) -> bytes:
    """All pixels of a drawable, in its own format or the named one."""
    from gi.repository import Gegl

    rectangle = Gegl.Rectangle.new(0, 0, drawable.get_width(), drawable.get_height())
    return bytes(drawable.get_buffer().get(rectangle, 1.0, format_name, Gegl.AbyssPolicy.NONE))


def fill(drawable: Any, format_name: str, data: bytes) -> None:
    """Replace all pixels of a drawable."""
    from gi.repository import Gegl

    width, height = drawable.get_width(), drawable.get_height()
    buffer = drawable.get_buffer()
    buffer.set(Gegl.Rectangle.new(0, 0, width, height), format_name, data)
    buffer.flush()
    drawable.update(0, 0, width, height)


@dataclass(frozen=True)
class Travel:
    """How a layer's pixels have to travel to the daemon: format for GEGL, dtype and channels on the wire."""

    format_name: str
    dtype: str
    channels: int


def travel_of(layer: Any) -> Travel:
    """What `gimp3.md` asks for: non-linear values of the layer's own space, u8 for u8 non-linear, else float."""
    from gi.repository import Babl, Gimp

    native = layer.get_format()
    is_gray, is_indexed, has_alpha = layer.is_gray(), layer.is_indexed(), layer.has_alpha()
    is_u8 = is_indexed or layer.get_image().get_precision() == Gimp.Precision.U8_NON_LINEAR
    plain = ("Y'" if is_gray else "R'G'B'") + ("A" if has_alpha else "") + (" u8" if is_u8 else " float")
    name = Babl.get_name(Babl.format_with_space(plain, Babl.format_get_space(native)))
    return Travel(name, "u8" if is_u8 else "f32", (1 if is_gray else 3) + has_alpha)


def area_of(layer: Any, x: int, y: int, width: int, height: int) -> bytes:
    """Pixels of a part of a layer as they have to travel."""
    from gi.repository import Gegl

    rectangle = Gegl.Rectangle.new(x, y, width, height)
    return bytes(layer.get_buffer().get(rectangle, 1.0, travel_of(layer).format_name, Gegl.AbyssPolicy.NONE))


def reference(
    options: dict[str, Any], pixels: bytes, size: tuple[int, int], out_size: tuple[int, int], dtype: str, channels: int
) -> bytes:
    """What the daemon makes of pixels, asked without the plug-in.

    Args:
        options: of the check; names the prefix of the running daemon.
        pixels: interleaved rows.
        size: (width, height) of the picture.
        out_size: (width, height) of the result.
        dtype: u8 or f32.
        channels: 1 to 4.
    """
    vendor = str(Path(os.environ["GIMP3_DIRECTORY"]) / "plug-ins" / "gimp-bsrgan" / "vendor")
    if vendor not in sys.path:
        sys.path.append(vendor)
    from bsrgan_wire import places, rendezvous
    from bsrgan_wire.client import Client, JobRequest

    row = size[0] * channels * (1 if dtype == "u8" else 4)
    request = JobRequest(
        width=size[0], height=size[1], channels=channels, dtype=dtype, out_width=out_size[0], out_height=out_size[1]
    )
    result = bytearray()
    address = rendezvous.read(places.rendezvous_file(Path(options["prefix"])))
    with Client.connect(address, name="test", timeout_s=10.0) as client:
        client.run(
            request,
            source=lambda first, count: pixels[first * row : (first + count) * row],
            sink=lambda _first, _rows, data: result.extend(data),
        )
    return bytes(result)


def as_stored(like: Any, width: int, height: int, travelled: bytes) -> bytes:
    """The bytes that a layer of the type and precision of `like` holds after `travelled` was written into it."""
    from gi.repository import Gimp

    image = like.get_image()
    scratch = Gimp.Image.new_with_precision(width, height, image.get_base_type(), image.get_precision())
    try:
        if profile := image.get_color_profile():
            scratch.set_color_profile(profile)
        layer = Gimp.Layer.new(scratch, "x", width, height, like.type(), 100.0, Gimp.LayerMode.NORMAL)
        scratch.insert_layer(layer, None, 0)
        fill(layer, travel_of(layer).format_name, travelled)
        return bytes_of(layer)
    finally:
        scratch.delete()


def fingerprint(image: Any) -> dict[str, Any]:
    """Everything of a picture that a failed, cancelled or undone run must leave as it was."""
    from gi.repository import Gimp

    profile = image.get_color_profile()
    return {
        "size": [image.get_width(), image.get_height()],
        "resolution": list(image.get_resolution())[1:],
        "types": [str(image.get_base_type()), str(image.get_precision())],
        "profile": _digest(profile.get_icc_profile()) if profile else "",
        "selection": [list(Gimp.Selection.bounds(image)), _digest(bytes_of(image.get_selection()))],
        "selected": [layer.get_name() for layer in image.get_selected_layers()],
        "layers": [_layer_facts(layer) for layer in image.get_layers()],
        "channels": [[channel.get_name(), _digest(bytes_of(channel))] for channel in image.get_channels()],
        "guides": _guides(image),
    }


def _layer_facts(layer: Any) -> dict[str, Any]:
    mask = layer.get_mask()
    facts = {
        "name": layer.get_name(),
        "size": [layer.get_width(), layer.get_height()],
        "offsets": list(layer.get_offsets())[1:],
        "type": str(layer.type()),
        "look": [layer.get_visible(), layer.get_opacity(), str(layer.get_mode()), layer.get_lock_alpha()],
        "pixels": _digest(bytes_of(layer)),
        "mask": _digest(bytes_of(mask)) if mask else "",
    }
    if layer.is_group():
        facts["children"] = [_layer_facts(child) for child in layer.get_children()]
    return facts


def _guides(image: Any) -> list[list[Any]]:
    found, guide = [], image.find_next_guide(0)
    while guide:
        found.append([str(image.get_guide_orientation(guide)), image.get_guide_position(guide)])
        guide = image.find_next_guide(guide)
    return found


def _digest(data: Any) -> str:
    return hashlib.sha256(bytes(data)).hexdigest()[:16]


def status_name(status: Any) -> str:
    """The name of a `Gimp.PDBStatusType`."""
    from gi.repository import Gimp

    # PyGObject prints enums differently in GIMP 3.0 and 3.2, so they are compared, not printed.
    return next(name for name in STATUSES if getattr(Gimp.PDBStatusType, name) == status)
