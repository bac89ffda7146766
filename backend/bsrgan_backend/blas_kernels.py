"""Which of its kernels OpenBLAS, the library behind NumPy's matrix products, is told to use.

It knows processors by their model number and gives those that came after it the kernels of 2013, without AVX-512: less
than half the speed. It reads its variable when NumPy is imported, so this is for whoever starts a process.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "OPENBLAS_CORETYPE"
"""OpenBLAS' own variable: a user's value stands."""

_WIDE = "SkylakeX"
_WIDE_NEEDS = {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}


def environment(environ: Mapping[str, str] = os.environ, cpuinfo: Path = Path("/proc/cpuinfo")) -> dict[str, str]:
    """Variables for a child process that multiplies; empty where OpenBLAS chooses well.

    AMD's are the processors with AVX-512 whose next model it has been seen not to know; Intel's it recognizes by what
    they can.

    Args:
        environ: that the child gets otherwise.
        cpuinfo: what Linux says of the processor; elsewhere the file is missing, and nothing is chosen.
    """
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    flags = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    is_amd = re.search(r"^vendor_id\s*:\s*AuthenticAMD$", text, re.MULTILINE) is not None
    can = set(flags.group(1).split()) if flags else set()
    return {VARIABLE: _WIDE} if is_amd and can >= _WIDE_NEEDS and VARIABLE not in environ else {}
