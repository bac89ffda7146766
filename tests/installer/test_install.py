"""The installer as a person runs it: installed, tried, repeated, upgraded, removed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bsrgan_backend.models import synthetic
from bsrgan_backend.models.store import ModelStore
from bsrgan_install import record

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 900


def snapshot(folder: Path) -> dict[str, str]:
    """Everything below a folder: kinds, and contents of files."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        else:
            found[name] = "folder" if path.is_dir() else path.read_bytes().hex()
    return found


class Person:
    """A user with a home of their own, who runs the installer."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(parents=True)
        self.environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("XDG_", "GIMP")) and name not in ("PYTHONPATH", "DBUS_SESSION_BUS_ADDRESS")
        }
        self.environ["HOME"] = str(home)
        # Pip asks rustc for its version, which makes a folder in the home where that is rustup's.
        self.environ["RUSTUP_HOME"] = str(home.parent / "rustup")
        # Hundreds of megabytes that the real user's pip has already.
        self.environ.setdefault(
            "PIP_CACHE_DIR", str(Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pip")
        )

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run the installer."""
        command = [sys.executable, ROOT / "installer/install.py", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=self.environ, timeout=TIMEOUT_S, cwd="/")

    def install(self, *arguments: str | Path) -> str:
        """Run the installer, which must succeed, and return what it printed."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
        return done.stdout

    def call(self, command: str | Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Call an installed command."""
        return subprocess.run([command, *arguments], capture_output=True, text=True, env=self.environ, timeout=300)


def give_tiny_model(root: Path) -> None:
    """A root that holds a model and a choice of the user's, as from an earlier installation."""
    ModelStore(root / "models").put("tiny", synthetic.random_weights(synthetic.TINY, 1), "", None, "test")
    (root / "settings.toml").write_text('model = "tiny"\n')
    record.write(root / "installation.json", record.Record())


@pytest.fixture(params=["home", "Zoë's $x höme"])
def person(request: pytest.FixtureRequest, tmp_path: Path) -> Person:
    """Somebody who had a model and settings before; their daemon is stopped in the end."""
    someone = Person(tmp_path / request.param)
    yield someone
    command = someone.home / ".local/share/gimp-bsrgan/bin/gimp-bsrgan"
    if command.exists():
        someone.call(command, "stop")


def test_install_try_and_uninstall_leave_no_trace(person):
    """One command installs and upscales the photo; --uninstall --purge leaves the home as it was."""
    (person.home / ".config/GIMP/3.0/plug-ins/other").mkdir(parents=True)
    (person.home / "photo.txt").write_text("mine")
    before = snapshot(person.home)
    root = person.home / ".local/share/gimp-bsrgan"
    give_tiny_model(root)

    told = person.install("--try", "--venv", sys.prefix, "--no-service")
    assert f"after:  {root / 'try/after.png'}" in told
    assert (root / "try/after.png").read_bytes().startswith(b"\x89PNG")
    plugin = person.home / ".config/GIMP/3.0/plug-ins/gimp-bsrgan"
    install_json = json.loads((plugin / "install.json").read_text(encoding="utf-8"))
    assert install_json["prefix"] == str(root)
    assert person.call(person.home / ".local/bin/gimp-bsrgan", "status").returncode == 0

    person.install("--uninstall", "--purge")
    remains = snapshot(person.home)
    # What the test itself made first: parents of the root are not the installer's to remove.
    assert {name for name in remains if name not in before} <= {".local", ".local/share"}
    assert {name: remains[name] for name in before} == before


def test_uninstall_keeps_what_is_personal(person):
    """Without --purge models and settings stay, and a later --purge takes them; each may be repeated."""
    root = person.home / ".local/share/gimp-bsrgan"
    give_tiny_model(root)
    person.install("--venv", sys.prefix, "--no-service")
    for _ in range(2):
        person.install("--uninstall")
        assert {path.name for path in root.iterdir()} == {"models", "settings.toml", "installation.json"}
        assert not (person.home / ".local/bin/gimp-bsrgan").exists()
        assert not (person.home / ".config/GIMP/3.0/plug-ins/gimp-bsrgan").exists()
    for _ in range(2):
        person.install("--uninstall", "--purge")
        assert not root.exists()


def test_a_repeated_installation_replaces_the_daemon(person):
    """Running the installer again stops the daemon of before and ends in the same state."""
    root = person.home / ".local/share/gimp-bsrgan"
    give_tiny_model(root)
    person.install("--try", "--venv", sys.prefix, "--no-service")
    first = json.loads((root / "state/daemon.json").read_text())["instance"]
    record = (root / "installation.json").read_text()
    person.install("--try", "--venv", sys.prefix, "--no-service")
    assert json.loads((root / "state/daemon.json").read_text())["instance"] != first
    assert (root / "installation.json").read_text() == record


