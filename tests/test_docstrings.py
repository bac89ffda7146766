"""Docstrings: what the product's functions promise, and what each test claims."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "shared/bsrgan_wire",
    "backend/bsrgan_backend",
    "gimp_plugin/gimp-bsrgan/bsrgan_plugin",
    "installer/bsrgan_install",
)
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def public(tree: ast.Module) -> Iterator[Definition]:
    """Public functions and classes of a module, and public methods of those classes."""
    for node in tree.body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (
                    item for item in node.body if isinstance(item, Definition) and not item.name.startswith("_")
                )


def test_everything_public_says_what_it_does():
    """Each module, public class, function and method of the product has a docstring."""
    silent = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            if tree.body and not ast.get_docstring(tree):
                silent.append(f"{path}: module")
            silent += [f"{path}:{node.lineno}: {node.name}" for node in public(tree) if not ast.get_docstring(node)]
    assert not silent, "\n".join(silent)


def test_every_test_claims_one_thing():
    """Each test function has a docstring of one sentence."""
    wrong = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                claim = (ast.get_docstring(node) or "").strip()
                if not claim.endswith(".") or "\n\n" in claim:
                    wrong.append(f"{path}:{node.lineno}: {node.name}")
    assert not wrong, "\n".join(wrong)
