"""What the machine gives: threads and memory, within every limit set around the process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bsrgan_backend.engine import host


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Control groups of version 2 in a folder, with this process in /user/app."""
    (tmp_path / "user" / "app").mkdir(parents=True)
    real = host._read
    monkeypatch.setattr(host, "_CGROUPS", tmp_path)
    monkeypatch.setattr(host, "_read", lambda path: "0::/user/app" if str(path) == "/proc/self/cgroup" else real(path))
    return tmp_path


def test_threads_are_at_least_one_and_at_most_the_affinity() -> None:
    """The number of threads fits the processors that this process may run on."""
    assert 1 <= host.usable_threads() <= len(os.sched_getaffinity(0))


def test_a_cpu_quota_counts(groups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quota on a parent group limits the threads, rounded up; "max" does not."""
    monkeypatch.setattr(host, "_affine_cores", lambda: 16)
    (groups / "user" / "app" / "cpu.max").write_text("max 100000\n")
    assert host.usable_threads() == 16
    (groups / "user" / "cpu.max").write_text("250000 100000\n")
    assert host.usable_threads() == 3


def test_two_threads_of_a_core_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processors that share a core are one thread for arithmetic."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.setattr(host, "_read", lambda path: "0,2" if "cpu0" in str(path) or "cpu2" in str(path) else "1,3")
    assert host._affine_cores() == 2


def test_a_memory_limit_counts_less_what_is_used(groups: Path) -> None:
    """The tightest group's limit minus its use, plus the files that it can drop, bounds what is available."""
    free = host.available_memory_bytes()
    (groups / "user" / "memory.max").write_text("100000000")
    (groups / "user" / "memory.current").write_text("70000000")
    (groups / "user" / "memory.stat").write_text("anon 1\ninactive_file 5000000\n")
    assert host.available_memory_bytes() == 35_000_000
    (groups / "user" / "memory.max").write_text("max")
    assert host.available_memory_bytes() > free // 2


def test_the_processor_has_a_name() -> None:
    """Some words name the processor."""
    assert host.processor_name().strip()


@pytest.mark.parametrize(
    ("flags", "has_bfloat16", "has_amx"),
    [("fpu avx2", False, False), ("avx512f avx512_bf16", True, False), ("avx512_bf16 amx_bf16 amx_tile", True, True)],
)
def test_bfloat16_is_read_from_the_processors_flags(
    flags: str, has_bfloat16: bool, has_amx: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether there is bfloat16 arithmetic, and whether it works in tiles, stands in what the system tells."""
    monkeypatch.setattr(host, "_read", lambda _: f"model name\t: any\nflags\t\t: {flags}\n")
    assert (host.has_bfloat16(), host.has_amx()) == (has_bfloat16, has_amx)
