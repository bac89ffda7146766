from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bsrgan_wire import PROTOCOL, places, rendezvous
from bsrgan_wire.client import Client
from bsrgan_wire.errors import DaemonUnreachable, RemoteError
from bsrgan_wire.launch import clean_environment, ensure_daemon
from bsrgan_wire.messages import Reject
from bsrgan_wire.rendezvous import Rendezvous
from support.daemon_double import DaemonDouble

SCRIPT = Path(__file__).parent.parent / "support" / "small_daemon.py"
COMMAND = [sys.executable, str(SCRIPT)]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the double listens on ipc")


@pytest.fixture
def root(tmp_path):
    """An installation's folder; a daemon started in it is stopped afterwards."""
    yield tmp_path
    try:
        with Client.connect_at(places.rendezvous_file(tmp_path), name="stop") as client:
            client.shutdown()
    except DaemonUnreachable:
        pass


def facts(root):
    """What the started daemon wrote about itself."""
    return json.loads((root / "environment.json").read_text("utf-8"))


def test_running_daemon_is_used(root):
    """When a daemon answers, nothing is started."""
    with DaemonDouble(root) as double:
        place = ensure_daemon(root, [str(root / "must-not-be-started")])
        assert place == double.rendezvous
    double.path.unlink()


def test_daemon_is_started_and_then_found(root):
    """Without a daemon the command is started, waited for, and found again by the next call."""
    ticks = []
    place = ensure_daemon(root, [*COMMAND, "--delay", "0.3"], idle=lambda: ticks.append(1))
    assert rendezvous.read(places.rendezvous_file(root)) == place
    assert len(ticks) >= 3, "the caller's user interface was not served"
    assert ensure_daemon(root, ["must-not-be-started"]) == place


def test_stale_file_of_a_dead_daemon_does_not_matter(root):
    """The file of a daemon that was killed is replaced by that of the started one."""
    stale = Rendezvous(PROTOCOL, "0", "f" * 32, 1, (f"ipc://{root}/gone.sock",))
    rendezvous.write(places.rendezvous_file(root), stale)
    assert ensure_daemon(root, COMMAND).instance != stale.instance


def test_daemon_has_its_own_session_and_clean_environment(root, monkeypatch):
    """The daemon survives the caller's terminal and does not see the variables of GIMP's own Python."""
    monkeypatch.setenv("PYTHONHOME", "/nonexistent")
    monkeypatch.setenv("GIMP3_DATADIR", "/gimp")
    ensure_daemon(root, COMMAND)
    told = facts(root)
    assert told["session"] == told["pid"] != os.getsid(0)
    assert not {"PYTHONHOME", "GIMP3_DATADIR"} & told["environment"].keys()
    assert told["environment"]["GIMP_BSRGAN_PREFIX"] == str(root)


def test_daemon_that_stops_names_its_log(root):
    """A daemon that fails while starting is reported at once, with its status and its log."""
    with pytest.raises(DaemonUnreachable, match=r"status 3.*daemon\.log"):
        ensure_daemon(root, [*COMMAND, "--exit", "3"])


FAILING = """
import sys
sys.stderr.write("x" * 200_000)
with open("logs/daemon.log", "a") as log:
    log.write(sys.argv[1])
sys.exit(1)
"""
OF_BEFORE = "2026-01-01 10:00:00,000 ERROR Something of before.\n"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            "INFO settings: x\n2026-01-01 10:00:01,000 ERROR The folder /x is open. ",
            "starting: The folder /x is open. Its",
        ),
        (
            "ERROR the daemon met an unexpected error\nTraceback\nValueError: x",
            "starting: the daemon met an unexpected",
        ),
        ("INFO stopped", "while starting (status 1); its log is"),
    ],
)
def test_daemon_that_stops_gives_the_reason_of_its_log(root, lines, told):
    """The error that this start has logged is in the sentence; one of an earlier start is not."""
    log = root / "logs" / "daemon.log"
    log.parent.mkdir()
    log.write_text(OF_BEFORE, "utf-8")
    with pytest.raises(DaemonUnreachable) as caught:
        ensure_daemon(root, [sys.executable, "-c", FAILING, f"2026-01-01 10:00:01,000 {lines}\n"])
    assert told in str(caught.value)
    assert str(caught.value).endswith(f"ts log is {log}.")
    assert "before" not in str(caught.value)


