"""The files of check functions that run inside GIMP, as the tests outside see them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "gimp" / "inside"


def path(inside: str) -> Path:
    """The file of the name `inside`."""
    return FOLDER / f"{inside}.py"


def cases(inside: str, function: str) -> list[str]:
    """The names of all cases of one check function, for `parametrize`; the file must not need gi to be imported."""
    spec = importlib.util.spec_from_file_location(f"inside_{inside}", path(inside))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [f"{function}[{name}]" for name in module.CASES[function]]
