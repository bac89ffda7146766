"""The one command for the tests: makes its own environment, then runs ruff, mypy and pytest.

    python3 tests/run.py                    everything that this machine can run
    python3 tests/run.py tests/wire -k ping what follows goes to pytest
    python3 tests/run.py --require-gimp     also in real GIMPs (Debian chroots; needs root)

The environment is kept under `GIMP_BSRGAN_TEST_CACHE` (default `~/.cache/gimp-bsrgan-tests`), one for each
content of pyproject.toml and version of Python, so that a fresh clone starts quickly.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "installer"))

from bsrgan_install import pythons  # noqa: E402
from bsrgan_install.report import InstallError  # noqa: E402

CACHE_VARIABLE = "GIMP_BSRGAN_TEST_CACHE"
REQUIRE_GIMP_VARIABLE = "GIMP_BSRGAN_REQUIRE_GIMP"
GIMP_SUITES = ("trixie", "forky")
TORCH = "torch==2.13.0+cpu" if sys.platform == "linux" else "torch==2.13.0"
"""PyTorch for processors (190 MB): the build for graphics cards has ten times the size, and no card to run on here."""
TYPED = (
    "shared/bsrgan_wire",
    "backend/bsrgan_backend",
    "gimp_plugin/gimp-bsrgan/bsrgan_plugin",
    "installer/bsrgan_install",
)


class Failed(Exception):
    """A step did not succeed; `str()` is one sentence."""


def main(arguments: list[str]) -> int:
    """Run everything and return the exit status; pytest's closing line is the last thing printed."""
    parser = argparse.ArgumentParser(prog="tests/run.py", description="ruff, mypy and pytest in an own environment")
    parser.add_argument("--require-gimp", action="store_true", help="build the GIMP chroots and run the tests in them")
    options, for_pytest = parser.parse_known_args(arguments)
    try:
        chroots = _start_chroots() if options.require_gimp else None
        try:
            python = _environment()
            _check(python)
        finally:
            if chroots is not None:
                _await_chroots(chroots)
    except (Failed, InstallError) as error:
        print(f"tests/run.py: {error}", file=sys.stderr, flush=True)
        return 1
    environ = dict(os.environ)
    if options.require_gimp:
        environ[REQUIRE_GIMP_VARIABLE] = "1"
    return subprocess.run([str(python), "-m", "pytest", *for_pytest], cwd=ROOT, env=environ, check=False).returncode


def cache_folder() -> Path:
    """Where environments and logs of the tests are kept between runs."""
    named = os.environ.get(CACHE_VARIABLE)
    folder = Path(named).expanduser() if named else Path.home() / ".cache" / "gimp-bsrgan-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder.absolute()


def _environment() -> Path:
    """The Python of an environment that holds all dependencies and this checkout in editable form."""
    base = pythons.find()
    version = pythons.version_of(base)
    digest = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()[:12]
    venv = cache_folder() / f"venv-{'.'.join(map(str, version))}-{digest}"
    python = pythons.python_in(venv)
    complete = venv / "complete"
    if not complete.is_file():
        shutil.rmtree(venv, ignore_errors=True)
        _say(f"making the environment {venv} (about a minute, once)")
        _run("making the environment", [str(base), "-m", "venv", str(venv)])
        _pip(python, ["install", "-e", f"{ROOT}[dev]"])
        _add_torch(python)
        complete.write_text(str(ROOT), encoding="utf-8")
    elif complete.read_text(encoding="utf-8") != str(ROOT):
        # Another checkout made it: only the path to the packages differs.
        _pip(python, ["install", "--no-deps", "--no-build-isolation", "-e", str(ROOT)])
        complete.write_text(str(ROOT), encoding="utf-8")
    return python


def _pip(python: Path, arguments: list[str]) -> None:
    _run("pip", [str(python), "-m", "pip", "--disable-pip-version-check", *arguments, "--quiet"])


def _add_torch(python: Path) -> None:
    """Install the second engine's library; where this build is not to be had, the tests that need it skip."""
    try:
        _pip(python, ["install", TORCH])
    except Failed:
        _say(f"{TORCH} is not to be had here; the tests of the engine 'torch' will be skipped")


def _check(python: Path) -> None:
    _run("ruff format (run 'ruff format .')", [str(python), "-m", "ruff", "format", "--check", "--quiet", "."])
    _run("ruff", [str(python), "-m", "ruff", "check", "--quiet", "."])
    _run("mypy", [str(python), "-m", "mypy", "--no-error-summary", *TYPED])


def _run(what: str, command: list[str]) -> None:
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode != 0:
        raise Failed(f"{what} failed; its output is above.")
    _say(f"{what}: ok, {time.monotonic() - started:.0f} s")


def _start_chroots() -> tuple[subprocess.Popen[bytes], Path]:
    """Build the chroots beside the environment: one waits for the network while the other unpacks."""
    log = cache_folder() / "chroots.log"
    command = [sys.executable, str(ROOT / "tests" / "gimp" / "chroots.py"), "build", *GIMP_SUITES]
    with log.open("wb") as stream:
        return subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT), log


def _await_chroots(chroots: tuple[subprocess.Popen[bytes], Path]) -> None:
    process, log = chroots
    started = time.monotonic()
    if process.wait() != 0:
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
        print(*tail, sep="\n", file=sys.stderr)
        raise Failed(f"the GIMP chroots could not be built; all output is in {log}.")
    _say(f"GIMP chroots: ok, {time.monotonic() - started:.0f} s more")


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
