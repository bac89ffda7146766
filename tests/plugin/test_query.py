"""What GIMP runs to learn of the procedures: it must work whatever else is missing or broken."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).resolve().parents[2] / "gimp_plugin" / "gimp-bsrgan"

FAKE_GI = '''
"""Just enough of gi for a query; everything else that is asked of it is recorded or made up."""
import json, sys, types

made = {"arguments": [], "menu": [], "returns": [], "texts": []}

class Anything:
    def __getattr__(self, name): return Anything()
    def __call__(self, *a, **k): return Anything()
    def __or__(self, other): return self

class Procedure(Anything):
    def __getattr__(self, name):
        def call(*arguments):
            if name.startswith("add_") and name.endswith("_argument"): made["arguments"].append(arguments[0])
            if name.startswith("add_") and name.endswith("_value"): made["returns"].append(arguments[0])
            if name == "add_menu_path": made["menu"].append(arguments[0])
            if name in ("set_menu_label", "set_documentation"): made["texts"] += arguments
            return Anything()
        return call

class ImageProcedure:
    new = staticmethod(lambda *arguments: Procedure())

class PlugIn:
    __gtype__ = None
    def __init_subclass__(cls): made["plugin"] = cls

def main(gtype, argv):
    cls = made.pop("plugin")
    plugin = cls()
    made["procedures"] = plugin.do_query_procedures()
    for name in made["procedures"]: plugin.do_create_procedure(name)
    made["i18n"] = plugin.do_set_i18n(made["procedures"][0])
    made["modules"] = sorted(sys.modules)
    print(json.dumps(made))

def require_version(name, version): pass

Gimp = types.SimpleNamespace(PlugIn=PlugIn, main=main, ImageProcedure=ImageProcedure, PDBProcType=Anything(),
    ProcedureSensitivityMask=Anything(), Choice=Anything(), Image=Anything(), Layer=Anything())
repository = types.ModuleType("gi.repository")
repository.Gimp = Gimp
for name in ("Gio", "GLib", "GObject"): setattr(repository, name, Anything())
sys.modules["gi.repository"] = repository
'''


def query(folder):
    """Run the plug-in's entry as GIMP does for a query, with a gi that records what it is told."""
    (folder.parent / "fake").mkdir()
    (folder.parent / "fake" / "gi.py").write_text(FAKE_GI, "utf-8")
    environ = {**os.environ, "PYTHONPATH": str(folder.parent / "fake"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-S", str(folder / "gimp-bsrgan.py"), "-gimp", "-query"]
    ended = subprocess.run(command, capture_output=True, text=True, env=environ, cwd="/", check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.fixture
def installed(tmp_path):
    """The plug-in alone in a folder: no bsrgan_wire, no msgpack, no install.json."""
    folder = tmp_path / "plug-ins" / "gimp-bsrgan"
    shutil.copytree(PLUGIN, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_the_query_needs_nothing_but_gi_and_the_standard_library(installed):
    """Without the wire, msgpack and site-packages, both procedures are announced with all of their arguments."""
    made = query(installed)
    assert made["procedures"] == ["plug-in-bsrgan-upscale", "plug-in-bsrgan-degrade"]
    upscale = ["model", "scale", "output", "strength", "texture", "precision", "endpoint"]
    upscale += ["width", "height", "percent", "print-width", "print-height", "dpi"]
    assert made["arguments"][: len(upscale)] == upscale
    assert made["arguments"][len(upscale) :] == [
        *("mode", "preset", "scale", "seed", "strength", "variation"),
        *("blur", "resize", "noise", "jpeg", "camera", "sharpen", "recipe"),
        *("output", "enlarge", "then-upscale", "model", "endpoint", "lock-seed"),
    ]
    assert made["returns"][:2] == ["result-image", "result-layer"]
    assert made["returns"][2:] == ["result-image", "result-layer", "restored-layer", "result-recipe"]
    assert made["menu"] == ["<Image>/Filters/Enhance"] * 2
    assert {"_BSRGAN Upscale…", "BSRGAN De_gradation Preview…"} <= set(made["texts"])
    assert made["i18n"] == [True, "gimp-bsrgan", None]


def test_the_query_loads_no_other_package(installed):
    """Even when the other packages are there, a query does not load them."""
    for name in ("bsrgan_wire", "msgpack", "zmq", "numpy"):
        (installed / f"{name}.py").write_text("raise RuntimeError('loaded at query time')", "utf-8")
    made = query(installed)
    tops = {name.split(".")[0] for name in made["modules"]}
    assert tops - set(sys.stdlib_module_names) <= {"__main__", "__mp_main__", "bsrgan_plugin", "gi"}


def test_the_entry_is_executable_and_bears_its_folders_name():
    """GIMP silently passes over an entry that is not executable or not named as its folder."""
    entry = PLUGIN / "gimp-bsrgan.py"
    assert entry.read_text("utf-8").startswith("#!/usr/bin/env python3\n")
    assert entry.stem == PLUGIN.name
    if os.name == "posix":
        assert os.access(entry, os.X_OK)


def test_catalogs_are_announced_when_they_are_there_only(installed):
    """Without a folder of catalogs GIMP would warn on every start, so it is not told of one."""
    shutil.rmtree(installed / "locale")
    assert query(installed)["i18n"] is False


def test_the_query_is_answered_in_the_users_language(installed, monkeypatch):
    """A plain copy of the folder has its catalogues in it."""
    monkeypatch.setenv("LANGUAGE", "de")
    assert "_BSRGAN-Hochskalierung…" in query(installed)["texts"]


GI_FREE = (
    *("outcomes", "outputs", "sizing", "size_tags", "progress_text", "connection", "daemon_state", "translation"),
    *(
        "argument_checks",
        "degrade_options",
        "recipe_text",
        "upscale_options",
        "pixel_file",
        "preview_view",
        "preview_jobs",
    ),
)


@pytest.mark.parametrize("name", GI_FREE)
def test_the_gi_free_half_does_not_name_gi(name):
    """Modules that promise to work without gi do not import it, nor a module that does."""
    tree = ast.parse((PLUGIN / "bsrgan_plugin" / f"{name}.py").read_text("utf-8"))
    targets = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            targets |= {f"{node.module}.{alias.name}" for alias in node.names}
    assert not [target for target in targets if target.split(".")[0] == "gi"]
    own = {target.split(".")[1] for target in targets if target.startswith("bsrgan_plugin.")}
    assert own <= set(GI_FREE)
