"""PyTorch for the tests that need it: part of the environment of `tests/run.py`, and of no other requirement."""

from __future__ import annotations

import importlib.util

import pytest


def required() -> None:
    """Skip the module that calls this, with the reason, where PyTorch is not installed."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed in this environment", allow_module_level=True)
