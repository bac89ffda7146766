"""Single steps of the installer against stand-ins for other programs."""

from __future__ import annotations

import ast
import errno
import io
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bsrgan_install import (
    backend_command,
    commands,
    environment,
    files,
    gimp_batch,
    main,
    places,
    plugin_files,
    record,
    removal,
    service,
    weights,
)
from bsrgan_install.record import Record
from bsrgan_install.report import InstallError, Report

INSTALLER = Path(__file__).resolve().parents[2] / "installer"


def program(path: Path, text: str) -> Path:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def layout(home, tmp_path):
    """A default installation in a temporary home, its folder made."""
    found = places.layout(None, {"HOME": str(home)}, "linux")
    found.root.mkdir(parents=True)
    return found


@pytest.fixture
def systemctl(home, monkeypatch):
    """A systemctl that notes how it was called; `fail` lists the verbs that fail."""
    log, fail = home / "systemctl.log", home / "fail"
    fail.write_text("")
    program(
        home / "bin/systemctl",
        f'/bin/echo "$@" >> {shlex.quote(str(log))}\n'
        f'if /bin/grep -qx "$3" {shlex.quote(str(fail))}; then echo "no $3 today" >&2; exit 1; fi',
    )
    monkeypatch.setenv("PATH", str(home / "bin"))
    return log, fail


class FakeBackend:
    """What `gimp-bsrgan` would answer to the installer's questions about models."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, default: str, installed: set[str], reachable: set[str]) -> None:
        self.default, self.installed, self.reachable = default, installed, reachable
        monkeypatch.setattr(backend_command, "run", self.run)
        monkeypatch.setattr(backend_command, "watch", self.watch)

    def run(self, _layout, *words, timeout_s):
        """Models path, settings get and settings set."""
        status, out = 0, ""
        if words[:2] == ("models", "path"):
            status = int(words[2] not in self.installed)
        elif words[:2] == ("settings", "get"):
            out = f"{self.default}\n"
        elif words[:2] == ("settings", "set"):
            self.default = words[3]
        return subprocess.CompletedProcess(words, status, out, "")

    def watch(self, _layout, _report, _what, *words):
        """Models download."""
        if words[-1] not in self.reachable:
            return f"The host of {words[-1]} does not answer."
        self.installed.add(words[-1])
        return ""


class Full(io.BytesIO):
    """A file on a disk without space."""

    def write(self, _data):
        """Fail as the system does, which names no file here."""
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_every_file_of_the_installer_is_python_3_8():
    """The installer starts on Python 3.8, so that it can say which Python is missing."""
    for path in [INSTALLER / "install.py", *INSTALLER.glob("bsrgan_install/*.py")]:
        ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_the_authors_model_is_the_first_choice(layout, monkeypatch, capsys):
    """Where the authors' host answers, its model is installed and no setting is written."""
    backend = FakeBackend(monkeypatch, weights.USUAL, set(), {weights.USUAL, weights.FALLBACK})
    kept = Record()
    weights.install(layout, "", kept, Report())
    assert backend.installed == {weights.USUAL}
    assert (backend.default, kept.fallback_model) == (weights.USUAL, "")


def test_without_the_authors_host_another_model_is_the_default(layout, monkeypatch, capsys):
    """Where it does not answer, one sentence says so and the other model becomes the default."""
    backend = FakeBackend(monkeypatch, weights.USUAL, set(), {weights.FALLBACK})
    kept = Record()
    weights.install(layout, "", kept, Report())
    assert backend.installed == {weights.FALLBACK}
    assert backend.default == kept.fallback_model == weights.FALLBACK
    assert "could not be fetched: The host of bsrgan-x4 does not answer." in capsys.readouterr().out


def test_a_later_run_returns_to_the_authors_model(layout, monkeypatch, capsys):
    """The installer's own second choice is undone once the first one can be had."""
    backend = FakeBackend(monkeypatch, weights.FALLBACK, {weights.FALLBACK}, {weights.USUAL})
    kept = Record(fallback_model=weights.FALLBACK)
    weights.install(layout, "", kept, Report())
    assert (backend.default, kept.fallback_model) == (weights.USUAL, "")