def test_the_plugin_can_start_the_daemon(person):
    """The command in install.json starts a daemon of this installation, from an empty environment."""
    root = person.home / ".local/share/gimp-bsrgan"
    give_tiny_model(root)
    person.install("--venv", sys.prefix, "--no-service")
    plugin = person.home / ".config/GIMP/3.2/plug-ins/gimp-bsrgan"
    code = (
        f"import json, sys; sys.path.insert(0, {str(plugin / 'vendor')!r})\n"
        "from pathlib import Path\n"
        "from bsrgan_wire import launch\n"
        f"told = json.loads(Path({str(plugin / 'install.json')!r}).read_text('utf-8'))\n"
        "print(launch.ensure_daemon(Path(told['prefix']), told['command']).pid)\n"
    )
    done = person.call(sys.executable, "-I", "-S", "-c", code)
    assert done.returncode == 0, done.stderr
    told = person.call(root / "bin/gimp-bsrgan", "status", "--json")
    assert json.loads(told.stdout)["pid"] == int(done.stdout)


def test_a_prefix_touches_nothing_else(person, tmp_path):
    """With --prefix and --no-gimp the home stays as it was, and everything is in the one folder."""
    root = tmp_path / "one folder"
    give_tiny_model(root)
    before = snapshot(person.home)
    person.install("--prefix", root, "--no-gimp", "--venv", sys.prefix)
    told = person.call(root / "bin/gimp-bsrgan", "models", "path", "tiny")
    assert told.stdout.strip() == str(root / "models/tiny.safetensors")
    assert snapshot(person.home) == before
    person.install("--uninstall", "--purge", "--prefix", root)
    assert not root.exists()


def test_another_program_of_that_name_is_left_alone(person):
    """A gimp-bsrgan in ~/.local/bin that is not ours stays, with a note, also when uninstalling."""
    give_tiny_model(person.home / ".local/share/gimp-bsrgan")
    other = person.home / ".local/bin/gimp-bsrgan"
    other.parent.mkdir(parents=True)
    other.write_text("#!/bin/sh\n")
    assert "was left alone" in person.install("--no-gimp", "--no-service", "--venv", sys.prefix)
    person.install("--uninstall", "--purge")
    assert other.read_text() == "#!/bin/sh\n"


@pytest.mark.parametrize(
    "arguments", [["--purge"], ["--uninstall", "--try"], ["--uninstall", "--model", "x"], ["--nonsense"], ["file"]]
)
def test_wrong_usage_is_status_2(person, arguments):
    """Arguments that do not go together are refused before anything is done."""
    assert person.run(*arguments).returncode == 2
    assert snapshot(person.home) == {}


def test_an_unknown_model_is_one_sentence(person, tmp_path):
    """A model that does not exist fails with one sentence that names it and those that do."""
    done = person.run("--prefix", tmp_path / "p", "--no-gimp", "--venv", sys.prefix, "--model", "no-such-model")
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "no-such-model" in line
    assert "bsrgan-x4" in line


def test_a_failed_installation_can_be_removed(person, tmp_path):
    """What a failed run left is known to the uninstaller."""
    root = tmp_path / "p"
    person.run("--prefix", root, "--no-gimp", "--venv", sys.prefix, "--model", "no-such-model")
    person.install("--uninstall", "--purge", "--prefix", root)
    assert not root.exists()


def test_a_copy_that_failed_can_be_removed(person, tmp_path):
    """The uninstaller knows a plug-in that was copied half-way into a profile, and leaves what was there before."""
    root, profile = tmp_path / "p", person.home / ".config/GIMP/3.0"
    give_tiny_model(root)
    plugin = profile / "plug-ins/gimp-bsrgan"
    (plugin / "LICENSE").mkdir(parents=True)  # no file can take its place
    (plugin / "LICENSE/mine").write_text("mine")
    before = snapshot(person.home)
    done = person.run("--prefix", root, "--venv", sys.prefix)
    assert done.returncode == 1
    assert (plugin / "gimp-bsrgan.py").exists()
    person.install("--uninstall", "--purge", "--prefix", root)
    assert not root.exists()
    assert snapshot(person.home) == before


def test_a_broken_environment_is_one_sentence(person, tmp_path):
    """An environment that is none is refused with a sentence, not a traceback."""
    done = person.run("--prefix", tmp_path / "p", "--no-gimp", "--venv", tmp_path / "nothing")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.weights
@pytest.mark.timeout(1200)
def test_the_real_thing(tmp_path):
    """With nothing prepared: environment by venv and pip, a trained model, the photo upscaled, all of it removed."""
    person = Person(tmp_path / "real höme")
    root = tmp_path / "everything"
    told = person.install("--try", "--prefix", root)
    try:
        assert (root / "try/after.png").is_file()
        state = json.loads(person.call(root / "bin/gimp-bsrgan", "status", "--json").stdout)
        assert state["model"] in ("bsrgan-x4", "realesrgan-x4plus")
        assert f"model {state['model']}" in told
        assert (root / "venv/bin/python").exists()
        assert not (root / "venv").is_symlink()
    finally:
        person.install("--uninstall", "--purge", "--prefix", root)
    assert not root.exists()
    assert snapshot(person.home) == {}
