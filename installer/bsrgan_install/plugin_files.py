"""The plug-in's files in a GIMP profile: real copies, with a manifest that knows which of them are still ours."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from bsrgan_install import record
from bsrgan_install.places import REPOSITORY

NAME = "gimp-bsrgan"
"""Folder and program have the same name: GIMP skips a plug-in silently otherwise."""

MANIFEST = "manifest.json"
INSTALL = "install.json"
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
) -> list[Path]:
    """Copy the plug-in into `PROFILE/plug-ins/gimp-bsrgan`, replacing an older one.

    Files of an older version that a person changed are kept beside the new ones, with the suffix `.before-upgrade`.

    Args:
        profile_dir: the profile, such as `~/.config/GIMP/3.0`; made when missing.
        prefix: the root of the installation, for the plug-in to find the daemon.
        command: how the plug-in starts the daemon, program first; empty when it cannot.
        msgpack: folder of an installed msgpack; only its pure Python files are taken, which load in every Python.
        version: of the package.
        repository: the checkout to copy from.

    Returns:
        The folders that were made outside the plug-in's own, outermost first.

    Raises:
        OSError: something cannot be read or written.
    """
    folder = profile_dir / "plug-ins" / NAME
    made = record.make_folder(folder.parent)
    old = manifest(folder)
    files = dict(_sources(repository, msgpack))
    texts = {INSTALL: _json({"prefix": str(prefix), "command": list(command), "version": version})}
    for name, digest in old.items():
        target = folder / name
        if target.is_file() and digest_of(target) != digest:
            target.replace(target.with_name(target.name + KEPT_SUFFIX))
        elif name not in files and name not in texts:
            target.unlink(missing_ok=True)
    for name, source in files.items():
        _copy(source, folder / name)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    digests = {name: digest_of(folder / name) for name in sorted([*files, *texts])}
    (folder / MANIFEST).write_text(_json({"version": version, "files": digests}), encoding="utf-8")
    _drop_bytecode(folder)
    _drop_empty(folder)
    return made


def remove_plugin(folder: Path) -> list[Path]:
    """Remove an installed plug-in; files that a person changed or added stay.

    Args:
        folder: `PROFILE/plug-ins/gimp-bsrgan`; it need not exist.

    Returns:
        The files that stay.

    Raises:
        OSError: something cannot be removed.
    """
    for name, digest in manifest(folder).items():
        target = folder / name
        if target.is_file() and digest_of(target) == digest:
            target.unlink()
    (folder / MANIFEST).unlink(missing_ok=True)
    if not folder.is_dir():
        return []
    _drop_bytecode(folder)
    _drop_empty(folder)
    return sorted(path for path in folder.rglob("*") if not path.is_dir()) if folder.is_dir() else []


def manifest(folder: Path) -> dict[str, str]:
    """Installed files, relative to the plug-in's folder, with the SHA-256 that they were installed with."""
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {name: digest for name, digest in files.items() if _is_inside(name)} if type(files) is dict else {}


def prefix_of(folder: Path) -> str:
    """The root that an installed plug-in belongs to; empty when that cannot be read."""
    try:
        return str(json.loads((folder / INSTALL).read_text(encoding="utf-8"))["prefix"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def digest_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


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


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.new")
    shutil.copyfile(source, temporary)
    # GIMP ignores a program without the executable bit, silently; a checkout from an archive may have lost it.
    temporary.chmod(0o755 if target.name == f"{NAME}.py" else 0o644)
    temporary.replace(target)


def _drop_bytecode(folder: Path) -> None:
    for cache in [path for path in folder.rglob("__pycache__") if path.is_dir()]:
        shutil.rmtree(cache, ignore_errors=True)


def _drop_empty(folder: Path) -> None:
    for path in sorted((path for path in folder.rglob("*") if path.is_dir()), key=lambda p: len(p.parts), reverse=True):
        record.remove_empty([str(path)])
    record.remove_empty([str(folder)])


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
