"""From install.json to the daemon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import pytest

from bsrgan_plugin import connection
from bsrgan_plugin.connection import Installation, installation, open_client
from bsrgan_plugin.outcomes import NotInstalled
from bsrgan_wire.errors import DaemonUnreachable
from bsrgan_wire.places import rendezvous_file


@pytest.fixture(autouse=True)
def _no_prefix(monkeypatch, tmp_path):
    """Neither the environment nor the home of this machine names an installation."""
    monkeypatch.delenv("GIMP_BSRGAN_PREFIX", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def install(folder, prefix, command):
    """Write install.json as the installer does."""
    told = {"prefix": str(prefix), "command": command, "version": "0.1.0"}
    (folder / "install.json").write_text(json.dumps(told), "utf-8")


def program(root):
    """Put a program where an installation has its own."""
    path = root / "bin" / "gimp-bsrgan"
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\nexit 3\n", "utf-8")
    path.chmod(0o755)
    return path


def test_install_json_names_root_and_command(tmp_path):
    """What the installer wrote is what is used, spaces and other scripts included."""
    root = tmp_path / "mit Leer 空"
    install(tmp_path, root, ["/opt/a b/python", "-m", "daemon"])
    assert installation(tmp_path, {}) == Installation(root, ("/opt/a b/python", "-m", "daemon"))


def test_the_environment_comes_before_install_json(tmp_path):
    """GIMP_BSRGAN_PREFIX leads to another installation, with that one's own program when it has one."""
    install(tmp_path, "/elsewhere", ["/elsewhere/bin/gimp-bsrgan", "serve"])
    named = {"GIMP_BSRGAN_PREFIX": str(tmp_path / "other")}
    assert installation(tmp_path, named) == Installation(tmp_path / "other", ("/elsewhere/bin/gimp-bsrgan", "serve"))
    own = program(tmp_path / "other")
    assert installation(tmp_path, named) == Installation(tmp_path / "other", (str(own), "serve"))


def test_without_install_json_the_usual_place_is_searched(tmp_path):
    """A plug-in that was copied by hand finds an installation in the default folder, or says that there is none."""
    home = {"HOME": str(tmp_path)}
    root = tmp_path / ".local" / "share" / "gimp-bsrgan"
    assert installation(tmp_path, home) == Installation(root, ())
    own = program(root)
    assert installation(tmp_path, home) == Installation(root, (str(own), "serve"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b'{"prefix": 3}',
        b'{"command": "serve"}',
        b'{"command": [1]}',
        b"\xff\xfe",
        b'{"prefix": null}',
    ],
)
def test_a_damaged_install_json_is_one_sentence(tmp_path, content):
    """Whatever the file holds, the user is told to run the installer."""
    (tmp_path / "install.json").write_bytes(content)
    with pytest.raises(NotInstalled, match=r"install\.json is damaged"):
        installation(tmp_path, {})


class FakeClient:
    """Connects to whatever is in `running`; remembers what was asked for."""

    running: ClassVar[list] = []
    asked: ClassVar[list] = []

    @classmethod
    def connect_at(cls, path, **_options):
        """A client, when something runs there."""
        cls.asked.append(path)
        if path not in cls.running:
            raise DaemonUnreachable("No daemon is running.")
        return path

    @classmethod
    def connect(cls, address, **_options):
        """A client of a known address."""
        cls.asked.append(address)
        return address


@pytest.fixture
def client(monkeypatch):
    """The plug-in's client, replaced; nothing runs yet."""
    monkeypatch.setattr(connection, "Client", FakeClient)
    FakeClient.running, FakeClient.asked = [], []
    return FakeClient


@pytest.mark.parametrize("command", [[], ["/no/such/program", "serve"], ["no-such-program-anywhere"]])
def test_no_daemon_and_none_installed_is_one_sentence(tmp_path, client, command):
    """Without a running daemon and without its program, the user is told where it was looked for."""
    install(tmp_path, tmp_path / "root", command)
    with pytest.raises(NotInstalled, match="root"):
        open_client(folder=tmp_path)
    assert client.asked == [rendezvous_file(tmp_path / "root")]


def test_a_daemon_that_cannot_be_reached_says_why(tmp_path, client):
    """Where a daemon left its address but does not answer, its own reason is told, not that nothing is installed."""
    install(tmp_path, tmp_path / "root", [])
    path = rendezvous_file(tmp_path / "root")
    path.parent.mkdir(parents=True)
    path.write_text("{}", "utf-8")
    with pytest.raises(DaemonUnreachable):
        open_client(folder=tmp_path)


def test_a_running_daemon_is_found_without_any_program(tmp_path, client):
    """A daemon that somebody started by hand is used although none is installed."""
    path = rendezvous_file(tmp_path / "root")
    client.running.append(path)
    install(tmp_path, tmp_path / "root", [])
    assert open_client(folder=tmp_path) == path


def test_a_program_is_started_when_no_daemon_runs(tmp_path, client, monkeypatch):
    """The installed command is started for the installed root, and the caller hears of it before."""
    own = program(tmp_path / "root")
    install(tmp_path, tmp_path / "root", [str(own), "serve"])
    heard = []

    def ensure(root, command, *_waiting, **_named):
        heard.append((root, tuple(command)))
        client.running.append(rendezvous_file(root))

    monkeypatch.setattr(connection.launch, "ensure_daemon", ensure)
    assert open_client(folder=tmp_path, on_starting=lambda: heard.append("starting"))
    assert heard == ["starting", (tmp_path / "root", (str(own), "serve"))]


def test_a_running_daemon_is_not_started_again(tmp_path, client, monkeypatch):
    """While a daemon answers, nothing is started and nobody is told that something starts."""
    install(tmp_path, tmp_path / "root", [str(program(tmp_path / "root"))])
    client.running.append(rendezvous_file(tmp_path / "root"))
    monkeypatch.setattr(connection.launch, "ensure_daemon", pytest.fail)
    assert open_client(folder=tmp_path, on_starting=lambda: pytest.fail("started"))


def test_an_endpoint_leads_past_the_installation(tmp_path, client):
    """An endpoint is used as it is, and a path is taken as an address file; neither starts anything."""
    assert open_client("ipc:///tmp/a.sock", folder=tmp_path).endpoints == ("ipc:///tmp/a.sock",)
    client.running.append(tmp_path / "other.json")
    assert open_client(str(tmp_path / "other.json"), folder=tmp_path) == tmp_path / "other.json"
    with pytest.raises(DaemonUnreachable):
        open_client(str(tmp_path / "missing.json"), folder=tmp_path)


def test_the_plugin_folder_is_the_one_with_the_entry():
    """install.json is looked for beside GIMP's entry file."""
    assert (connection.PLUGIN_FOLDER / "gimp-bsrgan.py").is_file()
    assert Path(connection.PLUGIN_FOLDER).name == "gimp-bsrgan"
