"""The top level of the project holds what belongs there and nothing that was left behind."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {".ci", "backend", "docs", "gimp_plugin", "installer", "shared", "tests"}
FILES = {".gitignore", "CHANGELOG.md", "LICENSE", "README.md", "README.zh-CN.md", "pyproject.toml"}


@pytest.mark.skipif(not (ROOT / ".git").exists() or shutil.which("git") is None, reason="no git checkout")
def test_nothing_else_is_kept_at_the_top() -> None:
    """Results of a run that went to the wrong folder are not committed with a change."""
    # A checkout may belong to another user than the one who tests it.
    command = ["git", "-c", "safe.directory=*", "ls-files"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {name.split("/")[0] for name in listed.splitlines()} == FOLDERS | FILES
