"""Kernels for matrix products on processors that OpenBLAS does not know."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bsrgan_backend import blas_kernels

WIDE = "avx2 avx512f avx512dq avx512cd avx512bw avx512vl"


def said(folder: Path, vendor: str, flags: str) -> Path:
    """What Linux would say of a processor."""
    path = folder / "cpuinfo"
    path.write_text(f"processor\t: 0\nvendor_id\t: {vendor}\nflags\t\t: fpu {flags} sse\n")
    return path


def test_amds_with_avx512_get_its_kernels(tmp_path: Path) -> None:
    """Whatever their model, they are told to use the kernels for AVX-512."""
    chosen = blas_kernels.environment({}, said(tmp_path, "AuthenticAMD", WIDE))
    assert chosen == {blas_kernels.VARIABLE: "SkylakeX"}


@pytest.mark.parametrize(
    ("vendor", "flags"), [("GenuineIntel", WIDE), ("AuthenticAMD", "avx2"), ("AuthenticAMD", WIDE[:-9]), ("", "")]
)
def test_others_are_left_alone(vendor: str, flags: str, tmp_path: Path) -> None:
    """Other makers' processors and those without all of AVX-512 are OpenBLAS' own affair."""
    assert blas_kernels.environment({}, said(tmp_path, vendor, flags)) == {}


def test_a_users_choice_and_other_systems_stand(tmp_path: Path) -> None:
    """A value that is there already is kept, and where Linux's file is missing nothing is chosen."""
    assert blas_kernels.environment({blas_kernels.VARIABLE: "Zen"}, said(tmp_path, "AuthenticAMD", WIDE)) == {}
    assert blas_kernels.environment({}, tmp_path / "missing") == {}


def test_the_choice_reaches_the_library() -> None:
    """A process that is started with it multiplies rightly, with the kernels that were named."""
    chosen = blas_kernels.environment({})
    script = (
        "import numpy as np; from bsrgan_backend.engine.winograd import blas; "
        "a = np.arange(4096, dtype=np.float32).reshape(64, 64) / 4096; "
        "assert np.abs(a @ a - np.einsum('ij,jk->ik', a, a)).max() < 1e-3; print(blas.kernels())"
    )
    environ = {**os.environ, **chosen, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], env=environ, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == chosen.get(blas_kernels.VARIABLE, done.stdout.strip()) != ""
