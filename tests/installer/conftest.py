"""A home of its own for each test of the installer; nothing here reaches the real one."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(params=["home", "Zoë's $x höme 写真"])
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary home, once plain and once with blanks, quotes, `$` and other scripts in its name."""
    folder = tmp_path / request.param
    folder.mkdir()
    for name in ("XDG_CONFIG_HOME", "GIMP3_DIRECTORY", "GIMP_BSRGAN_PREFIX", "SNAP_REAL_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("PATH", "/nonexistent")
    return folder
