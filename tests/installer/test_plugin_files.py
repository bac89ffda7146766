"""The plug-in's copies in a profile and their manifest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgpack
import pytest

from bsrgan_install import plugin_files

ROOT = Path(__file__).resolve().parents[2]


def install(profile: Path, version: str = "1.0", repository: Path = ROOT) -> Path:
    """Install into a profile and return the plug-in's folder."""
    plugin_files.install_plugin(
        profile,
        prefix=profile / "root",
        command=["/opt/python", "-m", "x"],
        msgpack=Path(msgpack.__file__).parent,
        version=version,
        repository=repository,
    )
    return profile / "plug-ins" / "gimp-bsrgan"


def tree(folder: Path) -> set[str]:
    """Every file and folder below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A small checkout that a test may change."""
    root = tmp_path / "checkout"
    for name, text in {
        "gimp_plugin/gimp-bsrgan/gimp-bsrgan.py": "entry = 1\n",
        "gimp_plugin/gimp-bsrgan/bsrgan_plugin/first.py": "first = 1\n",
        "gimp_plugin/gimp-bsrgan/bsrgan_plugin/old.py": "old = 1\n",
        "shared/bsrgan_wire/__init__.py": "",
        "LICENSE": "licence\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_gimp_finds_an_executable_named_like_its_folder(home):
    """The program has its folder's name and the executable bit, as GIMP demands."""
    folder = install(home / "3.0")
    assert os.access(folder / "gimp-bsrgan.py", os.X_OK)
    assert (folder / "bsrgan_plugin" / "__init__.py").is_file()


def test_installed_wire_works_on_a_bare_python(home):
    """The copied wire and msgpack import in a Python without any package, and nothing compiled is copied."""
    folder = install(home / "3.0")
    code = (
        f"import sys; sys.path.insert(0, {str(folder / 'vendor')!r})\n"
        "from bsrgan_wire import codec, messages; import msgpack\n"
        "frames = codec.encode(messages.Ping(), seq=1)\n"
        "assert codec.decode(frames, codec.CLIENT_KINDS).message == messages.Ping()\n"
        "print(msgpack.Packer.__module__)\n"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "msgpack.fallback", done.stderr
    assert not list(folder.rglob("*.so"))
    assert not list(folder.rglob("*.pyd"))


def test_catalogues_are_installed(home):
    """The plug-in's own texts and the sentences of the wire come with their translations."""
    folder = install(home / "3.0")
    assert (folder / "locale/de/LC_MESSAGES/gimp-bsrgan.mo").is_file()
    assert (folder / "vendor/bsrgan_wire/locale/zh_CN/LC_MESSAGES/gimp-bsrgan-sentences.mo").is_file()


def test_install_json_leads_to_the_installation(home):
    """The plug-in is told the root and how to start the daemon."""
    folder = install(home / "3.0")
    told = json.loads((folder / "install.json").read_text(encoding="utf-8"))
    assert told["prefix"] == str(home / "3.0/root")
    assert told["command"] == ["/opt/python", "-m", "x"]
    assert plugin_files.prefix_of(folder) == told["prefix"]


def test_removal_leaves_no_trace(home):
    """Install and remove leave the profile as it was, bytecode that GIMP's Python wrote included."""
    (home / "3.0/plug-ins/other").mkdir(parents=True)
    before = tree(home)
    folder = install(home / "3.0")
    (folder / "bsrgan_plugin/__pycache__").mkdir()
    (folder / "bsrgan_plugin/__pycache__/x.cpython-313.pyc").write_bytes(b"x")
    assert plugin_files.remove_plugin(folder) == []
    assert tree(home) == before


def test_removal_twice_is_no_error(home):
    """Removing what is not there does nothing."""
    folder = install(home / "3.0")
    plugin_files.remove_plugin(folder)
    assert plugin_files.remove_plugin(folder) == []


def test_edited_and_added_files_survive_removal(home):
    """What a person changed or put there stays, all else goes."""
    folder = install(home / "3.0")
    edited, added = folder / "gimp-bsrgan.py", folder / "notes.txt"
    edited.write_text("mine")
    added.write_text("mine too")
    assert plugin_files.remove_plugin(folder) == sorted([edited, added])
    assert tree(folder) == {"gimp-bsrgan.py", "notes.txt"}


def test_upgrade_replaces_and_removes_old_modules(home, repository):
    """An upgrade brings changed files, and modules that no longer exist go."""
    folder = install(home / "3.0", repository=repository)
    plugin = repository / "gimp_plugin/gimp-bsrgan/bsrgan_plugin"
    (plugin / "old.py").unlink()
    (plugin / "first.py").write_text("first = 2\n")
    install(home / "3.0", "2.0", repository)
    assert not (folder / "bsrgan_plugin/old.py").exists()
    assert (folder / "bsrgan_plugin/first.py").read_text() == "first = 2\n"
    assert json.loads((folder / "manifest.json").read_text())["version"] == "2.0"


def test_upgrade_keeps_a_copy_of_edited_files(home, repository):
    """A file that a person changed is kept beside the new one."""
    folder = install(home / "3.0", repository=repository)
    (folder / "bsrgan_plugin/first.py").write_text("mine\n")
    install(home / "3.0", "2.0", repository)
    assert (folder / "bsrgan_plugin/first.py").read_text() == "first = 1\n"
    assert (folder / "bsrgan_plugin/first.py.before-upgrade").read_text() == "mine\n"


@pytest.mark.parametrize("name", ["../../victim.txt", "/etc/hostname", ""])
def test_a_damaged_manifest_never_leads_out_of_the_folder(home, name):
    """Entries of the manifest that point elsewhere are ignored."""
    folder = install(home / "3.0")
    victim = home / "3.0/victim.txt"
    victim.write_text("v")
    digest = plugin_files.digest_of(victim)
    (folder / "manifest.json").write_text(json.dumps({"files": {name: digest}}))
    plugin_files.remove_plugin(folder)
    assert victim.exists()
    assert plugin_files.manifest(folder) == {}


class Stopper:
    """Lets a number of files take their place, then the disk is full or a person presses Ctrl-C."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
        self.left, self.error = -1, error
        whole = Path.replace

        def replace(path: Path, target: Path) -> Path:
            if self.left == 0:
                raise self.error
            self.left -= 1
            return whole(path, target)

        monkeypatch.setattr(Path, "replace", replace)

    def stop(self, after: int, profile: Path, *arguments: str | Path) -> bool:
        """Install up to that file; whether that was before the end."""
        self.left = after
        try:
            install(profile, *arguments)
        except type(self.error):
            return True
        finally:
            self.left = -1
        return False


@pytest.fixture(params=[OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["disk", "Ctrl-C"])
def stopper(request, monkeypatch):
    """What stops a copy half-way."""
    return Stopper(monkeypatch, request.param)


def upgraded(repository: Path) -> None:
    """Make the small checkout a newer version: a file changed, one gone, one new."""
    plugin = repository / "gimp_plugin/gimp-bsrgan/bsrgan_plugin"
    (plugin / "first.py").write_text(f"{(plugin / 'first.py').read_text()}again\n")
    (plugin / "old.py").unlink(missing_ok=True)
    (plugin / "new.py").write_text("new = 1\n")


def test_a_copy_that_was_stopped_leaves_no_trace_when_removed(home, repository, stopper):
    """Wherever the first copy was stopped, removing leaves nothing of it."""
    (home / "3.0/plug-ins").mkdir(parents=True)
    before, after = tree(home), 0
    while stopper.stop(after, home / "3.0", "1.0", repository):
        assert plugin_files.remove_plugin(home / "3.0/plug-ins/gimp-bsrgan") == []
        assert tree(home) == before
        after += 1
    assert after > 5


def test_an_upgrade_that_was_stopped_leaves_no_trace_when_removed(home, repository, tmp_path, stopper):
    """Wherever two upgrades in a row were stopped, removing leaves nothing of the three versions."""
    (home / "3.0/plug-ins").mkdir(parents=True)
    before, after, stopped = tree(home), 0, True
    while stopped:
        install(home / "3.0", "1.0", repository)
        upgraded(repository)
        stopper.stop(after + 2, home / "3.0", "2.0", repository)
        upgraded(repository)
        stopped = stopper.stop(after, home / "3.0", "3.0", repository)
        assert plugin_files.remove_plugin(home / "3.0/plug-ins/gimp-bsrgan") == []
        assert tree(home) == before
        after += 1
    assert after > 5


def test_an_upgrade_that_was_stopped_can_be_repeated(home, repository, stopper):
    """Repeating gives the newer version alone: no file of ours counts as changed by a person."""
    install(home / "other", "2.0", repository)
    folder, after, stopped = home / "3.0/plug-ins/gimp-bsrgan", 0, True
    while stopped:
        install(home / "3.0", "1.0", repository)
        upgraded(repository)
        stopped = stopper.stop(after, home / "3.0", "2.0", repository)
        install(home / "3.0", "2.0", repository)
        install(home / "other", "2.0", repository)
        assert tree(folder) == tree(home / "other/plug-ins/gimp-bsrgan")
        assert "earlier" not in json.loads((folder / "manifest.json").read_text())
        after += 1
    assert after > 5


def test_edited_files_survive_a_copy_that_was_stopped(home, repository, stopper):
    """What a person changed stays in the profile, wherever an upgrade over it was stopped."""
    after, stopped = 0, True
    while stopped:
        folder = install(home / "3.0", "1.0", repository)
        (folder / "bsrgan_plugin/first.py").write_text("mine\n")
        upgraded(repository)
        stopped = stopper.stop(after, home / "3.0", "2.0", repository)
        (kept,) = plugin_files.remove_plugin(folder)
        assert kept.read_text() == "mine\n"
        kept.unlink()
        after += 1


def test_drafts_of_ours_go_with_the_plugin(home):
    """A file that a power cut left before it took its place is removed, another hidden one stays."""
    folder = install(home / "3.0")
    for name in (".manifest.json.new", ".gimp-bsrgan.py.new", "bsrgan_plugin/.__init__.py.new", ".mine.new"):
        (folder / name).write_text("half")
    assert plugin_files.remove_plugin(folder) == [folder / ".mine.new"]


@pytest.mark.parametrize("text", ["[]", "null", '{"files": 3, "earlier": [1]}', '{"earlier": {"LICENSE": 1}}'])
def test_a_damaged_manifest_names_no_file(home, text):
    """A manifest that is JSON and none of ours removes nothing."""
    folder = install(home / "3.0")
    (folder / "manifest.json").write_text(text)
    assert not any(plugin_files.manifest(folder).values())
    assert folder / "LICENSE" in plugin_files.remove_plugin(folder)
