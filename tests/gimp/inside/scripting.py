"""Runs the examples of docs/scripting.md as they stand there."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
from pathlib import Path
from typing import Any

from support.gimp_inside import REPOSITORY, UPSCALE, add_layer, bytes_of, new_image

DOCUMENT = REPOSITORY / "docs" / "scripting.md"


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
    images, refused = len(Gimp.get_images()), {}
    for wrong in ({"output": "nowhere"}, {"precision": "high"}, {"strength": 300.0}, {"scale": float("nan")}):
        try:
            named["upscale"](pictures[0], pictures[0].get_layers(), **wrong)
        except ValueError as error:
            refused[next(iter(wrong))] = str(error)
    assert len(Gimp.get_images()) == images
    return {"printed": printed.getvalue().splitlines(), "images": images, "refused": refused}


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
