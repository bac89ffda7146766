"""The wheel: built from a copy of this checkout, it installs exactly two packages and one command."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import bsrgan_wire

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "shared", "backend")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the build reads, so that building never writes into the working tree."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, copy / name)
    return copy


def pip(*arguments: str) -> None:
    """Run this environment's pip without touching an index: the build backend is installed here."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments, "--no-deps", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(folder), str(checkout))
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_wheel_holds_exactly_the_two_packages(wheel):
    """Site-packages gets bsrgan_wire and bsrgan_backend, and no other name."""
    names = {name.split("/")[0] for name in wheel.namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"bsrgan_wire", "bsrgan_backend"}


def test_wheel_holds_every_module_and_catalogue(wheel):
    """No module and no translation of the two packages is left out of the wheel."""
    expected = {
        path.relative_to(ROOT / home).as_posix()
        for home in ("shared", "backend")
        for kind in ("py", "mo")
        for path in (ROOT / home).glob(f"bsrgan_*/**/*.{kind}")
    }
    assert expected <= set(wheel.namelist())


def test_wheel_has_the_version_of_the_wire(wheel):
    """The version stands once, in bsrgan_wire."""
    (metadata,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    assert Parser().parsestr(wheel.read(metadata).decode())["Version"] == bsrgan_wire.__version__


def test_wheel_brings_the_command(wheel):
    """The wheel declares the gimp-bsrgan command."""
    (entries,) = (name for name in wheel.namelist() if name.endswith("/entry_points.txt"))
    assert "gimp-bsrgan = bsrgan_backend.cli.main:main" in wheel.read(entries).decode()


def test_editable_install_reads_the_checkout(checkout, tmp_path):
    """An editable install imports both packages from the checkout and nothing named like its folders."""
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    site = subprocess.run(
        [tmp_path / "venv/bin/python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    pip("install", "--no-build-isolation", "--target", site, "--editable", str(checkout))
    code = (
        "import importlib.util as u, bsrgan_wire, bsrgan_backend;"
        "print(bsrgan_wire.__file__); print(bsrgan_backend.__file__);"
        "print([n for n in ('shared', 'backend', 'installer', 'gimp_plugin') if u.find_spec(n)])"
    )
    done = subprocess.run(
        [tmp_path / "venv/bin/python", "-I", "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    wire, backend, homes = done.stdout.splitlines()
    assert Path(wire) == checkout / "shared/bsrgan_wire/__init__.py"
    assert Path(backend) == checkout / "backend/bsrgan_backend/__init__.py"
    assert homes == "[]"
