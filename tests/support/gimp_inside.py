"""What check functions inside GIMP share. Imported by GIMP's own Python: standard library, and gi inside functions."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from typing import Any

HOST_PYTHON_VARIABLE = "GIMP_BSRGAN_TEST_PYTHON"
UPSCALE = "plug-in-bsrgan-upscale"
STATUSES = ("EXECUTION_ERROR", "CALLING_ERROR", "PASS_THROUGH", "SUCCESS", "CANCEL")


def host_command(arguments: list[str]) -> list[str]:
    """A command that runs the Python of the backend's environment, on the host's file system, from inside."""
    return ["chroot", "/host", os.environ[HOST_PYTHON_VARIABLE], *arguments]


@dataclass(frozen=True)
class Ended:
    """How a call of the plug-in ended.

    Attributes:
        status: the name of its `Gimp.PDBStatusType`.
        text: the sentence that came with a failure.
        image: the returned image, None after a failure.
        layer: the returned layer, None after a failure.
    """

    status: str
    text: str
    image: Any = None
    layer: Any = None


def upscale(image: Any, drawables: Any, **arguments: Any) -> Ended:
    """Call the plug-in over the PDB, non-interactively unless `run_mode` says otherwise.

    Args:
        image: the picture.
        drawables: one drawable or a list of them.
        arguments: of the procedure, with `_` for `-`.
    """
    from gi.repository import Gimp

    procedure = Gimp.get_pdb().lookup_procedure(UPSCALE)
    config = procedure.create_config()
    config.set_property("run-mode", arguments.pop("run_mode", Gimp.RunMode.NONINTERACTIVE))
    config.set_property("image", image)
    config.set_core_object_array("drawables", drawables if isinstance(drawables, list) else [drawables])
    for name, value in arguments.items():
        config.set_property(name.replace("_", "-"), value)
    values = procedure.run(config)
    # The next call of any procedure overwrites the error, so it is read first.
    text = Gimp.get_pdb().get_last_error() or ""
    status = _status_name(values.index(0))
    if status != "SUCCESS":
        return Ended(status, text)
    assert values.length() == 3
    return Ended(status, "", values.index(1), values.index(2))


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


def _status_name(status: Any) -> str:
    from gi.repository import Gimp

    # PyGObject prints enums differently in GIMP 3.0 and 3.2, so they are compared, not printed.
    return next(name for name in STATUSES if getattr(Gimp.PDBStatusType, name) == status)
