"""Folders that are not the installer's: not taken over, and nothing of them removed."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bsrgan_install import backend_command, ownership, places, record, removal
from bsrgan_install.main import main
from bsrgan_install.record import Record
from bsrgan_install.report import InstallError, Report

ROOT = Path(__file__).resolve().parents[2]
USED = ("bin/mytool", "state/a", "cache/b", "logs/c", "run/d", "spool/e", "try/f", "venv/bin/python", "models/my.pth")


def fill(folder: Path) -> set[str]:
    """A folder in which somebody keeps things under the names that an installation has; the files' names."""
    for name in (*USED, "settings.toml"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    return names(folder)


def names(folder: Path) -> set[str]:
    """The files below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def installed(root: Path) -> places.Layout:
    """What an installation leaves, without an environment."""
    layout = places.layout(root, {"HOME": "/nonexistent"}, "linux")
    for folder in ("state", "cache", "logs", "venv"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    record.write(layout.record, Record(version="1"))
    backend_command.write_launcher(layout)
    return layout


@pytest.mark.parametrize("options", [[], ["--purge"]])
@pytest.mark.parametrize("other", [None, "{}", '{"name": "other program"}', "not JSON"])
def test_uninstall_removes_nothing_where_nothing_is_installed(home, capsys, options, other):
    """A folder without a record of ours keeps all it holds, whatever the names in it, and that is no error."""
    before = fill(home / "D")
    if other is not None:
        (home / "D/installation.json").write_text(other)
        before.add("installation.json")
    assert main(["--uninstall", "--prefix", str(home / "D"), *options]) == 0
    assert names(home / "D") == before
    assert "nothing is installed" in capsys.readouterr().out


def test_the_command_of_another_installation_is_no_sign_of_one(home):
    """`~/.local/bin/gimp-bsrgan` leads to the usual installation; `~/.local` itself holds none."""
    usual = installed(home / ".local/share/gimp-bsrgan")
    before = fill(home / ".local")
    (home / ".local/bin/gimp-bsrgan").symlink_to(usual.command)
    assert main(["--uninstall", "--purge", "--prefix", str(home / ".local")]) == 0
    assert names(home / ".local") == before | {"bin/gimp-bsrgan"}


@pytest.mark.parametrize("name", ["bin/mytool", "venv/pyvenv.cfg", "models/my.pth", "notes.txt"])
def test_a_used_folder_is_not_taken_over(home, capsys, name):
    """Nothing is installed into a folder that holds something else; the sentence says what to do."""
    path = home / "D" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    assert main(["--prefix", str(home / "D"), "--no-gimp"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "choose an empty or new folder" in line
    assert names(home / "D") == {name}


def test_the_variable_takes_over_no_used_folder_either(home, monkeypatch, capsys):
    """GIMP_BSRGAN_PREFIX is held to the same rule."""
    before = fill(home / "D")
    monkeypatch.setenv("GIMP_BSRGAN_PREFIX", str(home / "D"))
    assert main(["--no-gimp"]) == 1
    assert main(["--uninstall"]) == 0
    assert names(home / "D") == before


def test_an_empty_prefix_is_wrong_usage(home, monkeypatch, capsys):
    """An unset variable of a shell does not mean the current folder."""
    monkeypatch.chdir(home)
    for options in ([], ["--uninstall"]):
        with pytest.raises(SystemExit) as ended:
            main(["--prefix", "", *options])
        assert ended.value.code == 2
    assert list(home.iterdir()) == []


@pytest.mark.skipif(os.name != "posix" or sys.platform == "darwin", reason="names are bytes on Linux alone")
@pytest.mark.parametrize(
    ("name", "locale"),
    [
        (b"bad\xff", {"LC_ALL": "C.UTF-8"}),
        ("höme".encode(), {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    ],
)
def test_a_folder_whose_name_is_not_read_as_utf_8_is_refused(tmp_path, name, locale):
    """Its name could be written into no file: one sentence says so, nothing is made, uninstalling is no error."""
    root = os.fsencode(tmp_path) + b"/" + name
    environ = {**os.environ, "HOME": str(tmp_path), **locale}
    for options, status in (([], 1), (["--uninstall"], 0)):
        words = [sys.executable, str(ROOT / "installer/install.py"), "--no-gimp", "--prefix", root, *options]
        done = subprocess.run(words, capture_output=True, env=environ)
        assert done.returncode == status
        assert len(done.stderr.splitlines()) == status
        assert b"Traceback" not in done.stderr
        assert list(tmp_path.iterdir()) == []


def test_folders_that_may_be_installed_into(home):
    """New and empty ones, an installation or what is left of one, one that was stopped at its start, the usual one."""
    new = places.layout(home / "new", {"HOME": str(home)}, "linux")
    ownership.check_free(new)
    new.root.mkdir()
    ownership.check_free(new)
    (new.root / ".installation.json.new").write_text("")  # a disk that was full before anything else was made
    ownership.check_free(new)
    ownership.check_free(installed(home / "old"))
    usual = places.layout(None, {"HOME": str(home)}, "linux")
    fill(usual.root)
    ownership.check_free(usual)


def test_a_damaged_record_still_means_an_installation(home):
    """Beside the command a record that cannot be read is ours: repeating repairs it, uninstalling removes it."""
    layout = installed(home / "D")
    layout.record.write_text("")
    assert ownership.is_ours(layout)
    layout.command.unlink()
    assert not ownership.is_ours(layout)
    with pytest.raises(InstallError):
        ownership.check_free(layout)


def test_uninstall_keeps_other_programs_beside_the_command(home):
    """Of `bin` only the command goes, and the folder with it when nothing else is in it."""
    layout = installed(home / "D")
    (layout.root / "bin/mytool").write_text("mine")
    removal.run(layout, purge=True, report=Report())
    assert names(layout.root) == {"bin/mytool"}
    other = installed(home / "E")
    removal.run(other, purge=True, report=Report())
    assert not other.root.exists()


def test_uninstall_of_an_installation_in_a_shared_folder(home, capsys):
    """Earlier versions could be installed into a used folder: what may be somebody else's stays there, with a note."""
    before = fill(home / "D")
    (home / "D/share").mkdir()
    installed(home / "D")
    removal.run(places.layout(home / "D", {"HOME": str(home)}, "linux"), purge=True, report=Report())
    assert names(home / "D") == {name for name in before if not name.startswith("venv/")}
    assert "holds other things" in capsys.readouterr().out


@pytest.mark.skipif(os.name != "posix", reason="a shell closes the streams")
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("options", "status"), [(["--uninstall"], 0), (["--no-gimp"], 1), (["--help"], 0)])
def test_closed_streams_change_nothing(tmp_path, closed, options, status):
    """A caller that has closed output or errors gets the same status and no traceback."""
    fill(tmp_path / "D")
    words = [sys.executable, str(ROOT / "installer/install.py"), "--prefix", str(tmp_path / "D"), *options]
    done = subprocess.run(["/bin/sh", "-c", f"{shlex.join(words)} {closed}"], capture_output=True, text=True)
    assert done.returncode == status
    assert "Traceback" not in done.stderr


def test_records_name_their_fields(tmp_path):
    """What tells our record from another program's file is in every one that was ever written."""
    record.write(tmp_path / "r.json", Record())
    assert "plugin_folders" in json.loads((tmp_path / "r.json").read_text())
    assert record.is_one(tmp_path / "r.json")
