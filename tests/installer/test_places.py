"""Where things go; above all that installer and backend agree on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bsrgan_install import places
from bsrgan_wire import places as wire_places

ENVIRONMENTS = [
    {},
    {"HOME": "/home/zoë ä"},
    {"HOME": "/h", "XDG_DATA_HOME": "/elsewhere"},
    {"HOME": "/home/u/snap/gimp/1", "SNAP_REAL_HOME": "/home/u"},
    {"LOCALAPPDATA": "/c/Users/x/AppData/Local", "HOME": "/h"},
    {"GIMP_BSRGAN_PREFIX": "/opt/my folder", "HOME": "/h"},
    {"GIMP_BSRGAN_PREFIX": "relative", "HOME": "/h"},
    {"GIMP_BSRGAN_PREFIX": "~/x", "HOME": "/h"},
]


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
@pytest.mark.parametrize("environ", ENVIRONMENTS)
def test_installer_and_wire_have_the_same_rule(environ, platform):
    """The installer's copy of the rule for the root gives what bsrgan_wire.places gives."""
    assert places.default_prefix(environ, platform) == wire_places.prefix(environ, platform)


def test_rendezvous_file_is_the_wires(tmp_path):
    """The installer looks for a running daemon where the daemon writes its address."""
    assert places.layout(tmp_path, {}).rendezvous == wire_places.rendezvous_file(tmp_path)


def test_only_the_usual_folder_gets_link_and_unit(tmp_path):
    """An installation elsewhere puts nothing into the home; the default one owns link and unit."""
    environ = {"HOME": str(tmp_path)}
    usual = places.layout(None, environ, "linux")
    assert usual.link == tmp_path / ".local/bin/gimp-bsrgan"
    assert usual.unit == tmp_path / ".config/systemd/user/gimp-bsrgan.service"
    other = places.layout(tmp_path / "elsewhere", environ, "linux")
    assert (other.link, other.unit) == (None, None)
    by_variable = places.layout(None, {**environ, "GIMP_BSRGAN_PREFIX": str(tmp_path / "elsewhere")}, "linux")
    assert (by_variable.root, by_variable.link) == (tmp_path / "elsewhere", None)


def test_the_prefix_may_be_given_relative(tmp_path, monkeypatch):
    """A relative --prefix means the current folder's, for good."""
    monkeypatch.chdir(tmp_path)
    assert places.layout(Path("here"), {}).root == tmp_path / "here"
