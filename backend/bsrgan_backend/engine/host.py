"""What the machine gives to this process: cores, memory, the processor's name. Nothing here imports Paddle."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import platform
import re
import sys
from collections.abc import Iterable
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_UNLIMITED = 1 << 60
"""Version 1 control groups write "no limit" as a huge number."""


def usable_threads() -> int:
    """How many threads can compute at once: physical cores within the affinity mask and the cgroup's CPU quota.

    Two hardware threads of one core share its multipliers, so they count as one.
    """
    cores = _affine_cores()
    quota = _cpu_quota()
    return max(1, min(cores, math.ceil(quota))) if quota else max(1, cores)


def _affine_cores() -> int:
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    cpus = os.sched_getaffinity(0)
    siblings = {_read(Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")) for cpu in cpus}
    return len(cpus) if "" in siblings else len(siblings)


def _cpu_quota() -> float:
    """CPUs per second that the control group allows, 0 for no limit."""
    quotas = []
    for folder in _cgroup_folders("cpu"):
        words = _read(folder / "cpu.max").split()
        if not words:
            words = [_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")]
        with contextlib.suppress(ValueError, IndexError, ZeroDivisionError):
            quotas.append(int(words[0]) / int(words[1]))
    return min((quota for quota in quotas if quota > 0), default=0.0)


def available_memory_bytes() -> int:
    """Bytes that this process can still take without swapping: free memory, its cgroup and its own limits."""
    return max(0, min(_free_memory(), _cgroup_memory(), _address_space()))


def _free_memory() -> int:
    if found := re.search(r"^MemAvailable:\s+(\d+) kB", _read(Path("/proc/meminfo")), re.MULTILINE):
        return int(found.group(1)) * 1024
    if sys.platform == "win32":
        return _windows_memory()
    try:
        # macOS does not say how much could be freed; half of what is built in is a careful guess.
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (ValueError, OSError, AttributeError):
        return 4 << 30


def _windows_memory() -> int:
    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "available", "b", "c", "d", "e", "f")),
        )

    status = Status()
    status.length = ctypes.sizeof(status)
    kernel: object = getattr(ctypes, "windll", None)
    call = getattr(getattr(kernel, "kernel32", None), "GlobalMemoryStatusEx", None)
    if call is None or not call(ctypes.byref(status)):
        return 4 << 30
    return int(status.available)


def _cgroup_memory() -> int:
    """Bytes left below the tightest memory limit on the way up; cached files count as free."""
    left = [_UNLIMITED]
    for folder in _cgroup_folders("memory"):
        limit = _number(folder / "memory.max") or _number(folder / "memory.limit_in_bytes")
        used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes")
        if not limit or limit >= _UNLIMITED:
            continue
        cached = re.search(r"^(?:total_)?inactive_file (\d+)$", _read(folder / "memory.stat"), re.MULTILINE)
        left.append(limit - used + (int(cached.group(1)) if cached else 0))
    return min(left)


def _address_space() -> int:
    try:
        import resource
    except ImportError:
        return _UNLIMITED
    soft, _hard = resource.getrlimit(resource.RLIMIT_AS)
    used = re.search(r"^VmSize:\s+(\d+) kB", _read(Path("/proc/self/status")), re.MULTILINE)
    return _UNLIMITED if soft == resource.RLIM_INFINITY or used is None else soft - int(used.group(1)) * 1024


def _cgroup_folders(controller: str) -> list[Path]:
    """The process's control group of one controller and its parents, for both cgroup versions."""
    folders = []
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _hierarchy, names, path = [*line.split(":", 2), "", ""][:3]
        if names and controller not in names.split(","):
            continue
        base = _CGROUPS / controller if names else _CGROUPS
        own = base / path.lstrip("/")
        # Inside a container the path may be the host's; then only the mount's own root can be read.
        folders += [own, *(parent for parent in own.parents if parent == base or base in parent.parents)]
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def own_memory_bytes(pids: Iterable[int]) -> int:
    """Memory of some processes, what they share counted once and mapped files not at all; 0 where it is not told."""
    texts = (_read(Path(f"/proc/{pid}/smaps_rollup")) for pid in pids)
    return 1024 * sum(int(size) for text in texts for size in re.findall(r"^Pss_(?:Anon|Shmem):\s+(\d+)", text, re.M))


def return_memory() -> None:
    """Give memory that is no longer used back to the system, where the C library keeps it for later (glibc does)."""
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError, OSError):
            ctypes.CDLL(None).malloc_trim(0)


def processor_name() -> str:
    """The processor's name as its maker writes it."""
    if found := re.search(r"^model name\s*:\s*(.+)$", _read(Path("/proc/cpuinfo")), re.MULTILINE):
        return found.group(1).strip()
    return platform.processor() or platform.machine() or "CPU"


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 in hardware, as far as the system says: Linux on x86 does."""
    return bool({"avx512_bf16", "amx_bf16"} & _flags())


def has_amx() -> bool:
    """Whether it does so in tiles (AMX), as far as the system says."""
    return "amx_bf16" in _flags()


def _flags() -> set[str]:
    found = re.search(r"^flags\s*:(.*)$", _read(Path("/proc/cpuinfo")), re.MULTILINE)
    return set(found.group(1).split()) if found else set()


def _number(path: Path) -> int:
    text = _read(path).strip()
    return int(text) if text.isdigit() else 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
