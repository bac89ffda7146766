"""The virtual environment with the backend and its command line, made by venv and pip."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bsrgan_install import commands, pythons, record
from bsrgan_install.places import REPOSITORY, Layout
from bsrgan_install.report import InstallError, Report

ENDING_S = 5.0
"""How long pip or venv may take to end after a Ctrl-C."""

NEEDED_BYTES = 1_500_000_000
_UNREACHED = re.compile("NewConnectionError|Failed to establish|from versions: none")
_ADVICE = (
    "; the package index could not be reached or has no such package: check the network (or PIP_INDEX_URL) and run "
    "this again"
)
_STEP = re.compile(r"^\s*(Collecting|Downloading|Building wheel for|Installing collected packages)[ :]+([^\s(;<>=!~]+)")


def install(layout: Layout, report: Report) -> str:
    """Make or renew the environment and install this checkout into it.

    Args:
        layout: where to.
        report: told what goes on.

    Returns:
        The version of the environment's Python, as "3.12.1".

    Raises:
        InstallError: no fitting Python, no space, or venv or pip failed.
    """
    layout.log.parent.mkdir(parents=True, exist_ok=True)
    layout.log.write_text("", encoding="utf-8")
    version = _make_venv(layout, report)
    if next(layout.venv.glob("**/site-packages/paddlepaddle_gpu-*.dist-info"), None) is not None:
        # Both builds are one Python package: pip would put the processor's over it and know of neither.
        remove(layout, ["paddlepaddle-gpu", "paddlepaddle"])
        report.note("Paddle's build for graphics cards was taken out; give '--paddle-gpu' each time to have it again")
    _install_package(layout, report)
    return version


def adopt(layout: Layout, venv: Path) -> str:
    """Use an environment that already holds the package, by a link: for tests, which have one.

    Raises:
        InstallError: there is no usable Python in it.
    """
    version = pythons.version_of(pythons.python_in(venv))
    if version is None:
        raise InstallError(f"{venv} is no environment with Python 3.10 to 3.13.")
    if not layout.venv.is_symlink():
        layout.venv.symlink_to(venv.resolve(), target_is_directory=True)
    return ".".join(map(str, version))


def _make_venv(layout: Layout, report: Report) -> str:
    python = pythons.python_in(layout.venv, layout.platform)
    version = pythons.version_of(python) if python.exists() else None
    if version is not None:
        return ".".join(map(str, version))
    base = pythons.find()
    version = pythons.version_of(base)
    assert version is not None  # find() returns only what has one
    _check_space(layout.root)
    report.start(f"making an environment with Python {'.'.join(map(str, version))}")
    if layout.venv.is_symlink():
        layout.venv.unlink()
    shutil.rmtree(layout.venv, ignore_errors=True)
    _logged([str(base), "-I", "-m", "venv", str(layout.venv)], layout, "The Python environment could not be made")
    return ".".join(map(str, version))


def _check_space(root: Path) -> None:
    free = shutil.disk_usage(root).free
    if free < NEEDED_BYTES:
        raise InstallError(
            f"{root} has {free / 1e9:.1f} GB free and {NEEDED_BYTES / 1e9:.1f} GB are needed; free some space or "
            "choose another folder with --prefix."
        )


def _install_package(layout: Layout, report: Report) -> None:
    command = [*_pip(layout, "install"), "--progress-bar", "off", str(REPOSITORY)]
    _logged(command, layout, "pip could not install the backend", report)


def add(layout: Layout, packages: list[str], report: Report) -> None:
    """Install more into the environment.

    Args:
        layout: where it is.
        packages: requirements, files or addresses, as pip takes them.
        report: told what goes on.

    Raises:
        InstallError: pip failed.
    """
    what = ", ".join(packages)
    _logged(
        [*_pip(layout, "install"), "--progress-bar", "off", *packages], layout, f"pip could not install {what}", report
    )


def remove(layout: Layout, packages: list[str]) -> None:
    """Take packages out of the environment; those that are not there are passed over.

    Raises:
        InstallError: pip failed.
    """
    _logged([*_pip(layout, "uninstall"), "--yes", *packages], layout, f"pip could not remove {', '.join(packages)}")


def _pip(layout: Layout, verb: str) -> list[str]:
    python = pythons.python_in(layout.venv, layout.platform)
    return [str(python), "-I", "-m", "pip", verb, "--disable-pip-version-check", "--no-input"]


def _logged(command: list[str], layout: Layout, failure: str, report: Report | None = None) -> None:
    """Run a command with all output in the log; on a terminal its current step is shown."""
    with _temporary(layout) as folder, layout.log.open("a", encoding="utf-8", errors="backslashreplace") as log:
        log.write(f"$ {shlex.join(command)}\n")
        log.flush()
        try:
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=commands.clean_environment({"TMPDIR": str(folder)}),
            )
        except OSError as error:
            raise InstallError(f"{failure} ({error.strerror}); the log is {layout.log}.") from None
        assert process.stdout is not None  # PIPE above
        reason = _follow(process, log, report)
    if process.returncode != 0:
        raise InstallError(f"{failure} {reason}; all of its output is in {layout.log}.")


@contextmanager
def _temporary(layout: Layout) -> Iterator[Path]:
    """A folder for what pip and venv put down for a while: stopped or killed, they leave it behind."""
    shutil.rmtree(layout.temporary, ignore_errors=True)
    layout.temporary.mkdir(parents=True)
    try:
        yield layout.temporary
    finally:
        shutil.rmtree(layout.temporary, ignore_errors=True)
        record.remove_empty([str(layout.temporary.parent)])


def _follow(process: subprocess.Popen[str], log: object, report: Report | None) -> str:
    """Copy the output to the log until its end; return the reason of a failure, as words in brackets and after."""
    reason, advice = "", ""
    assert process.stdout is not None
    with process:
        try:
            for line in process.stdout:
                log.write(line)  # type: ignore[attr-defined]
                step = _STEP.match(line)
                if step and report:
                    report.start(f"{step.group(1)} {Path(step.group(2)).name}"[:76])
                if _UNREACHED.search(line):
                    advice = _ADVICE
                if line.startswith(("ERROR:", "Error:")) or not reason.startswith(("ERROR:", "Error:")):
                    reason = line.strip() or reason
        except KeyboardInterrupt:
            _end(process)
            raise
    return f"({reason}){advice}"


def _end(process: subprocess.Popen[str]) -> None:
    """Let a program end that got the Ctrl-C too: pip puts back what it has taken out."""
    try:
        process.wait(ENDING_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        process.kill()
