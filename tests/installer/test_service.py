"""The systemd unit's text."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from bsrgan_install import places, service


def unit(root: str) -> configparser.ConfigParser:
    """The unit for an installation in `root`, parsed."""
    layout = places.Layout(Path(root), Path("/home/u"), is_default=True, platform="linux")
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(service.unit_text(layout, [f"{root}/venv/bin/python", "serve"]))
    return parser


def test_unit_waits_for_readiness_and_restarts():
    """The unit is Type=notify, restarts on failure only, and stops within 15 s."""
    told = unit("/home/u/x")["Service"]
    assert (told["Type"], told["Restart"], told["TimeoutStopSec"], told["KillMode"]) == (
        "notify",
        "on-failure",
        "15",
        "mixed",
    )
    assert told["LimitNOFILE"] == "65536"


def test_unit_quotes_any_folder():
    """Blanks, quotes and specifier characters of the folder survive systemd's own parsing rules."""
    told = unit('/home/z "ü" 100%/a $b')["Service"]
    assert told["ExecStart"] == r'"/home/z \"ü\" 100%%/a $$b/venv/bin/python" "serve"'
    assert told["Environment"] == r'"GIMP_BSRGAN_PREFIX=/home/z \"ü\" 100%%/a $b"'


def test_unit_leaves_what_the_engine_needs():
    """Options that break the engine's compilers or hide the graphics card are not set."""
    assert not {"MemoryDenyWriteExecute", "PrivateDevices", "ProtectHome", "PrivateTmp"} & set(unit("/x")["Service"])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_unit(tmp_path):
    """Systemd's own checker finds no unknown or ill-formed line."""
    program = tmp_path / "a b/venv/bin/python"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    layout = places.Layout(tmp_path / "a b", tmp_path, is_default=True, platform="linux")
    file = tmp_path / "gimp-bsrgan.service"
    file.write_text(service.unit_text(layout, [str(program), "serve"]))
    done = subprocess.run(["systemd-analyze", "--user", "verify", str(file)], capture_output=True, text=True)
    assert "gimp-bsrgan.service:" not in done.stderr, done.stderr


def test_removal_without_a_unit_does_nothing(tmp_path):
    """Removing a unit that is not there calls nothing and is no error."""
    service.remove(tmp_path / "gimp-bsrgan.service")
    assert list(tmp_path.iterdir()) == []