def test_the_users_own_default_is_left_alone(layout, monkeypatch, capsys):
    """A default that the user chose stays, even where the usual model could be had."""
    backend = FakeBackend(monkeypatch, "mine", {"mine"}, {weights.USUAL})
    weights.install(layout, "", Record(), Report())
    assert (backend.default, backend.installed) == ("mine", {"mine"})


def test_a_model_that_was_asked_for_becomes_the_default_or_fails(layout, monkeypatch, capsys):
    """--model installs exactly that one; when it cannot be had the installation fails with its sentence."""
    backend = FakeBackend(monkeypatch, weights.USUAL, set(), {"realsr-jpeg"})
    weights.install(layout, "realsr-jpeg", Record(), Report())
    assert backend.default == "realsr-jpeg"
    with pytest.raises(InstallError, match="The model bsrnet-x4 could not be installed: The host"):
        weights.install(layout, "bsrnet-x4", Record(), Report())


def test_without_any_host_the_sentence_says_what_to_do(layout, monkeypatch, capsys):
    """When no model can be had the installation fails and names the ways out."""
    FakeBackend(monkeypatch, weights.USUAL, set(), set())
    with pytest.raises(InstallError, match=r"No model could be installed: .* models add FILE"):
        weights.install(layout, "", Record(), Report())


def test_the_unit_is_enabled_started_and_removed(layout, systemctl):
    """The unit is written, enabled and restarted; removing it leaves neither the file nor its folders."""
    log, _ = systemctl
    kept = Record()
    assert service.is_available(layout)
    assert service.install(layout, ["gimp-bsrgan", "serve"], kept) == ""
    assert layout.unit.is_file()
    assert kept.unit == str(layout.unit)
    service.remove(layout.unit)
    record.remove_empty(kept.made_folders)
    assert not layout.unit.parent.parent.exists()
    verbs = [line.split()[2] for line in log.read_text().splitlines()]
    assert verbs == [
        *["show-environment", "daemon-reload", "enable", "restart"],
        *["disable", "daemon-reload", "reset-failed"],
    ]


def test_a_systemd_that_refuses_gives_its_reason(layout, systemctl):
    """When the unit cannot be started, the reason is returned and removal still works."""
    _, fail = systemctl
    fail.write_text("restart\n")
    assert service.install(layout, ["gimp-bsrgan", "serve"], Record()) == "no restart today"
    service.remove(layout.unit)
    assert not layout.unit.exists()


@pytest.mark.parametrize("step", ["open", "replace"])
def test_a_unit_that_could_not_be_written_is_known(layout, systemctl, monkeypatch, step):
    """A full disk is told with the unit's name, and nothing of the unit is there after its removal."""
    layout.unit.parent.mkdir(parents=True)
    kept = Record()
    with monkeypatch.context() as full:
        full.setattr(Path, step, lambda *_, **__: Full().write(b""))
        with pytest.raises(OSError, match="No space left") as caught:
            service.install(layout, ["gimp-bsrgan", "serve"], kept)
    assert (caught.value.filename, kept.unit) == (str(layout.unit), str(layout.unit))
    files.draft(layout.unit).write_text("half")  # as after a power cut
    service.remove(layout.unit)
    assert list(layout.unit.parent.iterdir()) == []


def test_no_service_where_no_systemd_runs_for_the_user(layout, systemctl):
    """A systemctl without a user manager (containers, other init systems) means no service."""
    _, fail = systemctl
    fail.write_text("show-environment\n")
    assert not service.is_available(layout)


def test_pip_failure_is_one_sentence_with_the_log(layout, tmp_path):
    """When pip fails, the reason is in the sentence and all output in the log that it names."""
    layout.log.parent.mkdir()
    program(
        layout.venv / "bin/python",
        "echo 'Collecting x'\necho 'ERROR: No matching distribution found for x'\necho later\nexit 1",
    )
    with pytest.raises(InstallError) as caught:
        environment._install_package(layout, Report())
    assert "ERROR: No matching distribution found for x" in str(caught.value)
    assert str(layout.log) in str(caught.value)
    assert "later" in layout.log.read_text()


