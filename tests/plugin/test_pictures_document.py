"""The table of pictures in docs/pictures.md names checks that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(r"^\| (?!kind|---)(.*) \|$", (ROOT / "docs" / "pictures.md").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("row", ROWS)
def test_each_row_names_a_check_that_a_test_runs(row):
    """Each row names at least one check; its function exists inside GIMP, and the test file of its name runs it."""
    _kind, _meaning, checks = row.split(" | ")
    named = re.findall(r"`(\w+):(check_\w+)`", checks)
    assert named
    for module, check in named:
        inside = ast.parse((ROOT / "tests" / "gimp" / "inside" / f"{module}.py").read_text("utf-8"))
        assert check in {node.name for node in inside.body if isinstance(node, ast.FunctionDef)}
        assert f'"{check}"' in (ROOT / "tests" / "gimp" / f"test_{module}.py").read_text("utf-8")
