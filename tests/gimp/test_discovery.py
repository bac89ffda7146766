"""GIMP finds the plug-in's procedures, also when a part of the plug-in is missing or broken."""

from __future__ import annotations

import shutil

import pytest

from support import gimp_checks

INSIDE = "discovery"
CHECKS = gimp_checks.path(INSIDE)


@pytest.fixture(scope="session")
def installation():
    """No daemon at all."""
    return


@pytest.mark.parametrize("check", ["check_procedure"])
def test_procedure(outcome):
    """Both GIMPs list the procedure in Filters > Enhance with the arguments that scripts rely on."""
    told = outcome.unwrap()
    assert told["menu"] == ["<Image>/Filters/Enhance/_BSRGAN Upscale…"]
    assert told["types"] == "RGB*, GRAY*, INDEXED*"
    assert told["blurb"]
    assert told["arguments"] == ["run-mode", "image", "drawables", "model", "scale", "output", "endpoint"]
    assert told["results"] == ["result-image", "result-layer"]
    assert told["defaults"] == {"model": "", "scale": 4, "output": "new-layer", "endpoint": ""}


def test_quiet_start(gimp):
    """Neither the query nor a later start of GIMP makes the plug-in print anything."""
    gimp.install_plugin()
    for _start in range(2):
        log = gimp.checks(CHECKS, ["check_procedure"])["check_procedure"].log
        assert "bsrgan" not in log.lower()
        assert "Traceback" not in log


def _without_msgpack(plugin):
    shutil.rmtree(plugin / "vendor" / "msgpack")


def _without_wire(plugin):
    shutil.rmtree(plugin / "vendor" / "bsrgan_wire")


def _with_syntax_error(plugin):
    (plugin / "bsrgan_plugin" / "upscale.py").write_text("def broken(:\n", "utf-8")


@pytest.mark.parametrize("damage", [_without_msgpack, _without_wire, _with_syntax_error])
def test_broken_plugin_stays(gimp, damage):
    """A plug-in with a missing or damaged part keeps its menu entry, says what is wrong and leaves the image alone."""
    damage(gimp.install_plugin())
    outcomes = gimp.checks(CHECKS, ["check_procedure", "check_broken_run"])
    assert outcomes["check_procedure"].unwrap()["menu"]
    ended = outcomes["check_broken_run"].unwrap()
    assert ended["status"] == "EXECUTION_ERROR"
    assert ended["text"].endswith(".")
    assert "\n" not in ended["text"]
    assert "run the installer" in ended["text"] or "report" in ended["text"]
    assert ended["same"]
    assert ended["layers"] == 1