@pytest.mark.parametrize(
    ("line", "is_network"),
    [
        ("WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(...)': /simple/x/", True),
        ("OSError: HTTPSConnectionPool(...): Failed to establish a new connection: [Errno 111]", True),
        ("  ERROR: Could not find a version that satisfies the requirement x (from versions: none)", True),
        ("ERROR: Could not find a version that satisfies the requirement x==9 (from versions: 1, 2)", False),
    ],
)
def test_without_the_package_index_the_sentence_says_what_to_do(layout, line, is_network):
    """When nothing can be fetched, the sentence sends people to their network and keeps pip's reason."""
    layout.log.parent.mkdir()
    program(layout.venv / "bin/python", f"echo {shlex.quote(line)}\necho 'ERROR: No distribution for x'\nexit 1")
    with pytest.raises(InstallError, match="ERROR: No distribution for x") as caught:
        environment._install_package(layout, Report())
    assert ("check the network (or PIP_INDEX_URL) and run this again" in str(caught.value)) == is_network


class Stopped(Report):
    """A person presses Ctrl-C as soon as pip's first step is shown."""

    def start(self, text):
        """Stop at once."""
        raise KeyboardInterrupt


def test_pip_leaves_its_temporary_files_in_the_installation(layout, home, monkeypatch):
    """What pip or venv leave when they are stopped goes at once, and nothing of it lies anywhere else."""
    monkeypatch.setattr(environment, "ENDING_S", 0.2)
    monkeypatch.setenv("TMPDIR", str(home / "tmp"))
    (home / "tmp").mkdir()
    layout.log.parent.mkdir()
    program(
        layout.venv / "bin/python",
        'echo half > "$TMPDIR/x.pem"\necho "$TMPDIR" > "$0.saw"\necho Collecting x\nexec /bin/sleep 60',
    )
    with pytest.raises(KeyboardInterrupt):
        environment._install_package(layout, Stopped())
    assert (layout.venv / "bin/python.saw").read_text().startswith(str(layout.root))
    assert list((home / "tmp").iterdir()) == []
    assert sorted(path.name for path in layout.root.iterdir()) == ["logs", "venv"]


def test_what_an_earlier_run_left_there_goes_first(layout):
    """A run that was killed could not remove its temporary files; the next one does."""
    layout.temporary.mkdir(parents=True)
    (layout.temporary / "x.pem").write_text("half")
    layout.log.parent.mkdir()
    program(layout.venv / "bin/python", 'echo "$TMPDIR"/* > "$0.saw"')
    environment._install_package(layout, Report())
    assert "x.pem" not in (layout.venv / "bin/python.saw").read_text()
    assert not layout.temporary.exists()


def test_pip_may_put_things_back_after_ctrl_c(layout):
    """It got the Ctrl-C too and is not killed while it ends by itself."""
    layout.log.parent.mkdir()
    program(layout.venv / "bin/python", 'echo Collecting x\n/bin/sleep 0.3\necho whole > "$0.saw"')
    with pytest.raises(KeyboardInterrupt):
        environment._install_package(layout, Stopped())
    assert (layout.venv / "bin/python.saw").read_text() == "whole\n"


def test_the_log_takes_any_name(layout):
    """A requirement that is no text is pip's to refuse; the log shows it escaped."""
    layout.log.parent.mkdir()
    program(layout.venv / "bin/python", "exit 1")
    with pytest.raises(InstallError):
        environment.add(layout, ["/tmp/bad\udcff.whl"], Report())
    assert r"/tmp/bad\udcff.whl" in layout.log.read_text()


