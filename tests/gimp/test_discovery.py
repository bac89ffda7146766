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


@pytest.mark.parametrize("check", ["check_procedure[upscale]"])
def test_upscale(outcome):
    """Both GIMPs list the upscaling in Filters > Enhance with the arguments that scripts rely on."""
    told = outcome.unwrap()
    assert told["menu"] == ["<Image>/Filters/Enhance/_BSRGAN Upscale…"]
    assert told["types"] == "RGB*, GRAY*, INDEXED*"
    assert told["blurb"]
    mixed = {"strength": 100.0, "texture": 0.0, "precision": "auto"}
    sizes = {"width": 0, "height": 0, "percent": 0.0, "print-width": 0.0, "print-height": 0.0, "dpi": 0.0}
    assert told["defaults"] == {"model": "", "scale": 4, "output": "new-layer", **mixed, "endpoint": "", **sizes}
    assert told["arguments"] == ["run-mode", "image", "drawables", *told["defaults"]]
    assert told["results"] == ["result-image", "result-layer"]


@pytest.mark.parametrize("check", ["check_procedure[degrade]"])
def test_degrade(outcome):
    """Both GIMPs list the degradation beside it; every option of the dialog but the seed's lock is an argument."""
    told = outcome.unwrap()
    assert told["menu"] == ["<Image>/Filters/Enhance/BSRGAN De_gradation Preview…"]
    assert told["types"] == "RGB*, GRAY*, INDEXED*"
    assert told["blurb"]
    families = dict.fromkeys(("blur", "resize", "noise", "jpeg", "camera", "sharpen"), True)
    drawn = {"mode": "bsrgan", "preset": "old-phone-camera", "scale": "auto", "seed": 0, "strength": 1.0}
    placed = {"output": "same-size", "enlarge": "nearest", "then-upscale": False, "model": "", "endpoint": ""}
    assert told["defaults"] == {**drawn, "variation": 0.2, **families, "recipe": "", **placed}
    assert told["arguments"] == ["run-mode", "image", "drawables", *told["defaults"]]
    assert told["results"] == ["result-image", "result-layer", "restored-layer", "result-recipe"]


def test_quiet_start(gimp):
    """Neither the query nor a later start of GIMP makes the plug-in print anything."""
    gimp.install_plugin()
    for _start in range(2):
        log = gimp.checks(CHECKS, ["check_procedure[degrade]"])["check_procedure[degrade]"].log
        assert "bsrgan" not in log.lower()
        assert "Traceback" not in log


def _without_msgpack(plugin):
    shutil.rmtree(plugin / "vendor" / "msgpack")


def _without_wire(plugin):
    shutil.rmtree(plugin / "vendor" / "bsrgan_wire")


def _with_syntax_error(plugin):
    for name in ("exchange", "degrading"):
        (plugin / "bsrgan_plugin" / f"{name}.py").write_text("def broken(:\n", "utf-8")


@pytest.mark.parametrize("damage", [_without_msgpack, _without_wire, _with_syntax_error])
def test_broken_plugin_stays(gimp, damage):
    """A plug-in with a missing or damaged part keeps its menu entry, says what is wrong and leaves the image alone."""
    damage(gimp.install_plugin())
    both = ("upscale", "degrade")
    outcomes = gimp.checks(CHECKS, [f"check_{what}[{name}]" for name in both for what in ("procedure", "broken_run")])
    for name in both:
        assert outcomes[f"check_procedure[{name}]"].unwrap()["menu"]
        ended = outcomes[f"check_broken_run[{name}]"].unwrap()
        assert ended["status"] == "EXECUTION_ERROR"
        assert ended["text"].endswith(".")
        assert "\n" not in ended["text"]
        assert "run the installer" in ended["text"] or "report" in ended["text"]
        assert ended["same"]
        assert ended["layers"] == 1
