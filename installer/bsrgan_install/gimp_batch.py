"""Asking a GIMP without a window: is the procedure there, and does it upscale a picture."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bsrgan_install import commands
from bsrgan_install.profiles import DIRECTORY_VARIABLE

PROCEDURE = "plug-in-bsrgan-upscale"
_QUERY_TIMEOUT_S = 180
_UPSCALE_TIMEOUT_S = 600

_QUERY = """
import json
from gi.repository import Gimp
found = Gimp.get_pdb().procedure_exists({procedure!r})
with open({answer!r}, "w", encoding="utf-8") as target:
    json.dump({{"found": bool(found), "version": Gimp.version()}}, target)
"""

_UPSCALE = """
import json
from gi.repository import Gimp, Gio
def file(path):
    return Gio.File.new_for_path(path)
image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, file({source!r}))
procedure = Gimp.get_pdb().lookup_procedure({procedure!r})
config = procedure.create_config()
config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
config.set_property("image", image)
config.set_core_object_array("drawables", image.get_layers()[:1])
config.set_property("output", "new-layer")
result = procedure.run(config)
ok = result.index(0) == Gimp.PDBStatusType.SUCCESS
text = "" if ok else str(result.index(1)) if result.length() > 1 else "the procedure failed"
if ok:
    Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, image, file({target!r}), None)
with open({answer!r}, "w", encoding="utf-8") as out:
    json.dump({{"ok": ok, "text": text, "size": [image.get_width(), image.get_height()]}}, out)
"""


@dataclass(frozen=True)
class Answer:
    """What a GIMP said.

    Attributes:
        ok: the procedure is there, or the picture was upscaled.
        text: GIMP's version, or the reason why not.
    """

    ok: bool
    text: str


def has_procedure(console: Path, profile: Path | None = None) -> Answer:
    """Start GIMP without a window and ask it for the plug-in's procedure.

    Args:
        console: a gimp-console.
        profile: the profile to start with; None for GIMP's own choice.
    """
    told = _batch(console, profile, _QUERY, _QUERY_TIMEOUT_S)
    if "found" not in told:
        return Answer(False, str(told.get("error", "")))
    return Answer(bool(told["found"]), str(told.get("version", "")))


def upscale(console: Path, source: Path, target: Path, profile: Path | None = None) -> Answer:
    """Upscale a picture by GIMP's procedure and save it.

    Args:
        console: a gimp-console.
        source: a picture that GIMP can open.
        target: where to save the result; the suffix chooses the format.
        profile: the profile to start with; None for GIMP's own choice.
    """
    told = _batch(console, profile, _UPSCALE, _UPSCALE_TIMEOUT_S, source=str(source), target=str(target))
    if "ok" not in told:
        return Answer(False, str(told.get("error", "")))
    return Answer(bool(told["ok"]), str(told.get("text", "")))


def _batch(console: Path, profile: Path | None, script: str, timeout_s: float, **values: str) -> dict[str, Any]:
    """Run a script in GIMP's Python; it answers by a file, as GIMP keeps exit codes to itself."""
    with tempfile.TemporaryDirectory(prefix="gimp-bsrgan-") as folder:
        answer = Path(folder) / "answer.json"
        text = script.format(procedure=PROCEDURE, answer=str(answer), **values)
        code = Path(folder) / "batch.py"
        code.write_text(text, encoding="utf-8")
        command = [str(console), "--no-interface", "--no-data", "--no-fonts", "--quit"]
        command += ["--batch-interpreter", "python-fu-eval", "-b", f"exec(open({str(code)!r}).read())"]
        extra = {DIRECTORY_VARIABLE: str(profile)} if profile else None
        done = commands.run(command, timeout_s=timeout_s, extra=extra)
        try:
            told = json.loads(answer.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {"error": commands.last_line(done.stderr) or f"GIMP ended with status {done.returncode}"}
        return told if isinstance(told, dict) else {}
