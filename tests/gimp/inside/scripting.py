"""Runs the examples of docs/scripting.md as they stand there."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
from pathlib import Path
from typing import Any

from support.gimp_inside import (
    DEGRADE,
    REPOSITORY,
    UPSCALE,
    add_layer,
    bytes_of,
    fingerprint,
    new_image,
    status_name,
)

DOCUMENT = REPOSITORY / "docs" / "scripting.md"
_NAN = float("nan")
_WRONG: dict[str, dict[str, Any]] = {
    UPSCALE: {
        "output": "nowhere",
        "precision": "high",
        "model": "nobody-x4",
        "strength": 150.0,
        "texture": -1.0,
        "scale": 99.0,
        "width": -5,
        "percent": _NAN,
    },
    DEGRADE: {
        "mode": "worse",
        "preset": "new-phone",
        "scale": "9",
        "enlarge": "magic",
        "output": "new-layer",
        "strength": 2.0,
        "variation": -1.0,
        "seed": -5,
    },
}
CASES = {
    "check_refused": {
        f"{procedure.rpartition('-')[2]}-{name}": {"procedure": procedure, "name": name, "value": value}
        for procedure, wrong in _WRONG.items()
        for name, value in wrong.items()
    }
}


def examples(language: str) -> list[str]:
    """All code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def _empty() -> None:
    from gi.repository import Gimp

    for image in Gimp.get_images():
        image.delete()


def check_python(options: dict[str, Any]) -> dict[str, Any]:
    """Defines the function, runs the batch over two pictures and a third that cannot be worked on; what it printed."""
    from gi.repository import Gimp

    _empty()
    pictures = [new_image(width, 40, "RGB", width)[0] for width in (60, 400)]
    add_layer(pictures[0], 8, 8, "RGBA", 2)
    new_image(30, 20, "RGB", 3)[0].get_layers()[0].set_name("small")
    named: dict[str, Any] = {}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in examples("python"):
            exec(compile(block, str(DOCUMENT), "exec"), named)
    return {"printed": printed.getvalue().splitlines(), "images": len(Gimp.get_images())}


def check_refused(options: dict[str, Any], case: dict[str, Any]) -> dict[str, Any]:
    """A value that cannot be, from Python-Fu and from Script-Fu: how both ended, with everything as it was."""
    from gi.repository import Gimp

    image, layer = new_image(10, 10, "RGB", 1)
    before, images = fingerprint(image), len(Gimp.get_images())
    ended = _python(case["procedure"], image, layer, case["name"], case["value"]), _script(image, case)
    assert fingerprint(image) == before
    assert len(Gimp.get_images()) == images
    return {"python": ended[0], "script": ended[1]}


def _python(name: str, image: Any, layer: Any, argument: str, value: Any) -> list[str]:
    from gi.repository import Gimp

    procedure = Gimp.get_pdb().lookup_procedure(name)
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
    config.set_property("image", image)
    config.set_core_object_array("drawables", [layer])
    config.set_property(argument, value)
    return _ended(procedure.run(config))


def _script(image: Any, case: dict[str, Any]) -> list[str]:
    from gi.repository import Gimp

    value = case["value"]
    # Script-Fu writes no NaN, but it can compute one.
    told = f'"{value}"' if isinstance(value, str) else "(- (* 1e308 10) (* 1e308 10))" if value != value else str(value)
    procedure = Gimp.get_pdb().lookup_procedure("plug-in-script-fu-eval")
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
    config.set_property(
        "script",
        f"({case['procedure']} #:run-mode RUN-NONINTERACTIVE #:image {image.get_id()} "
        f"#:drawables (car (gimp-image-get-layers {image.get_id()})) #:{case['name']} {told})",
    )
    return _ended(procedure.run(config))


def _ended(values: Any) -> list[str]:
    """The status of a call, and its sentence if there is one."""
    return [status_name(values.index(0)), str(values.index(1)) if values.length() > 1 else ""]


def check_script(options: dict[str, Any]) -> list[list[str]]:
    """Runs Script-Fu's batch over two pictures; the names of their layers."""
    from gi.repository import Gimp

    _empty()
    made = [new_image(20, 10, "RGB", seed) for seed in (1, 2)]
    for image, layer in made:
        image.set_selected_layers([layer])
    procedure = Gimp.get_pdb().lookup_procedure("plug-in-script-fu-eval")
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
    (script,) = examples("scheme")
    config.set_property("script", script)
    values = procedure.run(config)
    assert values.index(0) == Gimp.PDBStatusType.SUCCESS, Gimp.get_pdb().get_last_error()
    assert all(len(set(bytes_of(image.get_layers()[0]))) > 16 for image, _layer in made)
    return [[layer.get_name() for layer in image.get_layers()] for image, _layer in made]


def check_command(options: dict[str, Any]) -> list[int]:
    """Runs the command in a folder with a picture; the size of the file that it makes."""
    from gi.repository import Gimp, Gio

    folder = Path(options["scratch"])
    given, made = (Gio.File.new_for_path(str(folder / name)) for name in ("photo.png", "large.png"))
    image, _layer = new_image(21, 13, "RGB", 4)
    assert Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image, given, None)
    (command,) = examples("sh")
    ended = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    large = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, made)
    return [large.get_width(), large.get_height()]


def check_table(options: dict[str, Any]) -> dict[str, Any]:
    """The procedure's arguments and those of the table, with their defaults as the table writes them."""
    from gi.repository import Gimp

    table = re.findall(r"^\| (`.*) \|$", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    told: dict[str, str] = {}
    for row in table:
        names, _kind, defaults, _meaning = row.split("|")
        found, values = re.findall(r"`([^`]+)`", names), defaults.strip().replace("`", "").split(", ")
        told.update(zip(found, values * len(found) if len(values) == 1 else values, strict=True))
    arguments = Gimp.get_pdb().lookup_procedure(UPSCALE).get_arguments()[1:]
    real = {spec.name: spec.get_default_value() for spec in arguments}
    return {"told": told, "real": {name: "" if value is None else str(value) for name, value in real.items()}}
