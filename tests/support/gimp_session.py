"""A real GIMP for tests: started in a Debian chroot, with a profile, a plug-in and a prefix of its own.

Every run gets its own mount and process namespace: the chroot is the read-only bottom of an overlay in memory, the
test's folder is bound at its own path, the repository too (read-only), and this machine's whole file system appears
as `/host`, so that code inside can start the backend of the host's environment with `chroot /host`. When the run
ends, by whatever way, nothing stays mounted and nothing keeps running.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gimp import chroots
from support import gimp_inside, gimp_plugin

REPOSITORY = Path(__file__).resolve().parents[2]
RUNNER = Path(__file__).resolve().with_name("gimp_runner.py")
RUN_VARIABLE = "GIMP_BSRGAN_TEST_RUN"
GIMPRC = """
(check-updates no)
(save-session-info no)
(show-welcome-dialog no)
(config-version "{version}")
(prev-language "C.UTF-8")
"""
TAIL_CHARACTERS = 6000
UNSHARE = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child")
ADMIN_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class GimpDied(AssertionError):
    """GIMP ended or was stopped before the check did."""


@dataclass(frozen=True)
class Outcome:
    """What became of one check.

    Attributes:
        state: "passed", "failed", "started" (GIMP died in it) or "missing" (GIMP died before it).
        value: what the check returned (JSON).
        error: GIMP's traceback with local values.
        log: the end of what GIMP and its plug-ins printed in the whole run.
        seconds: how long the check took.
    """

    state: str
    value: Any = None
    error: str = ""
    log: str = ""
    seconds: float = 0.0

    def unwrap(self) -> Any:
        """The check's value, or its failure as this test's failure."""
        if self.state == "passed":
            return self.value
        if self.state == "failed":
            raise AssertionError(f"{self.error}\n--- what GIMP printed ---\n{self.log}")
        told = "in this check" if self.state == "started" else "before this check began"
        raise GimpDied(f"GIMP ended {told}.\n--- what GIMP printed ---\n{self.log}")


@dataclass(frozen=True)
class Batch:
    """A request for checks, as command line arguments and environment of a GIMP.

    Attributes:
        names: of the checks.
        scratch: the folder of this request.
    """

    names: tuple[str, ...]
    scratch: Path

    @property
    def arguments(self) -> list[str]:
        """What makes GIMP run the checks."""
        code = f"exec(compile(open({str(RUNNER)!r}).read(), {str(RUNNER)!r}, 'exec'), {{'__name__': '__main__'}})"
        return ["--batch-interpreter", "python-fu-eval", "-b", code]

    @property
    def environ(self) -> dict[str, str]:
        """Where the runner finds the request."""
        return {RUN_VARIABLE: str(self.scratch / "asked.json")}

    def outcomes(self, log: Path) -> dict[str, Outcome]:
        """What became of each check so far; `log` is the file of what GIMP printed."""
        printed = log.read_text("utf-8", "replace")[-TAIL_CHARACTERS:]
        results = self.scratch / "results.jsonl"
        found = {name: Outcome("missing", log=printed) for name in self.names}
        for line in results.read_text("utf-8").splitlines() if results.exists() else []:
            told = json.loads(line)
            found[told["check"]] = Outcome(
                told["state"], told.get("value"), told.get("error", ""), printed, told.get("seconds", 0.0)
            )
        return found


@dataclass
class GimpSession:
    """One GIMP with its own HOME, profile and prefix below `base`; every `run` is a fresh process.

    Attributes:
        suite: the Debian suite of the chroot, "trixie" or "forky".
        base: a folder of the test on the host, at the same path inside.
        prefix: the folder of the installation that the plug-in sees (GIMP_BSRGAN_PREFIX); `base/prefix` by default,
            any other is seen inside at the same path as well.
        environ: more environment variables for GIMP and its plug-ins.
    """

    suite: str
    base: Path
    prefix: Path = Path()
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chroot = chroots.need(self.suite)
        self.version = chroots.facts(self.chroot)["gimp"]
        if self.prefix == Path():
            self.prefix = self.base / "prefix"
        for path in (self.home, self.profile, self.prefix):
            path.mkdir(parents=True, exist_ok=True)
        # Without version and language GIMP takes the profile for an old one and queries all plug-ins again.
        (self.profile / "gimprc").write_text(GIMPRC.format(version=self.version), "utf-8")
        shutil.copy(self.chroot / chroots.PROFILE / "pluginrc", self.profile)
        self._runs = 0

    @property
    def home(self) -> Path:
        """The HOME of GIMP."""
        return self.base / "home"

    @property
    def profile(self) -> Path:
        """GIMP's user folder (GIMP3_DIRECTORY)."""
        return self.base / "profile"

    def install_plugin(self, command: Sequence[str] = ()) -> Path:
        """Install the repository's plug-in into the profile; see `gimp_plugin.install`."""
        return gimp_plugin.install(self.profile, self.prefix, command)

    def checks(
        self, module: Path, names: Sequence[str], options: Mapping[str, Any] | None = None, deadline_s: float = 240
    ) -> dict[str, Outcome]:
        """Run check functions of a file inside one GIMP.

        Args:
            module: a Python file with functions `check(options) -> JSON value`; `name[case]` calls
                `check(options, CASES["name"]["case"])`.
            names: the checks to run, in this order.
            options: a JSON map that every check gets; `prefix` and `scratch` (a folder) are added.
            deadline_s: GIMP is killed after so many seconds.

        Returns:
            One outcome per name.
        """
        batch = self.batch(module, names, options)
        log = batch.scratch / "gimp.log"
        command = ["gimp-console", "-idf", "--quit", *batch.arguments]
        with self.started(command, log, batch.environ) as process:
            try:
                process.wait(timeout=deadline_s)
            except subprocess.TimeoutExpired:
                with log.open("a") as out:
                    out.write(f"\n--- stopped by the test after {deadline_s:.0f} s ---\n")
        return batch.outcomes(log)

    def batch(self, module: Path, names: Sequence[str], options: Mapping[str, Any] | None = None) -> Batch:
        """The checks of `checks`, for a GIMP that is started by somebody else."""
        self._runs += 1
        scratch = self.base / f"run{self._runs}"
        scratch.mkdir()
        request = {
            "module": str(module),
            "checks": list(names),
            "results": str(scratch / "results.jsonl"),
            "path": [str(REPOSITORY / "tests"), str(module.parent)],
            "options": {"prefix": str(self.prefix), "scratch": str(scratch), **(options or {})},
        }
        (scratch / "asked.json").write_text(json.dumps(request), "utf-8")
        return Batch(tuple(names), scratch)

    @contextlib.contextmanager
    def started(
        self, command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Start a command inside; everything it left running is killed at the end of the block."""
        told = {**self._environ(), **(environ or {})}
        script = self._mounts() + "\n" + self._inside(command, told) + "\n"
        with log.open("ab") as out:
            process = subprocess.Popen(
                [*UNSHARE, "sh", "-euc", script],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, env={"PATH": ADMIN_PATH},
            )  # fmt: skip
        try:
            yield process
        finally:
            # The first process of the namespace ends only after all others in it, and unshare waits for it. Were
            # this process killed instead, --kill-child would end all of them too, without anybody waiting.
            try:
                os.kill(_first_child(process), signal.SIGKILL)
            except (ProcessLookupError, GimpDied):
                process.kill()
            process.wait()

    def enter(self, process: subprocess.Popen[bytes], command: Sequence[str], environ: Mapping[str, str]) -> list[str]:
        """The command line that runs `command` inside the namespaces of a started process."""
        told = {**self._environ(), **environ}
        target = ["nsenter", "--target", str(_first_child(process)), "--mount", "--pid", "--"]
        settings = [f"{key}={value}" for key, value in told.items()]
        return [*target, "chroot", str(self._view), "env", "-i", *settings, *command]

    @property
    def _view(self) -> Path:
        return self.base / "namespace" / "view"

    def _environ(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "GIMP3_DIRECTORY": str(self.profile),
            "GIMP_BSRGAN_PREFIX": str(self.prefix),
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
            "TMPDIR": "/tmp",
            "PYTHONDONTWRITEBYTECODE": "1",
            "NO_AT_BRIDGE": "1",
            gimp_inside.HOST_PYTHON_VARIABLE: sys.executable,
            **self.environ,
        }

    def _mounts(self) -> str:
        """Shell commands that build the view in a private mount namespace, over a tmpfs in `base/namespace`."""
        space = shlex.quote(str(self.base / "namespace"))
        chroot, repository = shlex.quote(str(self.chroot)), shlex.quote(str(REPOSITORY))
        (self.base / "namespace").mkdir(exist_ok=True)
        inside = [
            (shlex.quote(str(path)), f"{space}/view{shlex.quote(str(path))}") for path in (self.base, self.prefix)
        ]
        folders = "\n".join(f"mkdir -p {target}\nmount --bind {path} {target}" for path, target in inside)
        return f"""
mount -t tmpfs tmpfs {space}
mkdir {space}/host {space}/upper {space}/work {space}/view
mount --rbind / {space}/host
mount -t overlay overlay -o lowerdir={chroot},upperdir={space}/upper,workdir={space}/work {space}/view
mount -t proc proc {space}/view/proc
mount --rbind /dev {space}/view/dev
mkdir -p {space}/view{repository} {space}/view/host
mount --bind {repository} {space}/view{repository}
mount -o remount,bind,ro {space}/view{repository}
{folders}
mount --rbind {space}/host {space}/view/host
mount -t proc proc {space}/view/host/proc
"""

    def _inside(self, command: Sequence[str], environ: Mapping[str, str]) -> str:
        settings = [f"{key}={value}" for key, value in environ.items()]
        return shlex.join(["chroot", str(self._view), "env", "-i", *settings, *command])


def missing(suite: str) -> str:
    """Why no GIMP of `suite` can be started here, in one sentence; empty when it can."""
    if os.geteuid() != 0:
        return "A real GIMP in a chroot needs root; run the tests as root."
    if chroots.find(suite) is None:
        return f"The {suite} chroot is not built; run 'python3 tests/gimp/chroots.py build {suite}' as root."
    try:
        probe = subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/tmp"], capture_output=True, check=False)
    except FileNotFoundError:
        return "The command 'unshare' is missing; install util-linux."
    return "" if probe.returncode == 0 else "This machine allows no private mounts, which a GIMP in a chroot needs."


@contextlib.contextmanager
def short_folder(name: str) -> Iterator[Path]:
    """A new folder with a short path, deleted afterwards: the path of a socket in it must fit 107 characters."""
    folder = Path(tempfile.mkdtemp(prefix=f"gb-{name[:1]}"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _first_child(process: subprocess.Popen[bytes]) -> int:
    """The process that `unshare --fork` started: number 1 of the new namespace."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    end = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < end:
        if told := children.read_text("utf-8").split():
            return int(told[0])
        time.sleep(0.05)
    raise GimpDied("The namespace did not start, or has ended.")