def test_progress_is_shown_on_any_terminal(monkeypatch):
    """A terminal that cannot show a character gets another one for it, and no traceback."""

    class Terminal(io.TextIOWrapper):
        def isatty(self):
            return True

    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", Terminal(shown, encoding="ascii"))
    Report().start("fetching höme")
    assert shown.getvalue() == b"? fetching h?me\r"


def test_too_little_space_is_told_before_anything_is_fetched(layout, monkeypatch):
    """A disk with too little space is refused with the numbers."""
    monkeypatch.setattr(environment, "NEEDED_BYTES", 10**18)
    with pytest.raises(InstallError, match=r"GB free and 1000000000\.0 GB are needed"):
        environment.install(layout, Report())


@pytest.mark.parametrize(
    ("script", "ok", "text"),
    [
        ("exit 1", False, "GIMP ended with status 1"),
        ("echo boom >&2; exit 64", False, "boom"),
        ("sleep 5", False, "no end after 0 s"),
    ],
)
def test_a_gimp_that_cannot_be_asked_gives_a_reason(tmp_path, monkeypatch, script, ok, text):
    """A GIMP that crashes, fails or hangs is an answer with a reason."""
    monkeypatch.setattr(gimp_batch, "_QUERY_TIMEOUT_S", 0.4)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert gimp_batch.has_procedure(program(tmp_path / "gimp-console", script)) == gimp_batch.Answer(ok, text)


def test_batch_scripts_for_gimp_are_python():
    """What is sent to GIMP compiles, also with odd paths in it."""
    odd = "/a b/'q' \"d\" {x} ü"
    compile(gimp_batch._QUERY.format(procedure="p", answer=odd), "query", "exec")
    compile(gimp_batch._UPSCALE.format(procedure="p", answer=odd, source=odd, target=odd), "upscale", "exec")


def test_programs_do_not_inherit_another_python(monkeypatch):
    """Variables that an editor or a virtual environment sets are not handed on."""
    monkeypatch.setenv("PYTHONPATH", "/x")
    monkeypatch.setenv("PIP_USER", "1")
    told = commands.run([sys.executable, "-c", "import os; print(sorted(os.environ))"], timeout_s=30).stdout
    assert "PYTHONPATH" not in told
    assert "PIP_USER" not in told


def test_a_missing_program_is_a_failed_run():
    """A program that is not there has status 127 and a reason."""
    done = commands.run(["/nonexistent/program"], timeout_s=5)
    assert done.returncode == 127
    assert done.stderr


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"version": 3}', '{"plugin_folders": "x"}'])
def test_a_damaged_record_counts_as_none(tmp_path, text):
    """A record that cannot be read is an empty one, so that installing repairs it."""
    (tmp_path / "r.json").write_text(text)
    assert record.read(tmp_path / "r.json") == Record()


def test_records_are_read_as_written(tmp_path):
    """Everything in a record survives being written."""
    kept = Record("1", "3.12.1", ["/a"], ["/b"], "/c", "/d", "e")
    record.write(tmp_path / "r.json", kept)
    assert record.read(tmp_path / "r.json") == kept


def test_a_profile_is_recorded_before_its_copy_starts(layout, home, monkeypatch):
    """A copy that does not end, even by a closed window, is in the record, and so is each folder made for it."""
    monkeypatch.setattr(main, "_msgpack", lambda _: home)
    monkeypatch.setattr(plugin_files, "install_plugin", lambda *_, **__: sys.exit("killed"))
    (home / ".config").mkdir()
    with pytest.raises(SystemExit):
        main._install_plugins(layout, Record(), Report())
    kept = record.read(layout.record)
    assert kept.plugin_folders == [str(home / ".config/GIMP/3.0/plug-ins/gimp-bsrgan")]
    assert kept.made_folders == [str(home / ".config/GIMP" / name) for name in ("", "3.0", "3.0/plug-ins")]


def test_a_failed_write_names_the_file_that_was_to_be(home, monkeypatch):
    """A full disk is told of the file in the profile or the record, not of a source or a draft."""
    monkeypatch.setattr(Path, "open", lambda *_, **__: Full())
    with pytest.raises(OSError, match="No space left") as caught:
        files.write(home / "a/b.json", b"x")
    assert caught.value.filename == str(home / "a/b.json")


