"""The proof for real cards runs on a processor too, so that it will run when a card is to hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support import torch_here

torch_here.required()


def test_every_step_runs_on_a_processor() -> None:
    """All steps of the proof run with a tiny network, none fails, and the table has a row for each claim."""
    script = Path(__file__).with_name("prove.py")
    command = [sys.executable, "-W", "ignore", str(script), "--device", "cpu", "--small", "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert "**no**" not in done.stdout
    for claim in ("against fp32", "tiles", "peak", "matrix product", "daemon", "cancel", "another process", "jobs of"):
        assert any(claim in row for row in rows), claim
