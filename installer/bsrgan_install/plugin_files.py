"""The plug-in's files in a GIMP profile: real copies, with a manifest that knows which of them are still ours."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from bsrgan_install import files, record
from bsrgan_install.places import REPOSITORY

NAME = "gimp-bsrgan"
"""Folder and program have the same name: GIMP skips a plug-in silently otherwise."""

MANIFEST = "manifest.json"
INSTALL = "install.json"
EARLIER = "earlier"
"""In the manifest of an unfinished copy: what may still lie there of the versions before."""

KEPT_SUFFIX = ".before-upgrade"
_MSGPACK = ("__init__.py", "exceptions.py", "ext.py", "fallback.py")


def install_plugin(
    profile_dir: Path,
    *,
    prefix: Path,
    command: Sequence[str],
    msgpack: Path,
    version: str,
    repository: Path = REPOSITORY,
) -> None:
    """Copy the plug-in into `PROFILE/plug-ins/gimp-bsrgan`, replacing an older one.

    Files of an older version that a person changed are kept beside the new ones, with the suffix `.before-upgrade`.

    Args:
        profile_dir: the profile, such as `~/.config/GIMP/3.0`; made when missing.
        prefix: the root of the installation, for the plug-in to find the daemon.
        command: how the plug-in starts the daemon, program first; empty when it cannot.
        msgpack: folder of an installed msgpack; only its pure Python files are taken, which load in every Python.
        version: of the package.
        repository: the checkout to copy from.

    Raises:
        OSError: something cannot be read or written.
    """
    folder = profile_dir / "plug-ins" / NAME
    contents = {INSTALL: _json({"prefix": str(prefix), "command": list(command), "version": version})}
    contents.update((name, source.read_bytes()) for name, source in _sources(repository, msgpack))
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(contents.items())}
    earlier = manifest(folder)
    # Before any file, and with what they replace: a copy that is stopped half-way is known again.
    _write(folder / MANIFEST, _json({"version": version, "files": digests, EARLIER: earlier}))
    _clear(folder, earlier, contents)
    for name, data in contents.items():
        _write(folder / name, data)
    _write(folder / MANIFEST, _json({"version": version, "files": digests}))
    _drop_bytecode(folder)
    _drop_empty(folder)


def remove_plugin(folder: Path) -> list[Path]:
    """Remove an installed plug-in; files that a person changed or added stay.

    Args:
        folder: `PROFILE/plug-ins/gimp-bsrgan`; it need not exist.

    Returns:
        The files that stay.

    Raises:
        OSError: something cannot be removed.
    """
    for name, digests in manifest(folder).items():
        target = folder / name
        if target.is_file() and digest_of(target) in digests:
            target.unlink()
        files.drop_draft(target)
    (folder / MANIFEST).unlink(missing_ok=True)
    files.drop_draft(folder / MANIFEST)
    if not folder.is_dir():
        return []
    _drop_bytecode(folder)
    _drop_empty(folder)
    return sorted(path for path in folder.rglob("*") if not path.is_dir()) if folder.is_dir() else []


def manifest(folder: Path) -> dict[str, list[str]]:
    """Our files, relative to the plug-in's folder, each with the SHA-256 of what we may have put there.

    That is one for each file of a whole copy; more while an upgrade is unfinished.
    """
    try:
        told = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        entries = [*told["files"].items(), *told.get(EARLIER, {}).items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    found: dict[str, list[str]] = {}
    for name, digests in entries:
        if _is_inside(name):
            known = found.setdefault(name, [])
            known += [digest for digest in _listed(digests) if digest not in known]
    return found


def prefix_of(folder: Path) -> str:
    """The root that an installed plug-in belongs to; empty when that cannot be read."""
    try:
        return str(json.loads((folder / INSTALL).read_text(encoding="utf-8"))["prefix"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def digest_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _listed(digests: object) -> list[str]:
    listed = digests if isinstance(digests, list) else [digests]
    return [digest for digest in listed if isinstance(digest, str)]


def _is_inside(name: str) -> bool:
    # A damaged manifest must not lead the uninstaller out of the plug-in's folder.
    return bool(name) and not Path(name).is_absolute() and ".." not in Path(name).parts


def _sources(repository: Path, msgpack: Path) -> Iterator[tuple[str, Path]]:
    yield from _tree(repository / "gimp_plugin" / NAME, "")
    yield from _tree(repository / "shared" / "bsrgan_wire", "vendor/bsrgan_wire/")
    for name in _MSGPACK:
        yield f"vendor/msgpack/{name}", msgpack / name
    for licence in sorted(msgpack.parent.glob("msgpack-*.dist-info/**/COPYING")):
        yield "vendor/msgpack/COPYING", licence
    yield "LICENSE", repository / "LICENSE"


def _tree(base: Path, below: str) -> Iterator[tuple[str, Path]]:
    for path in sorted(base.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
            yield below + path.relative_to(base).as_posix(), path


def _clear(folder: Path, earlier: Mapping[str, Sequence[str]], contents: Collection[str]) -> None:
    """Set aside what a person changed, and remove modules that no longer exist."""
    for name, digests in earlier.items():
        target = folder / name
        if target.is_file() and digest_of(target) not in digests:
            target.replace(target.with_name(target.name + KEPT_SUFFIX))
        elif name not in contents:
            target.unlink(missing_ok=True)
        files.drop_draft(target)


def _write(target: Path, data: bytes) -> None:
    # GIMP ignores a program without the executable bit, silently; a checkout from an archive may have lost it.
    files.write(target, data, 0o755 if target.name == f"{NAME}.py" else 0o644)


def _drop_bytecode(folder: Path) -> None:
    for cache in [path for path in folder.rglob("__pycache__") if path.is_dir()]:
        shutil.rmtree(cache, ignore_errors=True)


def _drop_empty(folder: Path) -> None:
    for path in sorted((path for path in folder.rglob("*") if path.is_dir()), key=lambda p: len(p.parts), reverse=True):
        record.remove_empty([str(path)])
    record.remove_empty([str(folder)])


def _json(value: object) -> bytes:
    return f"{json.dumps(value, indent=1, ensure_ascii=False)}\n".encode()