def test_a_failure_between_two_files_names_the_target(home, monkeypatch, capsys):
    """The sentence about a copy that failed names where to, not the checkout."""

    def copy(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "/checkout/photo.jpg", None, "/target/photo.jpg")

    monkeypatch.setattr(main, "_install_backend", copy)
    assert main.main(["--prefix", str(home / "D")]) == 1
    assert capsys.readouterr().err == "/target/photo.jpg cannot be used: No space left on device.\n"


def test_a_removal_without_space_is_a_sentence(layout, monkeypatch, capsys):
    """An error of the system that names no file is told with the installation's folder."""
    record.write(layout.record, Record())
    monkeypatch.setattr(removal, "_remove_root", lambda *_, **__: Full().write(b""))
    assert main.main(["--uninstall"]) == 1
    assert capsys.readouterr().err == f"{layout.root} could not be removed (No space left on device); run this again.\n"


@pytest.mark.parametrize("stop", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", ["mkdir", "replace"])
def test_a_start_that_fails_leaves_nothing(home, monkeypatch, capsys, step, stop):
    """Where the disk is full before the first record is kept, neither its draft nor a folder of ours stays."""
    whole = getattr(Path, step)

    def last(path: Path, *words, **named):
        if path.name in ("D", ".installation.json.new") and path.parent.exists():
            raise stop
        return whole(path, *words, **named)

    monkeypatch.setattr(Path, step, last)
    assert main.main(["--prefix", str(home / "new/other/D")]) in (1, 130)
    assert list(home.iterdir()) == []


def test_a_start_that_fails_leaves_the_users_folder(home, monkeypatch, capsys):
    """A folder that was there before stays, empty as it was."""
    (home / "D").mkdir()
    monkeypatch.setattr(Path, "replace", lambda *_: Full().write(b""))
    assert main.main(["--prefix", str(home / "D")]) == 1
    assert list((home / "D").iterdir()) == []
    assert [path.name for path in home.iterdir()] == ["D"]


def test_the_launcher_means_its_own_installation(layout):
    """The installed command hands on its own root, whatever the environment says, and any folder's name works."""
    # Pip's own script lets a shell read the folder's name, which may hold a '$'.
    program(layout.venv / "bin/gimp-bsrgan", "exit 127")
    program(layout.venv / "bin/python", 'echo "$GIMP_BSRGAN_PREFIX|$*"')
    backend_command.write_launcher(layout)
    done = subprocess.run(
        [layout.command, "a b", "$c"], capture_output=True, text=True, env={"GIMP_BSRGAN_PREFIX": "/other"}, check=True
    )
    assert done.stdout == f"{layout.root}|-I -m bsrgan_backend.cli.main a b $c\n"


def test_the_installer_needs_no_script_of_pip(layout):
    """The installer's own calls work in a folder with any name, as the launcher does."""
    program(layout.venv / "bin/python", 'echo "$GIMP_BSRGAN_PREFIX|$*"; echo "gimp-bsrgan: $*." >&2; exit 3')
    done = backend_command.run(layout, "stop", timeout_s=30)
    assert done.stdout == f"{layout.root}|-I -m bsrgan_backend.cli.main stop\n"
    assert backend_command.watch(layout, Report(), "x", "get") == "-I -m bsrgan_backend.cli.main get."
    assert backend_command.start_command(layout)[0] == str(layout.venv / "bin/python")


def test_a_stale_link_is_renewed(layout):
    """A link of an earlier installation in the same root is replaced."""
    layout.command.parent.mkdir()
    layout.command.write_text("")
    layout.link.parent.mkdir(parents=True, exist_ok=True)
    layout.link.symlink_to(layout.root / "bin/gone")
    assert backend_command.link_launcher(layout, Record()) == ""
    assert layout.link.resolve() == layout.command.resolve()