def test_a_long_reason_is_cut(root):
    """However long a line of the log is, the sentence stays one that fits a dialog, also when the log was renewed."""
    log = root / "logs" / "daemon.log"
    log.parent.mkdir()
    log.write_text(100 * OF_BEFORE, "utf-8")
    renew = FAILING.replace('"a"', '"w"')
    with pytest.raises(DaemonUnreachable, match="xxx… Its log") as caught:
        ensure_daemon(root, [sys.executable, "-c", renew, f"2026-01-01 10:00:01,000 ERROR {3000 * 'x'}\n"])
    assert len(str(caught.value)) < 500 + len(str(root))


def test_daemon_that_never_answers_names_its_log(root):
    """A daemon that runs and does not answer is reported when the time is over."""
    with pytest.raises(DaemonUnreachable, match=r"not answered within 1 seconds.*daemon\.log"):
        ensure_daemon(root, [*COMMAND, "--mute"], timeout_s=1)
    os.kill(facts(root)["pid"], 9)


def test_missing_command_asks_for_the_installer(root):
    """Without an installation the sentence says to run the installer."""
    with pytest.raises(DaemonUnreachable, match="run the installer"):
        ensure_daemon(root, [str(root / "bin" / "gimp-bsrgan"), "serve"])


def test_command_that_cannot_run_asks_for_the_installer(root):
    """A command that is no program is reported with the same way out."""
    broken = root / "gimp-bsrgan"
    broken.write_text("no program", "utf-8")
    with pytest.raises(DaemonUnreachable, match="run the installer"):
        ensure_daemon(root, [str(broken)])


def test_another_daemon_of_another_protocol_is_named(root, monkeypatch):
    """When the lock is held by a daemon of another protocol, its version is what the user reads."""
    monkeypatch.setattr("bsrgan_wire.launch._OTHER_S", 0.1)
    entry = Rendezvous(PROTOCOL + 1, "9", "f" * 32, 1, (f"ipc://{root}/gone.sock",))
    rendezvous.write(places.rendezvous_file(root), entry)
    with pytest.raises(DaemonUnreachable, match=f"speaks protocol {PROTOCOL + 1}"):
        ensure_daemon(root, [*COMMAND, "--exit", "0"])


def test_daemon_that_rejects_is_not_started_again(root):
    """A daemon that answers with REJECT is alive: its reason is raised."""

    def reject(double, peer, envelope):
        double.send(peer, Reject(code="VERSION", text="Too old."), envelope.seq)
        return True

    with DaemonDouble(root) as double:
        double.hooks["HELLO"] = reject
        with pytest.raises(RemoteError, match="Too old"):
            ensure_daemon(root, ["must-not-be-started"])
    double.path.unlink()


def test_clean_environment_keeps_what_is_the_users():
    """Only variables of the host program go; CUDA's library path and our own settings stay."""
    before = {
        "HOME": "/h",
        "PYTHONPATH": "/x",
        "PYTHONHOME": "/x",
        "LD_PRELOAD": "/x.so",
        "APPDIR": "/tmp/.mount_gimp",
        "LD_LIBRARY_PATH": "/tmp/.mount_gimp/usr/lib:/opt/cuda/lib64",
        "PATH": "/tmp/.mount_gimp/usr/bin:/usr/bin",
        "GIMP3_DIRECTORY": "/g",
        "GEGL_PATH": "/g",
        "BABL_PATH": "/g",
        "GIMP_BSRGAN_KEEP_ALIVE_S": "5",
        "GIMP_BSRGAN_PREFIX": "/elsewhere",
    }
    assert clean_environment(before, Path("/root")) == {
        "HOME": "/h",
        "LD_LIBRARY_PATH": "/opt/cuda/lib64",
        "PATH": "/usr/bin",
        "GIMP_BSRGAN_KEEP_ALIVE_S": "5",
        "GIMP_BSRGAN_PREFIX": str(Path("/root")),
    }


def test_library_path_of_the_bundle_alone_disappears():
    """A library path that has only the bundle's folders is not left empty: empty means the current folder."""
    before = {"SNAP": "/snap/gimp/1", "LD_LIBRARY_PATH": "/snap/gimp/1/lib"}
    assert "LD_LIBRARY_PATH" not in clean_environment(before, Path("/root"))


STARTER = """
import sys
from pathlib import Path
from bsrgan_wire import launch
print(launch._start(Path(sys.argv[1]), sys.argv[2:]).pid)
"""


def test_a_starter_ends_in_silence(tmp_path):
    """The process that has started a daemon ends without a warning about it, and the daemon lives on."""
    done = subprocess.run(
        [sys.executable, "-Wd", "-c", STARTER, str(tmp_path), sys.executable, "-c", "import time; time.sleep(60)"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    os.kill(int(done.stdout), signal.SIGKILL)
    assert done.stderr == ""
