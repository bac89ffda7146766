"""Finding a Python for the environment."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bsrgan_install import pythons
from bsrgan_install.report import InstallError


def fake_python(path: Path, answer: str, status: int = 0) -> Path:
    """A program that answers the probe as a Python of some version would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{answer}'\nexit {status}\n")
    path.chmod(0o755)
    return path


def test_the_running_python_is_taken_when_it_fits():
    """This test's own Python fits, so nothing else is looked for."""
    assert pythons.find({"PATH": "", "HOME": "/nonexistent"}) == Path(sys.executable)


@pytest.mark.parametrize(
    ("answer", "fits"),
    [
        ("3 10 0 8", True),
        ("3 13 7 8", True),
        ("3 9 18 8", False),
        ("3 14 0 8", False),
        ("3 12 0 4", False),
        ("", False),
        ("Traceback", False),
    ],
)
def test_only_64_bit_pythons_in_range_fit(tmp_path, answer, fits):
    """Versions 3.10 to 3.13 with 64 bit fit, all else does not."""
    assert (pythons.version_of(fake_python(tmp_path / "python", answer)) is not None) is fits


def test_a_python_without_venv_does_not_fit(tmp_path):
    """Debian's Python without its venv package fails the probe and is passed over."""
    bare = fake_python(tmp_path / "bin/python3", "", status=1)
    with pytest.raises(InstallError):
        pythons.find({"PATH": str(bare.parent), "HOME": str(tmp_path)}, running=str(bare))


def test_newest_release_of_pyenv_and_uv_counts(home):
    """Pythons of pyenv and uv are found, 3.12.10 before 3.12.9, when the running one is too old."""
    old = fake_python(home / "old/python3", "3 9 2 8")
    fake_python(home / ".pyenv/versions/3.12.9/bin/python3", "3 12 9 8")
    newest = fake_python(home / ".pyenv/versions/3.12.10/bin/python3", "3 12 10 8")
    environ = {"PATH": str(old.parent), "HOME": str(home)}
    assert pythons.find(environ, running=str(old)) == newest
    newest.unlink()
    (home / ".pyenv/versions/3.12.9/bin/python3").unlink()
    managed = fake_python(home / ".local/share/uv/python/cpython-3.11.9-linux-x86_64-gnu/bin/python3", "3 11 9 8")
    assert pythons.find(environ, running=str(old)) == managed


def test_without_any_python_the_sentence_says_what_to_install(tmp_path):
    """When nothing fits, one sentence names the range and what to install."""
    with pytest.raises(InstallError, match=r"No Python 3\.10 to 3\.13 .* was found; .* again\.$"):
        pythons.find({"PATH": str(tmp_path), "HOME": str(tmp_path)}, running="")


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_advice_fits_the_system(platform):
    """The advice ends by saying to run the installer again."""
    assert pythons.advice(platform).endswith("again.") or pythons.advice(platform).endswith("this.")
